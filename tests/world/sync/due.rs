//! The systems of sync run only when they may have something to do.

use bevy_app::{App, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{Deadline, UnixTime, first_interval},
    network::{Direction, PeerEvent},
    schedule::{Last, NodeSystems},
};
use quintet_plugins::{InboundLanes, SyncPlugin};
use quintet_systems::{production::produce_attestation_data, sync::sync_is_due};

use crate::support::{
    chain,
    node::{Setup, TestNode},
};

/// In how many updates sync had something to do.
#[derive(Resource, Default)]
struct Due(u32);

fn count(mut due: ResMut<Due>) {
    due.0 += 1;
}

/// A node in slot 2 that has nothing to do.
fn at_rest() -> TestNode {
    let setup = Setup::new(chain::genesis(4)).accepting_signatures().with(|app: &mut App| {
        app.add_plugins(SyncPlugin)
            .init_resource::<Due>()
            .add_systems(Update, count.run_if(sync_is_due).in_set(Last(NodeSystems::Sync)));
    });
    let mut node = TestNode::new(setup);
    node.tick_to(first_interval(2), false);
    // The peers that there might have been had time to answer.
    turn(&mut node, |now_ms| now_ms + 700);
    node.update();
    node.update();
    node
}

fn turn(node: &mut TestNode, to: impl FnOnce(u64) -> u64) {
    let mut time = node.world().resource_mut::<UnixTime>();
    time.now_ms = to(time.now_ms);
}

/// Returns true if the next update has something for sync to do.
fn is_due(node: &mut TestNode) -> bool {
    let before = node.world().resource::<Due>().0;
    node.update();
    node.world().resource::<Due>().0 > before
}

#[test]
fn nothing_is_due_in_an_update_that_brings_nothing() {
    let mut node = at_rest();
    assert!(!is_due(&mut node));
    turn(&mut node, |now_ms| now_ms + 50);
    assert!(!is_due(&mut node));
}

#[test]
fn an_attestation_is_no_reason() {
    let mut node = at_rest();
    let data = produce_attestation_data(node.world(), 1);
    node.offer_attestation(chain::attested_by(data, 3));
    assert!(!is_due(&mut node));
}

#[test]
fn an_interval_a_deadline_and_a_clock_that_is_set_back_are_reasons() {
    let mut node = at_rest();
    turn(&mut node, |now_ms| now_ms + 100);
    assert!(is_due(&mut node), "interval 1 begins");
    assert!(!is_due(&mut node));

    let at_ms = node.world().resource::<UnixTime>().now_ms + 5;
    node.world().spawn(Deadline { at_ms });
    assert!(!is_due(&mut node));
    turn(&mut node, |now_ms| now_ms + 5);
    assert!(is_due(&mut node), "the deadline has passed");

    let mut node = at_rest();
    turn(&mut node, |now_ms| now_ms - 1);
    assert!(is_due(&mut node), "the clock was set back");
}

#[test]
fn a_peer_is_a_reason() {
    let mut node = at_rest();
    let peer = PeerEvent::Connected {
        peer: "peer".into(),
        direction: Direction::Outbound,
        address: "/ip4/127.0.0.1/udp/1/quic-v1".into(),
    };
    assert!(node.world().resource::<InboundLanes>().peers.offer(peer));
    assert!(is_due(&mut node));
}
