//! The charges for faults of peers: each fault is charged once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quintet_components::{
    network::{
        NetworkCommand, PeerEvent, PeerFault, PeerFaulted, PeerId, Request, RequestEvent,
        RequestFailure,
    },
    storage::StorageHealth,
};
use quintet_plugins::storage::{MemoryStoragePlugin, Retention};
use quintet_systems::verification::Proofs;

use crate::{
    support::mocked::{Twist, Twisted},
    sync::{
        backfill::{ANCHOR, TIP, begun, chain, is_complete, later},
        ledger::Chain,
        peers::Behaviour,
        world::SyncWorld,
    },
};

/// Checks of proofs that panic while they are told to.
struct Panics(Arc<AtomicBool>);

impl Twist for Panics {
    fn before_check(&self, _: usize) {
        assert!(!self.0.load(Ordering::Relaxed), "a check of this node's own fails");
    }
}

#[test]
fn every_fault_costs_what_the_table_says_and_is_charged_once() {
    use PeerFault as F;
    let chain = Arc::new(Chain::genesis());
    for (fault, points) in [
        (F::NoAnswer, 0.0),
        (F::ServerError, 1.0),
        (F::Timeout, 5.0),
        (F::Omitted, 10.0),
        (F::FalseHead, 10.0),
        (F::Unfounded, 20.0),
        (F::InvalidAnswer, 25.0),
        (F::Unlinked, 25.0),
        (F::InvalidBlock, 50.0),
    ] {
        let mut world = SyncWorld::at_slot(&chain, 0);
        world.connect("a", &chain, Behaviour::Honest);
        world.node.world().write_message(PeerFaulted { peer: "a".into(), fault });
        world.run_ms(500);
        assert_eq!(world.points_of("a"), points, "{fault:?}");
        assert_eq!(world.counts().faults, 1, "{fault:?}");
    }
    let mut world = SyncWorld::at_slot(&chain, 0);
    world.connect("a", &chain, Behaviour::Honest);
    world.node.world().write_message(PeerFaulted { peer: "a".into(), fault: F::WrongChain });
    world.settle();
    assert!(!world.is_connected("a"));
    assert_eq!(world.closed.len(), 1);
}

#[test]
fn a_status_that_times_out_costs_five_points() {
    let chain = Arc::new(Chain::genesis());
    let mut world = SyncWorld::at_slot(&chain, 0);
    world.connect("a", &chain, Behaviour::Mute);
    world.run_ms(12_500);
    assert_eq!(world.points_of("a"), 5.0);
}

#[test]
fn an_answer_that_does_not_decode_costs_twenty_five_points() {
    let chain = Arc::new(Chain::voted(50));
    let mut world = SyncWorld::at_slot(&chain, 50);
    world.connect("a", &chain, Behaviour::Late(60_000));
    world.run_ms(100);
    let id = world.open_request("a", |request| matches!(request, Request::BlocksByRange(_)));
    let result = Err(RequestFailure::InvalidAnswer("undecodable".into()));
    world.node.world().write_message(RequestEvent::Ended { id, result });
    world.update();
    assert_eq!((world.points_of("a"), world.counts().faults), (25.0, 1));
}

#[test]
fn who_leaves_is_not_charged_and_its_requests_end() {
    let chain = Arc::new(Chain::voted(50));
    let mut world = SyncWorld::at_slot(&chain, 50);
    world.connect("a", &chain, Behaviour::Late(60_000));
    world.run_ms(100);
    // The network says that it is gone, and nothing of its requests.
    let reason = quintet_components::network::DisconnectReason::ClosedByPeer;
    let gone = PeerEvent::Disconnected { peer: PeerId::from("a"), reason };
    world.node.world().write_message(gone);
    world.update();
    assert_eq!(world.points_of("a"), 0.0);
    let world = world.node.world();
    assert!(world.resource::<quintet_components::sync::RequestsById>().is_empty());
    let commands = world.resource::<bevy_ecs::message::Messages<NetworkCommand>>();
    let cancels = commands.iter_current_update_messages();
    assert_eq!(cancels.filter(|each| matches!(each, NetworkCommand::Cancel(_))).count(), 0);
}

#[test]
fn a_check_of_old_blocks_that_panics_is_nobodys_fault() {
    let chain = chain();
    let store = begun(&chain, ANCHOR, Retention::default());
    let panics = Arc::new(AtomicBool::new(false));
    let (proofs, plugin) = (Panics(Arc::clone(&panics)), MemoryStoragePlugin { store });
    let mut world = SyncWorld::with(&later(&chain, ANCHOR), TIP, move |app| {
        app.add_plugins(plugin).insert_resource(Proofs(Arc::new(Twisted(proofs))));
    });
    // It reaches the head by gossip, so that only the history is in question.
    for link in chain.links.iter().filter(|link| link.block.block.slot > ANCHOR) {
        world.gossip(&link.block);
        world.update();
    }
    world.settle();
    assert_eq!(world.head(), chain.tip());
    panics.store(true, Ordering::Relaxed);
    world.connect("a", &chain, Behaviour::Honest);
    world.run_slots(8);
    assert_eq!(world.points_of("a"), 0.0);
    assert!(!is_complete(&mut world));
    let asked = world.counts().blocks_received;
    assert!(asked < 64 * 8, "{asked} blocks: a check that fails is not tried in a storm");
    panics.store(false, Ordering::Relaxed);
    assert!(world.run_until(20, is_complete), "{:?}", world.counts());
    assert_eq!((world.points_of("a"), world.counts().faults), (0.0, 0));
}

#[test]
fn a_check_of_new_blocks_that_panics_is_nobodys_fault() {
    let chain = Arc::new(Chain::voted(40));
    let panics = Arc::new(AtomicBool::new(true));
    let proofs = Panics(Arc::clone(&panics));
    let mut world = SyncWorld::with(&chain, 40, move |app| {
        app.insert_resource(Proofs(Arc::new(Twisted(proofs))));
    });
    world.connect("a", &chain, Behaviour::Honest);
    world.gossip_from("a", &chain.at(40).block);
    world.run_slots(6);
    assert_eq!((world.head().slot, world.points_of("a")), (0, 0.0));
    panics.store(false, Ordering::Relaxed);
    assert!(world.run_until(40, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.points_of("a"), 0.0);
}

#[test]
fn a_full_disk_is_nobodys_fault() {
    let chain = Arc::new(Chain::voted(40));
    let health = StorageHealth::default();
    let theirs = health.clone();
    let mut world = SyncWorld::with(&chain, 40, move |app| _ = app.insert_resource(theirs));
    health.set_behind(true);
    world.connect("a", &chain, Behaviour::Honest);
    world.gossip_from("a", &chain.at(40).block);
    world.run_slots(60);
    assert_eq!((world.head().slot, world.points_of("a")), (0, 0.0));
    health.set_behind(false);
    assert!(world.run_until(40, |world| world.head() == chain.tip()), "{:?}", world.counts());
    assert_eq!(world.points_of("a"), 0.0);
}
