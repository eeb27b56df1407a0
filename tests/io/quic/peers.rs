//! Connections: bootnodes, limits, identities, shutdown.

use std::{net::UdpSocket, time::Duration};

use bevy_app::{App, AppExit};
use quintet_components::containers::Status;
use quintet_components::network::{
    Direction, DisconnectReason, NetworkCommand, PeerEvent, Request,
};
use quintet_components::waker::NodeWaker;
use quintet_plugins::network::{Bootnode, LocalNode, codec::record::NodeRecord};
use quintet_plugins::{EndReason, InboundPlugin, NetworkPlugin, OrderPlugin};

use crate::quic::{
    log::TestLog,
    node::{Log, TestNode, config, meet, without_peer},
    raw::{RawEvent, RawPeer, gossip},
};

fn connected(log: &Log) -> usize {
    log.peers.iter().filter(|event| matches!(event, PeerEvent::Connected { .. })).count()
}

fn disconnected(log: &Log) -> Vec<DisconnectReason> {
    let reasons = log.peers.iter().filter_map(|event| match event {
        PeerEvent::Disconnected { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    reasons.collect()
}

#[test]
fn peers_say_who_they_are_and_who_called() {
    let one = TestNode::start(config(1));
    let mut set_up = config(2);
    set_up.agent = format!("agent {}", "x".repeat(300));
    set_up.bootnodes = vec![one.local.record.as_deref().expect("a record").parse().expect("reads")];
    let other = TestNode::start(set_up);
    meet(&one, &other);
    one.wait("identified", |log| {
        log.peers.iter().any(
            |event| matches!(event, PeerEvent::Identified { agent, .. } if agent.starts_with("agent x") && agent.len() == 256),
        )
    });
    let direction = |node: &TestNode| {
        node.look(|log| match &log.peers[0] {
            PeerEvent::Connected { direction, address, .. } => {
                assert!(address.starts_with("/ip4/127.0.0.1/udp/"), "{address}");
                *direction
            }
            other => panic!("{other:?}"),
        })
    };
    assert_eq!((direction(&one), direction(&other)), (Direction::Inbound, Direction::Outbound));
    let record = NodeRecord::parse(one.local.record.as_deref().expect("a record")).expect("reads");
    assert_eq!(record.peer_id(), one.peer());
}

#[test]
fn a_bootnode_that_comes_up_later_and_goes_away_is_called_again() {
    // A port that was free a moment ago.
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let listen = port.expect("a free port");
    let mut set_up = config(1);
    let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", listen.port());
    set_up.bootnodes = vec![address.parse().expect("an address")];
    let early = TestNode::start(set_up);
    early.wait("called in vain", |_| early.counters.dialled.get() >= 2);
    let start = || {
        let mut set_up = config(2);
        set_up.listen = listen;
        TestNode::start(set_up)
    };
    let late = start();
    meet(&early, &late);
    late.stop();
    early.wait("disconnected", |log| !disconnected(log).is_empty());
    early.look(|log| assert_eq!(disconnected(log), [DisconnectReason::ClosedByPeer]));
    let late = start();
    early.wait("connected again", |log| connected(log) == 2);
    late.wait_connected(early.peer());
}

#[test]
fn an_address_that_is_taken_is_an_error_that_ends_the_app() {
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let mut set_up = config(1);
    set_up.listen = taken.local_addr().expect("bound");
    let mut app = App::new();
    app.insert_resource(NodeWaker::new().0).add_plugins((
        OrderPlugin,
        InboundPlugin,
        NetworkPlugin { config: set_up },
    ));
    app.finish();
    app.cleanup();
    app.update();
    assert_eq!(app.should_exit(), Some(AppExit::error()));
    assert!(!app.world().contains_resource::<LocalNode>());
    let reason = EndReason::of(app.world_mut());
    let reason = reason.get().expect("it says why");
    assert!(reason.contains("127.0.0.1:") && reason.contains("in use"), "{reason}");
}

#[test]
fn both_calling_at_once_are_connected_once() {
    let ports: Vec<_> =
        (0..2).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
    let addresses: Vec<_> = ports.iter().map(|port| port.local_addr().expect("bound")).collect();
    drop(ports);
    let start = |me: usize| {
        let mut set_up = config(u8::try_from(me).expect("small") + 1);
        set_up.listen = addresses[me];
        let other = addresses[1 - me].port();
        let other: Bootnode =
            format!("/ip4/127.0.0.1/udp/{other}/quic-v1").parse().expect("an address");
        // Itself as well, as in a list that every node is given.
        let myself = format!("/ip4/127.0.0.1/udp/{}/quic-v1", addresses[me].port());
        set_up.bootnodes = vec![other, myself.parse().expect("an address")];
        TestNode::start(set_up)
    };
    let (one, other) = (start(0), start(1));
    meet(&one, &other);
    one.request(1, other.peer(), Request::Status(Status::default()));
    assert_eq!(one.wait_ended(1), (0, Ok(())));
    one.look(|log| assert_eq!((connected(log), disconnected(log)), (1, vec![])));
}

#[test]
fn the_same_identity_twice_is_one_peer() {
    let hub = TestNode::start(config(1));
    let twin = || {
        let mut set_up = config(2);
        set_up.bootnodes = hub.bootnode();
        TestNode::start(set_up)
    };
    let first = twin();
    meet(&hub, &first);
    let second = twin();
    second.wait_connected(hub.peer());
    // And the hub knows it, too.
    second.request(1, hub.peer(), Request::Status(Status::default()));
    assert_eq!(second.wait_ended(1), (0, Ok(())));
    // The first going leaves the second connected.
    first.stop();
    hub.request(1, second.peer(), Request::Status(Status::default()));
    assert_eq!(hub.wait_ended(1), (0, Ok(())));
    hub.look(|log| assert_eq!((connected(log), disconnected(log)), (1, vec![])));
    // Twins do not call one another: it would be a call to oneself.
    let mut set_up = config(2);
    set_up.bootnodes = vec![without_peer(&second.address()).parse().expect("an address")];
    let third = TestNode::start(set_up);
    third.wait("calls in vain", |_| third.counters.dial_failures.get() >= 2);
    third.look(|log| assert_eq!(connected(log), 0));
}

#[test]
fn a_full_node_lets_nobody_else_in() {
    let mut set_up = config(1);
    set_up.max_peers = 2;
    let node = TestNode::start(set_up);
    let inside: Vec<_> = (0..2)
        .map(|_| {
            let peer = RawPeer::start(Some(gossip(false)));
            peer.connect(&node.address());
            node.wait_connected(peer.peer);
            peer
        })
        .collect();
    let outside = RawPeer::start(Some(gossip(false)));
    outside.dial(&node.address());
    outside.wait("turned away", |events| {
        events.iter().any(|event| matches!(event, RawEvent::Failed | RawEvent::Disconnected(_)))
    });
    node.look(|log| assert_eq!((connected(log), disconnected(log)), (2, vec![])));
    drop(inside);
}

#[test]
fn the_world_disconnects_penalizes_and_bans() {
    let node = TestNode::start(config(1));
    let name = |peer: &RawPeer| peer.peer.to_base58().as_str().into();
    let start = || {
        let peer = RawPeer::start(Some(gossip(false)));
        peer.connect(&node.address());
        node.wait_connected(peer.peer);
        peer
    };
    let disconnect = start();
    let reason = DisconnectReason::WrongChain;
    let peer = name(&disconnect);
    node.write(NetworkCommand::Disconnect { peer, reason, ban: false });
    node.wait("gone", |log| disconnected(log) == [DisconnectReason::WrongChain]);
    assert_eq!(node.counters.banned.get(), 0);
    disconnect.dial(&node.address());
    node.wait("back", |log| connected(log) == 2);

    let penalized = start();
    let penalize =
        |points| NetworkCommand::Penalize { peer: name(&penalized), points, why: "a test" };
    node.write(penalize(60.0));
    node.wait("scored", |log| {
        log.peers
            .iter()
            .any(|event| matches!(event, PeerEvent::Scored { score, .. } if *score < -50.0))
    });
    node.write(penalize(60.0));
    node.wait("gone", |log| disconnected(log).last() == Some(&DisconnectReason::LowScore));
    assert_eq!(node.counters.banned.get(), 1);
    penalized.dial(&node.address());
    penalized.wait("refused", |events| {
        let calls = events
            .iter()
            .filter(|event| matches!(event, RawEvent::Failed | RawEvent::Disconnected(_)));
        calls.count() >= 2
    });
    node.look(|log| assert_eq!(connected(log), 3, "it is not let in"));

    let banned = start();
    let (peer, reason) = (name(&banned), DisconnectReason::WrongChain);
    node.write(NetworkCommand::Disconnect { peer, reason, ban: true });
    node.wait("gone", |log| disconnected(log).len() == 3);
    assert_eq!(node.counters.banned.get(), 2);
}

#[test]
fn a_banned_bootnode_is_not_called_before_its_ban_ends() {
    let other = TestNode::start(config(2));
    let mut set_up = config(1);
    set_up.ban_time = Duration::from_secs(3);
    set_up.bootnodes = other.bootnode();
    let node = TestNode::start(set_up);
    meet(&node, &other);
    let peer = other.peer().to_base58().as_str().into();
    node.write(NetworkCommand::Disconnect {
        peer,
        reason: DisconnectReason::WrongChain,
        ban: true,
    });
    node.wait("banned", |log| disconnected(log) == [DisconnectReason::WrongChain]);
    let dialled = node.counters.dialled.get();
    // It would be called again within a fifth of a second.
    node.wait("connected again", |log| connected(log) == 2);
    assert_eq!(node.counters.dialled.get(), dialled + 1, "called in vain meanwhile");
}

#[test]
fn a_call_that_fails_is_told_with_its_address_and_its_cause() {
    let told = TestLog::listen();
    let other = TestNode::start(config(2));
    let mut set_up = config(1);
    // Whoever is there, it is another one.
    let address = without_peer(&other.address());
    let expected = libp2p::PeerId::random();
    set_up.bootnodes = vec![format!("{address}/p2p/{expected}").parse().expect("an address")];
    let node = TestNode::start(set_up);
    node.wait("called in vain", |_| node.counters.dial_failures.get() >= 2);
    let line = told.line("a bootnode cannot be reached");
    for part in ["WARN", &address, &other.peer().to_base58()] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(told.count("a bootnode cannot be reached"), 1, "once for each reason");
}

#[test]
fn a_peer_that_speaks_none_of_the_protocols_is_of_no_use() {
    let node = TestNode::start(config(1));
    let useful = RawPeer::start_identifying(Some(gossip(false)));
    useful.connect(&node.address());
    node.wait("identified", |log| {
        log.peers.iter().any(|event| matches!(event, PeerEvent::Identified { .. }))
    });
    let peer = RawPeer::start_identifying(None);
    peer.connect(&node.address());
    node.wait("gone", |log| disconnected(log) == [DisconnectReason::Incompatible]);
}

#[test]
fn a_node_stops_within_a_second_however_busy_its_peers() {
    let node = TestNode::start(config(1));
    let peers: Vec<_> = (0..3)
        .map(|_| {
            let peer = RawPeer::start(Some(gossip(false)));
            peer.connect(&node.address());
            node.wait_connected(peer.peer);
            let stream = peer.open(node.peer(), "/leanconsensus/req/status/1/ssz_snappy");
            (peer, stream)
        })
        .collect();
    let local = node.peer();
    // A second is what it gives itself; the machine may be busy.
    let taken = node.stop();
    assert!(taken < Duration::from_secs(5), "{taken:?}");
    for (peer, _) in &peers {
        peer.wait("told", |events| events.contains(&RawEvent::Disconnected(local)));
    }
}

#[test]
fn a_peer_whose_gossip_is_silent_is_called_anew_though_it_had_called() {
    let node = TestNode::start(config(1));
    let peer = RawPeer::start(Some(gossip(false)));
    peer.connect(&node.address());
    node.wait_connected(peer.peer);
    let name = quintet_components::network::PeerId(peer.peer.to_base58().into());
    node.write(NetworkCommand::Reconnect(name));
    node.wait("connected again", |log| connected(log) == 2);
    node.look(|log| {
        assert_eq!(disconnected(log), [DisconnectReason::SilentMesh]);
        let direction = log.peers.iter().rev().find_map(|event| match event {
            PeerEvent::Connected { direction, .. } => Some(*direction),
            _ => None,
        });
        assert_eq!(direction, Some(Direction::Outbound));
    });
}
