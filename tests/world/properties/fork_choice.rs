//! The node against the model of its store, compared whole after every step.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{prelude::*, test_runner::TestRunner};
use quintet_components::{
    chain::{Finalized, Head, Justified, SafeTarget},
    containers::{AttestationData, Checkpoint, Root},
    rejection::RejectionReason as Reason,
    tree::BlockTree,
};
use quintet_systems::{fork_choice::block_weights, production::produce_attestation_data};

use super::config;
use crate::properties::{
    plans::{Step, step},
    steps::{Outcome, Pair},
    store::Store,
};

/// What the histories went through, so that a generator that went stale shows.
#[derive(Default, Debug)]
struct Seen {
    refused: BTreeMap<Reason, usize>,
    forks: usize,
    reorganisations: usize,
    finality_advanced: usize,
    finality_lowered: usize,
    safe_target_moved: usize,
    votes_pruned: usize,
    /// A validator's two votes for one slot in the known pool.
    ties: usize,
    aggregated: usize,
    walked_back_targets: usize,
}

/// Facts of the model before a step.
struct Before {
    head: Root,
    finalized: Checkpoint,
    safe_target: Root,
    known: usize,
    signatures: usize,
}

impl Before {
    fn of(store: &Store) -> Self {
        Self {
            head: store.head,
            finalized: store.finalized,
            safe_target: store.safe_target,
            known: store.known.len(),
            signatures: store.signatures.len(),
        }
    }
}

impl Seen {
    fn note(&mut self, step: &Step, outcome: Outcome, before: &Before, store: &Store) {
        if let Some(Err(reason)) = outcome {
            *self.refused.entry(reason).or_default() += 1;
        }
        let on_chain = store.chain(store.head).iter().any(|block| block.root == before.head);
        self.reorganisations += usize::from(!on_chain);
        self.finality_advanced += usize::from(store.finalized.slot > before.finalized.slot);
        self.finality_lowered += usize::from(store.finalized.slot < before.finalized.slot);
        self.safe_target_moved += usize::from(store.safe_target != before.safe_target);
        self.votes_pruned += usize::from(store.known.len() < before.known);
        let ticked = matches!(step, Step::Tick { .. });
        self.aggregated += usize::from(ticked && store.signatures.len() < before.signatures);
        self.ties += ties(store);
        let target = store.vote_to_give(store.time / 5).target;
        self.walked_back_targets += usize::from(target.root != store.head);
    }
}

fn ties(store: &Store) -> usize {
    let latest = store.latest_votes(&store.known);
    let rivals = |(data, payloads): &(AttestationData, std::collections::BTreeSet<_>)| {
        let voters =
            payloads.iter().flat_map(|payload: &crate::properties::store::Payload| &payload.voters);
        let mut voted = voters.filter_map(|voter| latest.get(voter));
        voted.any(|latest| latest.slot == data.slot && latest.head != data.head)
    };
    usize::from(store.known.iter().any(rivals))
}

fn compare(pair: &mut Pair) -> Result<(), TestCaseError> {
    let (signatures, new, known) = (pair.signatures(), pair.new_payloads(), pair.known_payloads());
    let time = pair.node.time();
    let store = &pair.store;
    prop_assert_eq!(time, store.time);
    prop_assert_eq!(&signatures, &store.signatures, "signatures");
    prop_assert_eq!(&new, &store.new, "new payloads");
    prop_assert_eq!(&known, &store.known, "known payloads");
    let world = pair.node.app.world_mut();
    let tree = world.resource::<BlockTree>();
    let mut blocks: Vec<Root> = tree.iter().map(|(_, block)| block.root).collect();
    blocks.sort_unstable();
    prop_assert_eq!(blocks, store.blocks.keys().copied().collect::<Vec<_>>());
    prop_assert_eq!(world.resource::<Justified>().0, store.justified, "justified");
    let finalized = world.resource::<Finalized>().0;
    prop_assert_eq!(block_weights(world), store.block_weights(), "weights");
    let at = |root: Root| Checkpoint { root, slot: store.slot_of(&root) };
    prop_assert_eq!(world.resource::<Head>().0, at(store.head), "head");
    prop_assert_eq!(finalized, store.finalized, "finalized");
    prop_assert_eq!(world.resource::<SafeTarget>().0, at(store.safe_target), "safe target");
    let slot = store.time / 5;
    prop_assert_eq!(produce_attestation_data(world, slot), store.vote_to_give(slot), "vote");
    Ok(())
}

#[test]
fn a_node_and_the_model_of_its_store_agree_after_every_step() {
    let seen = RefCell::new(Seen::default());
    let strategy = (1u64..=8, prop::collection::vec(step(), 1..120));
    let mut runner = TestRunner::new(config(512));
    let result = runner.run(&strategy, |(validators, steps)| {
        let mut pair = Pair::new(validators);
        compare(&mut pair)?;
        for step in &steps {
            let before = Before::of(&pair.store);
            let outcome = pair.step(step)?;
            compare(&mut pair)?;
            seen.borrow_mut().note(step, outcome, &before, &pair.store);
        }
        let tree = pair.node.world().resource::<BlockTree>();
        let forks = tree.iter().filter(|(id, _)| tree.children(*id).count() > 1).count();
        seen.borrow_mut().forks += forks;
        Ok(())
    });
    result.expect("every history");
    let seen = seen.into_inner();
    let counts = [
        seen.forks,
        seen.reorganisations,
        seen.finality_advanced,
        seen.finality_lowered,
        seen.safe_target_moved,
        seen.votes_pruned,
        seen.ties,
        seen.aggregated,
        seen.walked_back_targets,
    ];
    assert!(counts.iter().all(|count| *count > 2), "{seen:?}");
    assert!(seen.refused.len() > 15, "{seen:?}");
}

/// Two chains from genesis. The first finalizes more, the second justifies a later block, so that
/// fork choice moves to it, and what counts as finalized goes back to what that chain says.
#[test]
fn a_reorganisation_onto_a_chain_that_finalized_less_lowers_finality() {
    let mut pair = Pair::new(4);
    let everyone: &[u64] = &[0, 1, 2, 3];
    let genesis = pair.store.finalized;
    // Slots 1 to 4, each block justifying the one before it: slots 1 and 2 are finalized.
    let mut long = vec![genesis];
    for slot in 1..=4 {
        let (parent, source) = (long[long.len() - 1], long[long.len().saturating_sub(2)]);
        let data = AttestationData { slot, head: parent, target: parent, source };
        let votes = if slot == 1 { vec![] } else { vec![(data, everyone.to_vec())] };
        long.push(pair.block_on(parent.root, slot, &votes));
        compare(&mut pair).expect("agreement");
    }
    assert_eq!((pair.store.head, pair.store.finalized), (long[4].root, long[2]));
    // Slots 5 and 6: the second justifies slot 5 straight from genesis.
    let five = pair.block_on(genesis.root, 5, &[]);
    compare(&mut pair).expect("agreement");
    assert_eq!(pair.store.head, long[4].root, "no reason to move yet");
    let data = AttestationData { slot: 6, head: five, target: five, source: genesis };
    let six = pair.block_on(five.root, 6, &[(data, everyone.to_vec())]);
    compare(&mut pair).expect("agreement");
    let world = pair.node.world();
    assert_eq!(world.resource::<Head>().0, six);
    assert_eq!(world.resource::<Justified>().0, five);
    assert_eq!(world.resource::<Finalized>().0, genesis, "finality went back");
}

/// Of two votes for one slot the first in the pool counts, and a block that carries the other
/// moves it to the front.
#[test]
fn a_block_that_carries_a_vote_moves_it_before_its_rival() {
    let mut pair = Pair::new(4);
    let genesis = pair.store.finalized;
    let one = pair.block_on(genesis.root, 1, &[]);
    let two = pair.block_on(genesis.root, 2, &[]);
    pair.step(&Step::Tick { intervals: 10, has_proposal: false }).expect("agreement");
    let vote = |head| AttestationData { slot: 2, head, target: genesis, source: genesis };
    for head in [one, two] {
        pair.gossip(vote(head), &[0, 1, 2, 3]).expect("agreement");
    }
    pair.step(&Step::Tick { intervals: 5, has_proposal: false }).expect("agreement");
    compare(&mut pair).expect("agreement");
    assert_eq!(pair.node.world().resource::<Head>().0, one, "first come, first counted");
    let three = pair.block_on(two.root, 3, &[(vote(two), vec![0])]);
    compare(&mut pair).expect("agreement");
    assert_eq!(pair.node.world().resource::<Head>().0, three);
}

/// A vote for a block that finality has passed weighs nothing, and weighs again when a
/// reorganisation lowers finality.
#[test]
fn a_vote_that_finality_had_passed_counts_again_after_finality_went_back() {
    let mut pair = Pair::new(4);
    let everyone: &[u64] = &[0, 1, 2, 3];
    let genesis = pair.store.finalized;
    let rival = pair.block_on(genesis.root, 1, &[]);
    let mut chain = vec![genesis];
    for slot in 2..=5 {
        let (parent, source) = (chain[chain.len() - 1], chain[chain.len().saturating_sub(2)]);
        let data = AttestationData { slot, head: parent, target: parent, source };
        let votes = if slot == 2 { vec![] } else { vec![(data, everyone.to_vec())] };
        chain.push(pair.block_on(parent.root, slot, &votes));
    }
    assert_eq!(pair.store.finalized, chain[2]);
    pair.step(&Step::Tick { intervals: 40, has_proposal: false }).expect("agreement");
    let late = AttestationData { slot: 8, head: rival, target: genesis, source: genesis };
    pair.gossip(late, &[0, 2]).expect("agreement");
    pair.step(&Step::Tick { intervals: 4, has_proposal: false }).expect("agreement");
    compare(&mut pair).expect("agreement");
    let weights = |pair: &mut Pair| block_weights(pair.node.world());
    assert!(weights(&mut pair).iter().all(|(_, weight)| *weight == 0));

    let six = pair.block_on(rival.root, 6, &[]);
    let data = AttestationData { slot: 7, head: six, target: six, source: genesis };
    pair.block_on(six.root, 7, &[(data, everyone.to_vec())]);
    compare(&mut pair).expect("agreement");
    assert_eq!(pair.store.finalized, genesis);
    assert!(weights(&mut pair).contains(&(rival.root, 2)));
}
