//! A node that was stopped goes on as if it had not been.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use proptest::{prelude::*, sample::Index};
use quintet_components::{
    chain::{Finalized, Head, Justified, SafeTarget, States},
    containers::{AttestationData, Checkpoint, Root, SignedBlock},
    messages::Verdict,
    rejection::RejectionReason,
    storage::ForkChoiceFacts,
    tree::BlockTree,
};
use quintet_plugins::{
    Anchor, ResumePlugin,
    storage::{Retention, RocksDbPlugin, Store},
};
use quintet_systems::{fork_choice::block_weights, production::produce_attestation_data};

use crate::{
    storage::fixture::{Fixture, Tree},
    support::{
        chain::aggregate,
        node::{Setup, TestNode},
    },
};

/// A node that keeps its chain in this store, from genesis or from where the store ended.
fn node_on(fixture: &Fixture, anchor: &Anchor) -> TestNode {
    let store = Arc::new(fixture.open(anchor, Retention::default()));
    let Some(data) = store.resume().expect("reads") else {
        store.begin(&anchor.block, &anchor.state).expect("begins");
        return TestNode::new(with_store(anchor.clone(), store));
    };
    let finalized = Anchor::from(&data);
    TestNode::new(with_store(finalized, store).with(|app| {
        app.add_plugins(ResumePlugin { data });
    }))
}

fn with_store(anchor: Anchor, store: Arc<Store>) -> Setup {
    Setup::new(anchor).accepting_signatures().with(|app| {
        app.add_plugins(RocksDbPlugin { store });
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    facts: ForkChoiceFacts,
    blocks: Vec<Root>,
}

fn seen(node: &mut TestNode) -> Seen {
    let world = node.world();
    let facts = ForkChoiceFacts {
        head: world.resource::<Head>().0,
        safe_target: world.resource::<SafeTarget>().0,
        justified: world.resource::<Justified>().0,
        finalized: world.resource::<Finalized>().0,
    };
    let tree = world.resource::<BlockTree>();
    let mut blocks: Vec<Root> = tree.iter().map(|(_, block)| block.root).collect();
    blocks.sort_unstable();
    Seen { facts, blocks }
}

#[derive(Clone, Debug)]
struct Slot {
    /// The index of the block that is built on, among the newest ones.
    on: Index,
    voters: u64,
    /// True if the slot has a second block.
    forks: bool,
}

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    let slot = (any::<Index>(), prop_oneof![6 => Just(0xffu64), 1 => any::<u64>()], any::<bool>())
        .prop_map(|(on, voters, forks)| Slot { on, voters, forks });
    prop::collection::vec(slot, 1..24)
}

/// The next slot's blocks and attestations, the same for every node.
fn play(nodes: &mut [&mut TestNode], tree: &mut Tree, number: u64, slot: &Slot) {
    let count = tree.blocks.len();
    let tip = (0..count)
        .rev()
        .find(|index| tree.blocks[*index].at == nodes[0].world().resource::<Head>().0)
        .expect("the head was built");
    let mut parents = vec![tip];
    if slot.forks {
        parents.push(count - 1 - slot.on.index(count.min(4)));
    }
    for (parent, voters) in parents.into_iter().zip([slot.voters, 0]) {
        let on = tree.blocks[parent].at.slot;
        let block = tree.grow(parent, (number - 1).saturating_sub(on), 0, voters);
        let built = tree.blocks[block].clone();
        for node in &mut *nodes {
            node.tick_to(5 * number, false);
            let verdict = node.block(SignedBlock::clone(&built.block));
            assert!(!matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
        }
    }
    let voters: Vec<u64> = (0..8).filter(|index| slot.voters >> index & 1 == 1).collect();
    let data: AttestationData = produce_attestation_data(nodes[0].world(), number);
    for node in &mut *nodes {
        if !voters.is_empty() {
            node.aggregate(aggregate(data, &voters));
        }
        node.tick_to(5 * number + 4, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_resumed_node_equals_one_that_went_on(
        slots in slots(),
        stop in any::<Index>(),
        on_disk in any::<bool>(),
    ) {
        let fixture = if on_disk { Fixture::disk() } else { Fixture::memory() };
        let mut tree = Tree::new(8);
        let anchor = tree.anchor.clone();
        let mut steady = TestNode::new(Setup::new(anchor.clone()).accepting_signatures());
        let mut stopped = node_on(&fixture, &anchor);
        let stop = stop.index(slots.len());
        for (number, slot) in (1..).zip(&slots) {
            play(&mut [&mut steady, &mut stopped], &mut tree, number, slot);
            if usize::try_from(number).expect("small") == stop + 1 {
                prop_assert_eq!(seen(&mut steady), seen(&mut stopped));
                drop(stopped);
                stopped = node_on(&fixture, &anchor);
                prop_assert_eq!(seen(&mut steady), seen(&mut stopped));
                let now = 5 * number + 4;
                stopped.tick_to(now, false);
            }
        }
        // The attestations of the newest slot may be lost; with the next ones all is equal.
        let last = slots.len() as u64;
        for number in last + 1..last + 4 {
            let everyone = Slot { on: slots[0].on, voters: 0xff, forks: false };
            play(&mut [&mut steady, &mut stopped], &mut tree, number, &everyone);
        }
        prop_assert_eq!(seen(&mut steady), seen(&mut stopped));
    }
}

#[test]
fn saved_votes_weigh_again() {
    let fixture = Fixture::memory();
    let mut tree = Tree::new(8);
    let anchor = tree.anchor.clone();
    let mut node = node_on(&fixture, &anchor);
    // Two blocks of one slot; five of eight attest to the one that would lose a tie.
    let (one, other) = (tree.grow(0, 0, 0, 0), tree.grow(0, 1, 0, 0));
    node.tick_to(10, false);
    for block in [one, other] {
        let block = SignedBlock::clone(&tree.blocks[block].block);
        assert_eq!(node.block(block), Verdict::Accepted);
    }
    let (one, other) = (tree.blocks[one].at, tree.blocks[other].at);
    let loser = if one.root < other.root { one } else { other };
    let genesis = tree.blocks[0].at;
    let data = AttestationData { slot: 2, head: loser, target: loser, source: genesis };
    assert_eq!(node.aggregate(aggregate(data, &[0, 2, 3, 5, 7])), Verdict::Accepted);
    node.tick_to(15, false);
    assert_eq!(node.world().resource::<Head>().0, loser);
    let weights = block_weights(node.world());
    assert!(weights.contains(&(loser.root, 5)));
    drop(node);

    let mut node = node_on(&fixture, &anchor);
    assert_eq!(node.world().resource::<Head>().0, loser);
    assert_eq!(block_weights(node.world()), weights);
    node.tick_to(20, false);
    assert_eq!(node.world().resource::<Head>().0, loser, "the votes still hold it");
}

#[test]
fn a_fork_from_a_state_that_left_the_cache_is_imported() {
    let mut tree = Tree::new(4);
    let anchor = tree.anchor.clone();
    let tip = tree.grow_chain(0, 12);
    let fork = tree.grow(2, 20, 0, 0);
    let import = |node: &mut TestNode, tree: &Tree, blocks: &mut dyn Iterator<Item = usize>| {
        let verdicts = blocks.map(|block| {
            let built = &tree.blocks[block];
            let now = node.time();
            node.tick_to(now.max(5 * built.at.slot), false);
            node.block(SignedBlock::clone(&built.block))
        });
        verdicts.collect::<Vec<_>>()
    };
    let fixture = Fixture::memory();
    let mut with_store = node_on(&fixture, &anchor);
    let mut without = TestNode::new(Setup::new(anchor.clone()));
    for node in [&mut with_store, &mut without] {
        assert!(import(node, &tree, &mut (1..=tip)).iter().all(|each| *each == Verdict::Accepted));
        forget_states(node.world());
    }
    assert_eq!(import(&mut with_store, &tree, &mut std::iter::once(fork)), [Verdict::Accepted]);
    let verdicts = import(&mut without, &tree, &mut std::iter::once(fork));
    let Verdict::Rejected(rejection) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert_eq!(rejection.reason, RejectionReason::UnknownParentBlock);
}

/// Only what fork choice stands on is left in the cache.
fn forget_states(world: &mut World) {
    let held: Vec<Checkpoint> = vec![
        world.resource::<Head>().0,
        world.resource::<SafeTarget>().0,
        world.resource::<Justified>().0,
        world.resource::<Finalized>().0,
    ];
    let mut few = States::new(1);
    let states = world.resource::<States>();
    for block in held {
        few.insert(block.root, Arc::clone(states.get(&block.root).expect("is held")));
    }
    world.insert_resource(few);
}
