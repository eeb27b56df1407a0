//! Answers to peers, at every boundary.

use std::sync::Arc;

use quintet_components::{
    constants::MAX_REQUEST_BLOCKS,
    containers::{
        BlocksByRangeRequest, BlocksByRootRequest, Checkpoint, RequestedRoots, Root, Status,
    },
    network::{Answer, LastStatus, PeersById, Request, ResponseError},
    sync::limits,
};

use crate::sync::{
    ledger::{Chain, VALIDATORS},
    peers::Behaviour,
    world::SyncWorld,
};

/// A node that has imported the chain, at this slot, with a peer "p".
fn synced(chain: &Arc<Chain>, slot: u64) -> SyncWorld {
    let mut world = SyncWorld::at_slot(chain, slot);
    world.connect("p", chain, Behaviour::Honest);
    assert!(world.run_until(10, |world| world.head() == chain.tip()), "{:?}", world.counts());
    world
}

fn range(world: &mut SyncWorld, start_slot: u64, count: u64) -> Result<Vec<Root>, ResponseError> {
    match world.ask("p", Request::BlocksByRange(BlocksByRangeRequest { start_slot, count })) {
        Answer::Blocks(roots) => Ok(roots.to_vec()),
        Answer::Error(error) => Err(error),
        Answer::Status(_) => panic!("a status for a range"),
    }
}

fn roots_of(chain: &Chain, start: u64, count: u64) -> Vec<Root> {
    chain.range(start, count).iter().map(|link| link.root).collect()
}

#[test]
fn a_range_is_the_canonical_chain_without_empty_slots() {
    let slots = (1..=100).filter(|slot| slot % 7 != 0 && !(40..60).contains(slot));
    let chain = Arc::new(Chain::genesis().grow(slots, VALIDATORS));
    let mut world = synced(&chain, 100);
    for (start, count) in [(1, 1), (1, 6), (7, 1), (40, 20), (39, 22), (95, 1_024), (100, 1)] {
        assert_eq!(range(&mut world, start, count), Ok(roots_of(&chain, start, count)), "{start}");
    }
    for start in 1..=105 {
        for count in [1, 2, 7, 64, 1_023] {
            assert_eq!(range(&mut world, start, count), Ok(roots_of(&chain, start, count)));
        }
    }
    assert_eq!(range(&mut world, 101, 10), Ok(vec![]), "after the head");
    let with_genesis = [vec![chain.anchor_root], roots_of(&chain, 1, 4)].concat();
    assert_eq!(range(&mut world, 0, 5), Ok(with_genesis));
    assert_eq!(range(&mut world, u64::MAX, 1_024), Ok(vec![]));
    assert_eq!(range(&mut world, u64::MAX - 5, 3), Ok(vec![]));
}

#[test]
fn a_count_of_zero_or_above_the_limit_is_invalid() {
    let chain = Arc::new(Chain::voted(10));
    let mut world = synced(&chain, 10);
    let invalid = Err(ResponseError::InvalidRequest("Invalid count".into()));
    for count in [0, MAX_REQUEST_BLOCKS as u64 + 1, u64::MAX] {
        assert_eq!(range(&mut world, 1, count), invalid, "{count}");
    }
    assert_eq!(range(&mut world, 1, MAX_REQUEST_BLOCKS as u64), Ok(roots_of(&chain, 1, 1_024)));
    let counts = world.counts();
    assert_eq!((counts.answered, counts.refused), (4, 3));
}

#[test]
fn slots_before_the_served_window_are_unavailable() {
    let slots = (1..=3).chain(100..=110);
    let chain = Arc::new(Chain::genesis().grow(slots, VALIDATORS));
    let mut world = synced(&chain, 110);
    world.sleep_slots(limits::SERVED_SLOTS);
    world.settle();
    let unavailable = "Requested slot predates history window";
    let unavailable = Err(ResponseError::ResourceUnavailable(unavailable.into()));
    assert_eq!(range(&mut world, 109, 5), unavailable);
    assert_eq!(range(&mut world, 110, 5), Ok(roots_of(&chain, 110, 5)));
    assert_eq!(range(&mut world, 0, 1), unavailable);
}

#[test]
fn a_node_that_began_at_a_checkpoint_does_not_pretend_to_know_what_was_before() {
    let chain = Chain::voted(60);
    let mut later = chain.clone();
    let anchor = chain.at(40);
    later.anchor.block = anchor.block.block.clone();
    later.anchor.state = Arc::clone(&anchor.state);
    later.anchor_root = anchor.root;
    let chain = Arc::new(chain);
    let mut world = SyncWorld::at_slot(&later, 60);
    world.connect("p", &chain, Behaviour::Honest);
    assert!(world.run_until(10, |world| world.head() == chain.tip()), "{:?}", world.counts());
    let error = range(&mut world, 39, 10).expect_err("it begins later");
    assert!(matches!(error, ResponseError::ResourceUnavailable(_)), "{error}");
    assert_eq!(range(&mut world, 40, 5), Ok(roots_of(&chain, 40, 5)));
}

#[test]
fn after_a_reorganisation_the_new_chain_is_served() {
    let common = Chain::voted(10);
    let short = common.clone().grow(11..=12, 0);
    let long = Arc::new(common.grow(13..=30, VALIDATORS));
    let mut world = SyncWorld::at_slot(&short, 30);
    for link in &short.links {
        world.gossip(&link.block);
    }
    world.settle();
    assert_eq!(range(&mut world, 9, 10), Ok(roots_of(&short, 9, 10)));
    for link in &long.links[10..] {
        world.gossip(&link.block);
        world.update();
    }
    world.settle();
    assert_eq!(world.head(), long.tip());
    assert_eq!(range(&mut world, 9, 10), Ok(roots_of(&long, 9, 10)));
}

#[test]
fn roots_are_answered_in_their_order_each_once() {
    let chain = Arc::new(Chain::voted(5));
    let mut world = synced(&chain, 5);
    let [a, b] = [chain.at(1).root, chain.at(2).root];
    let unknown = Root::repeat_byte(7);
    for (asked, answered) in [
        (vec![], vec![]),
        (vec![b, unknown, a, b, a], vec![b, unknown, a]),
        (vec![a; 1_024], vec![a]),
    ] {
        let roots = RequestedRoots(asked.try_into().expect("at most 1024"));
        let answer = world.ask("p", Request::BlocksByRoot(BlocksByRootRequest { roots }));
        // Whoever reads the blocks leaves out what is not there.
        assert_eq!(answer, Answer::Blocks(answered.into()));
    }
}

#[test]
fn a_status_is_answered_and_kept() {
    let chain = Arc::new(Chain::voted(20));
    let mut world = synced(&chain, 20);
    let theirs = Status {
        finalized: Checkpoint { root: chain.at(10).root, slot: 10 },
        head: chain.at(12).checkpoint(),
    };
    let answer = world.ask("p", Request::Status(theirs));
    assert_eq!(answer, Answer::Status(chain.status()));
    let peer = world.node.world().resource::<PeersById>().get(&"p".into()).expect("connected");
    let last = world.node.world().get::<LastStatus>(peer).expect("said");
    assert_eq!(last.status, theirs);
}
