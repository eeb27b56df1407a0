//! Peers as entities.

use std::sync::Arc;

use quintet_components::{
    network::{
        Agent, BannedPeers, Direction, DisconnectReason, LastStatus, Peer, PeerEvent, PeerId,
        PeerScore, PeersById, Request,
    },
    sync::{PeerSync, RecentDisconnects, limits},
};

use crate::sync::{ledger::Chain, peers::Behaviour, world::SyncWorld};

fn statuses_to(world: &SyncWorld, name: &str) -> usize {
    let to = |(peer, request): &&(PeerId, Request)| {
        *peer.0 == *name && matches!(request, Request::Status(_))
    };
    world.sent.iter().filter(to).count()
}

#[test]
fn a_peer_lives_as_long_as_its_connection() {
    let chain = Arc::new(Chain::voted(3));
    let mut world = SyncWorld::at_slot(&chain, 3);
    world.connect("a", &chain, Behaviour::Honest);
    world.settle();
    let (peer, id) = (PeerId::from("a"), PeerId::from("a"));
    world.node.world().write_message(PeerEvent::Identified { peer, agent: "lean/1".into() });
    world.node.world().write_message(PeerEvent::Scored { peer: id.clone(), score: -3.5 });
    world.update();
    let entity = world.node.world().resource::<PeersById>().get(&id).expect("connected");
    let peer = world.node.world().entity(entity);
    assert_eq!(peer.get::<Peer>().map(|peer| &peer.id), Some(&id));
    assert_eq!(peer.get::<Direction>(), Some(&Direction::Outbound));
    assert_eq!(peer.get::<Agent>(), Some(&Agent("lean/1".into())));
    assert_eq!(peer.get::<PeerScore>(), Some(&PeerScore(-3.5)));
    assert_eq!(peer.get::<LastStatus>().map(|last| last.status), Some(chain.status()));
    assert!(peer.contains::<PeerSync>());

    world.disconnect("a", DisconnectReason::LowScore);
    world.update();
    assert!(world.node.world().resource::<PeersById>().is_empty());
    assert!(world.node.world().get_entity(entity).is_err());
    let recent: Vec<_> =
        world.node.world().resource::<RecentDisconnects>().iter().cloned().collect();
    assert_eq!(recent.len(), 1);
    assert_eq!((&recent[0].peer, &recent[0].reason), (&id, &DisconnectReason::LowScore));
    assert_eq!(recent[0].agent, Some(Agent("lean/1".into())));
    assert_eq!((recent[0].direction, recent[0].at_ms), (Some(Direction::Outbound), world.now_ms));
}

#[test]
fn bans_end_and_are_bounded() {
    let chain = Arc::new(Chain::voted(1));
    let mut world = SyncWorld::at_slot(&chain, 1);
    let now_ms = world.now_ms;
    for index in 0..1_100_u64 {
        let (peer, until_ms) = (PeerId::from(&*format!("p{index:04}")), now_ms + 1_000 + index);
        world.node.world().write_message(PeerEvent::Banned { peer, until_ms });
    }
    world.update();
    let banned = world.node.world().resource::<BannedPeers>();
    assert_eq!(banned.0.len(), limits::MAX_BANS);
    assert!(!banned.0.contains_key(&PeerId::from("p0075")), "those that end first go first");
    assert!(banned.0.contains_key(&PeerId::from("p0076")));
    // Those that have ended are removed at the beginning of an interval.
    world.run_ms(1_600);
    assert_eq!(world.node.world().resource::<BannedPeers>().0.len(), 499);
    world.run_ms(2_000);
    assert!(world.node.world().resource::<BannedPeers>().0.is_empty());
}

#[test]
fn a_status_is_exchanged_on_connecting_and_every_eight_slots() {
    let chain = Arc::new(Chain::voted(4));
    let mut world = SyncWorld::at_slot(&chain, 4);
    world.connect("a", &chain, Behaviour::Honest);
    assert_eq!(statuses_to(&world, "a"), 1, "in the same update");
    assert!(world.run_until(2, |world| world.head() == chain.tip()));
    // The head is near the clock up to slot 8.
    world.run_slots(2);
    assert_eq!(statuses_to(&world, "a"), 1);
    // Behind it a status is asked for every second slot.
    world.run_slots(20);
    let asked = statuses_to(&world, "a");
    assert!((9..=12).contains(&asked), "{asked}");
}

#[test]
fn a_node_that_keeps_up_asks_seldom() {
    let chain = Arc::new(Chain::voted(64));
    let mut world = SyncWorld::at_slot(&chain, 0);
    world.connect("a", &Arc::new(Chain::genesis()), Behaviour::Honest);
    for slot in 1..=64 {
        world.run_slots(1);
        world.gossip(&chain.at(slot).block);
        world.settle();
    }
    assert_eq!(world.head(), chain.tip());
    assert_eq!(statuses_to(&world, "a"), 9, "on connecting and every eight slots");
}

#[test]
fn a_peer_that_does_not_answer_for_its_status_costs_one_request_at_a_time() {
    let chain = Arc::new(Chain::voted(1));
    let mut world = SyncWorld::at_slot(&chain, 200);
    world.connect("a", &chain, Behaviour::Mute);
    world.run_slots(30);
    let asked = statuses_to(&world, "a");
    assert!((5..=12).contains(&asked), "{asked}: the deadline is three slots");
    assert!(world.points_of("a") > 0.0);
}
