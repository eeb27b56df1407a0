//! Under any interleaving of results, deadlines and ticks the pools are those of a model in which
//! nothing takes time: a finished job takes its inputs out and puts its proof in, at once.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quintet_components::containers::{Slot, ValidatorIndex};

use crate::{
    aggregation::aggregator::{Aggregator, Event, Options, Sets},
    support::prover::Ending,
};

const SLOTS: Slot = 8;

/// The events of a slot.
#[derive(Clone, Debug)]
struct Step {
    /// The signers of the slot's attestation.
    signers: BTreeSet<ValidatorIndex>,
    /// Whose aggregate of the slot's attestation arrives.
    aggregate: BTreeSet<ValidatorIndex>,
    /// The time of each proof, in milliseconds.
    costs: Vec<u64>,
    /// The end of each proof.
    endings: Vec<Ending>,
    /// Milliseconds after interval 2 at which the node is looked at.
    looks: Vec<u64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = || prop::collection::btree_set(0..9_u64, 0..6);
    let ending = prop_oneof![
        4 => Just(Ending::Obedient),
        2 => Just(Ending::Proof),
        1 => Just(Ending::Error),
        1 => Just(Ending::Panic),
    ];
    let step = (
        some(),
        some(),
        prop::collection::vec(prop_oneof![0..800_u64, 700..1700_u64, 3900..4600_u64], 1..4),
        prop::collection::vec(ending, 0..4),
        prop::collection::vec(0..2300_u64, 0..3),
    );
    prop::collection::vec(
        step.prop_map(|(signers, aggregate, costs, endings, looks)| {
            let mut looks = looks;
            looks.sort_unstable();
            Step { signers, aggregate, costs, endings, looks }
        }),
        usize::try_from(SLOTS).expect("few"),
    )
}

type Voters = BTreeSet<ValidatorIndex>;

/// An attestation's evidence.
#[derive(Clone, Debug, Default)]
struct Evidence {
    signed: Voters,
    /// Each with whether the node made it itself.
    new: Vec<(Voters, bool)>,
    known: Vec<Voters>,
}

/// The pools, by the slot of the attestation.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<Slot, Evidence>);

impl Model {
    /// leanSpec drops the new payloads of attestations that a round makes no proof for.
    fn drop_lone(&mut self) {
        for evidence in self.0.values_mut() {
            let new: Vec<Voters> = evidence.new.iter().map(|(voters, _)| voters.clone()).collect();
            let mut covered = Voters::new();
            let mut children = 0;
            for pool in [&new, &evidence.known] {
                while let Some(best) =
                    pool.iter().max_by_key(|each| each.difference(&covered).count())
                {
                    if best.is_subset(&covered) {
                        break;
                    }
                    covered.extend(best);
                    children += 1;
                }
            }
            if evidence.signed.is_subset(&covered) && children == 1 {
                evidence.new.retain(|(_, is_own)| *is_own);
            }
        }
    }

    /// A job over the evidence of that time ended with a proof.
    fn finish(&mut self, slot: Slot, then: &Evidence, proved: &Voters) {
        let evidence = self.0.entry(slot).or_default();
        evidence.signed.retain(|voter| !(then.signed.contains(voter) && proved.contains(voter)));
        evidence.new.retain(|each| !(then.new.contains(each) && each.0.is_subset(proved)));
        evidence.new.push((proved.clone(), true));
    }

    fn accept(&mut self) {
        for evidence in self.0.values_mut() {
            evidence.known.extend(std::mem::take(&mut evidence.new).into_iter().map(|each| each.0));
        }
    }

    fn pools(&self) -> [Sets; 3] {
        let list = |voters: &Voters| voters.iter().copied().collect::<Vec<_>>();
        [
            sorted(self.0.values().map(|each| list(&each.signed))),
            sorted(self.0.values().flat_map(|each| each.new.iter().map(|(new, _)| list(new)))),
            sorted(self.0.values().flat_map(|each| each.known.iter().map(list))),
        ]
    }
}

/// Without those that are there twice: proofs of other inputs over the same voters.
fn sorted(sets: impl IntoIterator<Item = Vec<ValidatorIndex>>) -> Sets {
    let mut sets: Sets = sets.into_iter().filter(|set| !set.is_empty()).collect();
    sets.sort();
    sets.dedup();
    sets
}

/// Plays the steps on a node, then what the node saw in the model. Returns how many jobs finished.
fn play(steps: &[Step], permits: usize) -> Result<usize, TestCaseError> {
    let mut aggregator = Aggregator::new(&Options { permits, ..Options::default() });
    aggregator.log.clear();
    for (slot, step) in (1..).zip(steps) {
        aggregator.at(slot, 1, 0);
        let data = aggregator.data(slot);
        aggregator.prover.costs(&step.costs);
        aggregator.prover.endings(&step.endings);
        aggregator.sign(data, &Vec::from_iter(step.signers.iter().copied()));
        if !step.aggregate.is_empty() {
            aggregator.receive(data, &Vec::from_iter(step.aggregate.iter().copied()));
        }
        for look in &step.looks {
            aggregator.at(slot, 2, *look);
        }
    }
    aggregator.at(SLOTS + 2, 4, 0);

    let mut model = Model::default();
    let mut opened = Model::default();
    let mut finished = 0;
    for (index, event) in aggregator.log.iter().enumerate() {
        match event {
            Event::Signed(slot, voters) => {
                model.0.entry(*slot).or_default().signed.extend(voters);
            }
            Event::Received(slot, voters) => {
                let payload = (voters.iter().copied().collect(), false);
                model.0.entry(*slot).or_default().new.push(payload);
            }
            Event::Updated { intervals: (before, after), own, pools } => {
                // Finished jobs are committed before an interval is walked.
                for (slot, voters) in own {
                    let then = opened.0.get(slot).cloned().unwrap_or_default();
                    model.finish(*slot, &then, &voters.iter().copied().collect());
                    finished += 1;
                }
                for walked in before + 1..=*after {
                    match walked % 5 {
                        2 => {
                            model.drop_lone();
                            opened = model.clone();
                        }
                        4 => model.accept(),
                        _ => {}
                    }
                }
                let pools = pools.clone().map(sorted);
                prop_assert_eq!(&pools, &model.pools(), "after event {}", index);
            }
        }
    }
    Ok(finished)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_pools_equal_those_of_a_synchronous_model_with_the_same_finished_jobs(
        steps in steps(),
        permits in 1..4_usize,
    ) {
        play(&steps, permits)?;
    }
}

/// A property of runs in which nothing finishes would prove nothing.
#[test]
fn jobs_do_finish() {
    let step = |cost| Step {
        signers: [1, 2, 3].into(),
        aggregate: [3, 4].into(),
        costs: vec![cost],
        endings: vec![],
        looks: vec![],
    };
    let steps: Vec<Step> = [100, 900, 1700, 100, 4200, 100, 100, 100].map(step).into();
    assert_eq!(play(&steps, 1).expect("the model agrees"), 8);
}
