//! Short gaps: a node that lacks the newest few blocks fetches them at once.

use std::sync::Arc;

use quintet_components::{
    constants::{INTERVAL_DURATION_MS, SLOT_DURATION_MS},
    network::Request,
};

use crate::sync::{ledger::Chain, peers::Behaviour, world::SyncWorld};

/// A node that has the chain up to a slot, and was awake for two slots before `now`.
fn awake(chain: &Chain, has: u64, now: u64) -> SyncWorld {
    let mut world = SyncWorld::at_slot(chain, now - 2);
    world.run_slots(2);
    for link in chain.range(1, has) {
        world.gossip(&link.block);
        world.settle();
    }
    assert_eq!(world.head().slot, has);
    world
}

fn ranges(world: &SyncWorld) -> usize {
    world.sent.iter().filter(|(_, request)| matches!(request, Request::BlocksByRange(_))).count()
}

#[test]
fn a_gap_of_one_to_four_slots_is_fetched_at_once() {
    let chain = Arc::new(Chain::voted(9));
    for gap in 1..=4 {
        // Just begun, and long awake: in its own slot the newest block is not older than an
        // interval.
        let mut begun = SyncWorld::at_slot(&chain, 9);
        for link in chain.range(1, 9 - gap) {
            begun.gossip(&link.block);
            begun.settle();
        }
        begun.connect("a", &chain, Behaviour::Honest);
        begun.run_ms(100);
        assert_eq!(begun.head(), chain.tip(), "{gap} behind: {:?}", begun.counts());

        let mut long_awake = awake(&chain, 9 - gap, 10);
        long_awake.connect("a", &chain, Behaviour::Honest);
        long_awake.run_ms(100);
        assert_eq!(long_awake.head(), chain.tip(), "{gap} behind: {:?}", long_awake.counts());
    }
}

#[test]
fn a_node_that_wakes_has_the_gap_closed_before_it_attests() {
    let chain = Arc::new(Chain::voted(9));
    let mut world = SyncWorld::at_slot(&chain, 5);
    for link in chain.range(1, 5) {
        world.gossip(&link.block);
        world.settle();
    }
    world.connect("a", &Arc::new(chain.up_to(5)), Behaviour::Honest);
    world.run_ms(100);
    let peer = world.peers.values_mut().next().expect("one peer");
    (peer.chain, peer.status) = (Arc::clone(&chain), chain.status());
    world.now_ms = world.slot_start_ms(9) - SLOT_DURATION_MS * 4;
    world.sleep_slots(4);
    world.run_ms(INTERVAL_DURATION_MS / 2);
    assert_eq!(world.head(), chain.tip(), "{:?}", world.counts());
}

#[test]
fn the_block_of_the_current_slot_is_left_to_gossip_for_an_interval() {
    let chain = Arc::new(Chain::voted(9));
    let mut world = awake(&chain, 8, 9);
    world.connect("a", &chain, Behaviour::Honest);
    world.run_ms(INTERVAL_DURATION_MS - 100);
    assert_eq!((ranges(&world), world.head().slot), (0, 8), "it may be on its way");
    world.run_ms(100);
    assert_eq!((ranges(&world), world.head()), (1, chain.tip()), "it was not");
    assert_eq!(world.points_of("a"), 0.0);
}

#[test]
fn a_node_that_keeps_up_asks_for_no_ranges() {
    let chain = Arc::new(Chain::voted(40));
    let mut world = awake(&chain, 2, 3);
    world.connect("a", &Arc::new(chain.up_to(2)), Behaviour::Honest);
    for slot in 3..=40 {
        let peer = world.peers.values_mut().next().expect("one peer");
        (peer.chain, peer.status) = (Arc::clone(&chain), chain.up_to(slot).status());
        // The peer is faster with its status than with the block.
        world.run_ms(300);
        world.gossip(&chain.at(slot).block);
        world.run_ms(SLOT_DURATION_MS - 300);
    }
    assert_eq!((world.head(), ranges(&world)), (chain.tip(), 0));
}
