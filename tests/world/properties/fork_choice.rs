//! The node against the model of its store, compared whole after every step.

use std::{cell::RefCell, collections::BTreeMap};

use bevy_ecs::world::World;
use proptest::{prelude::*, test_runner::TestRunner};
use quintet_components::{
    chain::{Finalized, Head, Justified, SafeTarget},
    containers::{AttestationData, Checkpoint, Root},
    messages::{IgnoreReason, Verdict},
    rejection::RejectionReason as Reason,
    tree::BlockTree,
};
use quintet_systems::{
    fork_choice::block_weights,
    production::{Facts, attestation_data},
};
use tree_hash::TreeHash;

use super::config;
use crate::{
    properties::{
        plans::{Step, step},
        steps::{Outcome, Pair},
        store::Store,
    },
    support::chain,
};

/// Counts the events of the histories, so that a generator that went stale shows.
#[derive(Default, Debug)]
struct Seen {
    refused: BTreeMap<Reason, usize>,
    forks: usize,
    reorganisations: usize,
    finality_advanced: usize,
    finality_lowered: usize,
    safe_target_moved: usize,
    votes_pruned: usize,
    /// A validator's two attestations for one slot in the known pool.
    ties: usize,
    aggregated: usize,
    walked_back_targets: usize,
    /// The source took the target's place.
    clamped_targets: usize,
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
        if let Some(data) = store.attestation_to_give(store.time / 5) {
            self.walked_back_targets += usize::from(data.target.root != data.head.root);
            self.clamped_targets += usize::from(data.target == data.source && data.source.slot > 0);
        }
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
    // Also while the clock is behind the head.
    for slot in slot.saturating_sub(2)..=slot {
        prop_assert_eq!(attestation(world, slot), store.attestation_to_give(slot), "attestation");
    }
    Ok(())
}

/// The node's attestation data in a slot.
fn attestation(world: &World, slot: u64) -> Option<AttestationData> {
    let facts = Facts {
        tree: world.resource::<BlockTree>(),
        head: world.resource::<Head>().0.root,
        safe_target_slot: world.resource::<SafeTarget>().0.slot,
        finalized_slot: world.resource::<Finalized>().0.slot,
    };
    attestation_data(&facts, slot)
}

/// The node admits from others the attestation that it would make itself, whether or not it
/// aggregates.
fn own_attestation_is_admitted(pair: &mut Pair) -> Result<(), TestCaseError> {
    let Some(data) = pair.store.attestation_to_give(pair.store.time / 5) else { return Ok(()) };
    for validator in 0..pair.store.validators {
        let verdict = pair.node.attestation(chain::attested_by(data, validator));
        // A history may have had the validator attest twice for the slot already.
        let is_admitted = matches!(
            verdict,
            Verdict::Accepted
                | Verdict::Ignored(IgnoreReason::KnownAttestation | IgnoreReason::Equivocation)
        );
        prop_assert!(is_admitted, "{:?}: {:?}", data, verdict);
    }
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
        own_attestation_is_admitted(&mut pair)?;
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
        seen.clamped_targets,
    ];
    assert!(counts.iter().all(|count| *count > 2), "{seen:?}");
    assert!(seen.refused.len() > 15, "{seen:?}");
}

/// Slots 1 to 7 are empty, and block 8 justifies slot 6. Three blocks back from it is slot 5, which
/// may be a target and is older than the source.
#[test]
fn no_target_is_attested_that_is_older_than_the_source() {
    let mut pair = Pair::new(4);
    let genesis = pair.store.finalized;
    pair.step(&Step::Tick { intervals: 41, has_proposal: false }).expect("agreement");
    let mut chain = vec![genesis];
    for slot in 1..=7 {
        chain.push(pair.block_on(chain[chain.len() - 1].root, slot, &[]));
    }
    let six = chain[6];
    let data = AttestationData { slot: 7, head: chain[7], target: six, source: genesis };
    let head = pair.block_on(chain[7].root, 8, &[(data, vec![0, 1, 2])]);
    compare(&mut pair).expect("agreement");
    let data = pair.store.attestation_to_give(8).expect("there is one");
    assert_eq!((data.head, data.target, data.source), (head, six, six));
    own_attestation_is_admitted(&mut pair).expect("it is admitted");
}

/// The head is of slot 3, and the clock that duties go by is still in slot 2.
#[test]
fn no_head_is_attested_that_is_newer_than_the_slot() {
    let mut pair = Pair::new(4);
    let genesis = pair.store.finalized;
    let two = pair.block_on(genesis.root, 2, &[]);
    let three = pair.block_on(two.root, 3, &[]);
    compare(&mut pair).expect("agreement");
    assert_eq!(pair.node.world().resource::<Head>().0, three);
    let data = attestation(pair.node.world(), 2).expect("there is one");
    assert_eq!((data.slot, data.head), (2, two));
    assert_eq!(pair.node.attestation(chain::attested_by(data, 1)), Verdict::Accepted);
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

/// Of two attestations for one slot the one whose attestation data has the larger root counts,
/// whichever came first, and a block that carries the other changes nothing.
#[test]
fn of_two_attestations_for_one_slot_the_larger_root_counts() {
    for order in [[0, 1], [1, 0]] {
        let mut pair = Pair::new(4);
        let genesis = pair.store.finalized;
        let blocks = [pair.block_on(genesis.root, 1, &[]), pair.block_on(genesis.root, 2, &[])];
        pair.step(&Step::Tick { intervals: 10, has_proposal: false }).expect("agreement");
        let vote = |head| AttestationData { slot: 2, head, target: genesis, source: genesis };
        for place in order {
            pair.gossip(vote(blocks[place]), &[0, 1, 2, 3]).expect("agreement");
        }
        pair.step(&Step::Tick { intervals: 5, has_proposal: false }).expect("agreement");
        compare(&mut pair).expect("agreement");
        let larger = blocks.into_iter().max_by_key(|head| vote(*head).tree_hash_root());
        let larger = larger.expect("two");
        assert_eq!(pair.node.world().resource::<Head>().0, larger);
        let smaller = blocks.into_iter().find(|head| *head != larger).expect("two");
        pair.block_on(larger.root, 3, &[(vote(smaller), vec![0])]);
        compare(&mut pair).expect("agreement");
        assert_eq!(pair.node.world().resource::<Head>().0.slot, 3);
    }
}

/// An attestation for a block that finality has passed is refused, and counts after a reorganisation
/// has lowered finality.
#[test]
fn an_attestation_that_finality_had_passed_counts_after_finality_went_back() {
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
    let refused = Some(Err(Reason::HeadNotDescendantOfFinalized));
    assert_eq!(pair.gossip(late, &[0, 2]).expect("agreement"), refused);
    compare(&mut pair).expect("agreement");

    let six = pair.block_on(rival.root, 6, &[]);
    let data = AttestationData { slot: 7, head: six, target: six, source: genesis };
    pair.block_on(six.root, 7, &[(data, everyone.to_vec())]);
    compare(&mut pair).expect("agreement");
    assert_eq!(pair.store.finalized, genesis);
    assert_eq!(pair.gossip(late, &[0, 2]).expect("agreement"), Some(Ok(())));
    pair.step(&Step::Tick { intervals: 5, has_proposal: false }).expect("agreement");
    compare(&mut pair).expect("agreement");
    assert!(block_weights(pair.node.world()).contains(&(rival.root, 2)));
}
