//! Range sync from honest peers: late joiners, empty slots, forks, and what is in the way.

use std::sync::Arc;

use quintet_components::{
    network::{DisconnectReason, Request},
    sync::{SyncState, limits},
};

use crate::sync::{
    ledger::{Chain, VALIDATORS},
    peers::Behaviour,
    world::SyncWorld,
};

fn chain(slots: u64) -> Arc<Chain> {
    Arc::new(Chain::voted(slots))
}

#[test]
fn a_late_joiner_follows_one_honest_peer() {
    let chain = chain(300);
    let mut world = SyncWorld::at_slot(&chain, 300);
    world.connect("a", &chain, Behaviour::Honest);
    assert!(world.run_until(10, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.finalized(), chain.status().finalized);
    world.run_slots(1);
    assert_eq!(world.state(), SyncState::Synced);
    assert_eq!(world.points_of("a"), 0.0);
    let counts = world.counts();
    assert_eq!((counts.rounds, counts.retreats, counts.faults), (1, 0, 0));
    assert_eq!(counts.blocks_received, 300, "no block was asked for twice");
}

#[test]
fn batches_are_spread_over_peers_and_none_is_asked_for_twice() {
    let chain = chain(500);
    let mut world = SyncWorld::at_slot(&chain, 500);
    for name in ["a", "b", "c"] {
        world.connect(name, &chain, Behaviour::Late(300));
    }
    assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.counts().blocks_received, 500);
    for name in ["a", "b", "c"] {
        let asked = world.sent.iter().filter(|(peer, request)| {
            *peer.0 == *name && matches!(request, Request::BlocksByRange(_))
        });
        assert!(asked.count() >= 2, "{name} has its share");
    }
}

#[test]
fn a_late_joiner_follows_over_two_thousand_blocks_while_one_of_two_peers_lies() {
    let chain = chain(2_000);
    for liar in [Behaviour::WrongProof, Behaviour::Gap, Behaviour::Empty] {
        let mut world = SyncWorld::at_slot(&chain, 2_000);
        world.connect("a", &chain, liar);
        world.connect("b", &chain, Behaviour::Honest);
        assert!(
            world.run_until(60, |world| world.head() == chain.tip()),
            "{liar:?}: {:?} {:?}",
            world.head(),
            world.counts()
        );
        assert!(world.points_of("a") > 0.0, "{liar:?}");
        assert_eq!(world.points_of("b"), 0.0, "{liar:?}: {:?}", world.counts());
    }
}

#[test]
fn long_gaps_without_blocks_are_believed() {
    // Nothing for three whole batches, twice, and for the last 90 slots.
    let slots = (1..=70).chain(300..=400).chain(600..=610);
    let chain = Arc::new(Chain::genesis().grow(slots, VALIDATORS));
    for peers in [1, 2] {
        let mut world = SyncWorld::at_slot(&chain, 700);
        for name in ["a", "b"].into_iter().take(peers) {
            world.connect(name, &chain, Behaviour::Honest);
        }
        assert!(
            world.run_until(20, |world| world.head() == chain.tip()),
            "{peers} peers: {:?}",
            world.counts()
        );
        assert_eq!((world.points_of("a"), world.points_of("b")), (0.0, 0.0));
        assert!(world.counts().empty_batches >= 4);
    }
}

/// The start slots and counts of the ranges that a peer was asked for.
fn ranges_of(world: &SyncWorld, name: &str) -> Vec<(u64, u64)> {
    let ranges = world.sent.iter().filter_map(|(peer, request)| match request {
        Request::BlocksByRange(range) if *peer.0 == *name => Some((range.start_slot, range.count)),
        _ => None,
    });
    ranges.collect()
}

#[test]
fn a_short_answer_is_confirmed_with_a_second_peer_at_once() {
    let chain = chain(60);
    let mut world = SyncWorld::at_slot(&chain, 60);
    world.connect("a", &chain, Behaviour::Short(10));
    world.connect("b", &chain, Behaviour::Honest);
    assert!(world.run_until(2, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(ranges_of(&world, "a"), [(1, 60)]);
    assert_eq!(ranges_of(&world, "b"), [(51, 10)], "the slots that a said nothing of");
    assert_eq!(world.counts().rounds, 1);
    assert!(world.points_of("a") > 0.0, "{:?}", world.counts());
    assert_eq!(world.points_of("b"), 0.0);
}

#[test]
fn an_end_without_blocks_that_two_peers_confirm_is_believed_and_nobody_blamed() {
    // Nothing in the last four slots of the first batch; the head is in the second.
    let chain = Arc::new(Chain::genesis().grow((1..=60).chain(66..=80), VALIDATORS));
    let mut world = SyncWorld::at_slot(&chain, 80);
    // The second batch comes late, so that it cannot show what the first left out.
    world.connect("a", &chain, Behaviour::Honest);
    world.connect("b", &chain, Behaviour::Late(900));
    assert!(world.run_until(4, |world| world.head() == chain.tip()), "{:?}", world.counts());
    let asked = [ranges_of(&world, "a"), ranges_of(&world, "b")].concat();
    assert_eq!(asked.iter().filter(|range| **range == (61, 4)).count(), 1, "{asked:?}");
    assert_eq!(world.counts().blocks_received, 75, "no block was asked for twice");
    assert_eq!((world.points_of("a"), world.points_of("b")), (0.0, 0.0));
}

#[test]
fn an_end_without_blocks_is_not_asked_for_again_when_the_next_batch_stands_on_what_came() {
    let chain = Arc::new(Chain::genesis().grow((1..=60).chain(66..=128), VALIDATORS));
    let mut world = SyncWorld::at_slot(&chain, 128);
    // Of the first two batches the second is there first; who could confirm never answers.
    world.connect("a", &chain, Behaviour::Late(300));
    world.connect("b", &chain, Behaviour::Mute);
    assert!(world.run_until(2, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.points_of("a"), 0.0);
}

#[test]
fn a_fork_deeper_than_the_head_is_followed_from_the_finalized_block() {
    let common = Chain::voted(20);
    let ours = common.clone().grow(21..=60, 0);
    let theirs = Arc::new(common.grow((21..=200).filter(|slot| *slot != 21), VALIDATORS));
    let mut world = SyncWorld::at_slot(&ours, 60);
    for link in &ours.links {
        world.gossip(&link.block);
        world.settle();
    }
    assert_eq!(world.head(), ours.tip());
    world.run_slots(140);
    world.connect("a", &theirs, Behaviour::Honest);
    assert!(world.run_until(10, |world| world.head() == theirs.tip()), "{:?}", world.counts());
    assert_eq!(world.points_of("a"), 0.0, "a fork is no fault");
}

#[test]
fn a_slot_that_nobody_serves_stalls_nothing_else_and_is_not_asked_for_in_a_storm() {
    let chain = chain(40);
    let mut world = SyncWorld::at_slot(&chain, 40);
    world.connect("a", &chain, Behaviour::Refuses);
    world.run_slots(60);
    let asked =
        world.sent.iter().filter(|(_, request)| matches!(request, Request::BlocksByRange(_)));
    let asked = asked.count();
    assert!((2..=12).contains(&asked), "{asked} requests in 60 slots");
    // An honest peer is enough, whenever it comes.
    world.connect("b", &chain, Behaviour::Honest);
    assert!(world.run_until(4, |world| world.head() == chain.tip()));
}

#[test]
fn a_round_survives_the_loss_of_its_peers() {
    let chain = chain(800);
    let mut world = SyncWorld::at_slot(&chain, 800);
    world.connect("a", &chain, Behaviour::Slow(20));
    world.run_ms(1_000);
    world.disconnect("a", DisconnectReason::ClosedByPeer);
    world.run_slots(2);
    assert!(world.head().slot < 800);
    world.connect("b", &chain, Behaviour::Honest);
    assert!(world.run_until(10, |world| world.head() == chain.tip()), "{:?}", world.counts());
}

#[test]
fn a_target_moves_on_with_its_network() {
    let chain = chain(400);
    let early = Arc::new(chain.up_to(360));
    let mut world = SyncWorld::at_slot(&chain, 360);
    world.connect("a", &early, Behaviour::Slow(30));
    world.run_slots(2);
    let peer = world.peers.values_mut().next().expect("one peer");
    (peer.chain, peer.status) = (Arc::clone(&chain), chain.status());
    world.run_slots(38);
    assert!(world.run_until(10, |world| world.head() == chain.tip()), "{:?}", world.counts());
}

#[test]
fn range_sync_leaves_room_in_the_import_queue() {
    let chain = chain(600);
    let mut world = SyncWorld::at_slot(&chain, 600);
    world.connect("a", &chain, Behaviour::Honest);
    world.connect("b", &chain, Behaviour::Honest);
    let mut most = 0;
    for _ in 0..40 {
        world.run_ms(100);
        most = most.max(world.waiting_at_most);
    }
    assert_eq!(world.head(), chain.tip());
    assert!((1..=limits::IMPORT_BACKLOG).contains(&most), "{most} blocks were handed in at once");
}

#[test]
fn when_nobody_serves_slots_so_old_the_operator_is_told_and_nobody_is_pestered() {
    let chain = chain(100);
    let mut world = SyncWorld::at_slot(&chain, 100);
    world.connect("a", &chain, Behaviour::Unavailable);
    world.connect("b", &chain, Behaviour::Unavailable);
    world.run_slots(100);
    let ranges =
        world.sent.iter().filter(|(_, request)| matches!(request, Request::BlocksByRange(_)));
    let ranges = ranges.count();
    assert!((2..=4).contains(&ranges), "each batch once of each peer at most: {ranges}");
    let counts = world.counts();
    assert_eq!((counts.unserved, counts.faults), (2, 0));
    assert_eq!(world.state(), SyncState::Syncing);
    world.connect("c", &chain, Behaviour::Honest);
    assert!(world.run_until(4, |world| world.head() == chain.tip()));
}

#[test]
fn large_blocks_are_bounded_in_bytes_and_arrive_all_the_same() {
    // 27 MiB a batch.
    let mut chain = Chain::voted(400);
    chain.enlarge(430 * 1024);
    let chain = Arc::new(chain);
    let mut world = SyncWorld::at_slot(&chain, 400);
    for name in ["a", "b", "c"] {
        world.connect(name, &chain, Behaviour::Late(200));
    }
    assert!(world.run_until(20, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert!(world.counts().batches_shed > 0, "{:?}", world.counts());
    assert!(["a", "b", "c"].iter().all(|name| world.points_of(name) == 0.0));
}

#[test]
fn events_of_requests_that_are_over_change_nothing() {
    use quintet_components::network::{RequestEvent, RequestId};
    let chain = chain(5);
    let mut world = SyncWorld::at_slot(&chain, 5);
    let before = world.counts();
    for id in [0, 7, u64::MAX].map(RequestId) {
        let link = chain.at(1);
        let events = [
            RequestEvent::Status { id, status: chain.status() },
            RequestEvent::Block { id, root: link.root, block: Arc::clone(&link.block) },
            RequestEvent::Ended { id, result: Ok(()) },
        ];
        world.node.world().write_message_batch(events);
    }
    world.update();
    assert_eq!(world.counts(), before);
    assert_eq!(world.head().slot, 0);
}
