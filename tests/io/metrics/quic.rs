//! Metrics of two nodes that are connected over QUIC.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quintet_components::{
    containers::{AttestationData, Checkpoint},
    duties::AttestationProduced,
    messages::AggregateProduced,
    network::{DisconnectReason, NetworkCommand},
};
use quintet_plugins::{MetricsPlugin, PeerNames};
use tree_hash::TreeHash;

use crate::support::{
    chain,
    networked::{Blockchain, Networked, PATIENCE, run_until},
    node::Setup,
    scrape::Scrape,
};

/// A node that measures; it knows these peers by name.
pub fn start(identity: u8, others: &[&Networked], names: PeerNames) -> Networked {
    let setup = Setup::new(chain::genesis(4))
        .accepting_signatures()
        .with(move |app| _ = app.add_plugins(MetricsPlugin { peer_names: names }));
    Networked::with(identity, setup, others, None)
}

fn scrape(node: &Networked) -> Scrape {
    Scrape::of(&node.node.app)
}

#[test]
fn peers_gossip_and_ends_of_connections_are_counted() {
    meeting();
}

/// Two nodes meet, hand each other a block, an attestation and an aggregate, and part. What both
/// say while they are connected and after it.
pub fn meeting() -> Vec<Scrape> {
    let chain = Blockchain::grow(4, 3, 0);
    let mut a = start(1, &[], PeerNames::default());
    let names = PeerNames::new([(a.local.peer.clone(), "ream_7".to_owned())]);
    let mut b = start(2, &[&a], names);
    for node in [&mut a, &mut b] {
        node.turn_to(1);
    }
    let client = |node: &Networked, metric: &str| scrape(node).label_values(metric, "client");
    run_until([&mut a, &mut b], "both name each other, and mesh", |[a, b]| {
        client(a, "lean_connected_peers") == ["quintet_0"]
            && client(b, "lean_connected_peers") == ["ream_7"]
            && client(a, "lean_gossip_mesh_peers") == ["quintet_0"]
            && client(b, "lean_gossip_mesh_peers") == ["ream_7"]
    });
    let connected = |node: &Networked, direction| {
        let labels = [("direction", direction), ("result", "success")];
        scrape(node).labelled("lean_peer_connection_events_total", &labels)
    };
    assert_eq!((connected(&a, "inbound"), connected(&a, "outbound")), (1.0, 0.0));
    assert_eq!((connected(&b, "inbound"), connected(&b, "outbound")), (0.0, 1.0));

    b.publish(&chain.at(1).1);
    let root = chain.at(1).0;
    run_until([&mut a, &mut b], "the block arrives", |[a, _]| a.knows(&root));
    let blocks = "lean_gossip_block_size_bytes";
    assert_eq!((scrape(&a).value(blocks), scrape(&b).value(blocks)), (1.0, 0.0));
    assert!(scrape(&a).sum(blocks) > 100.0);
    assert_eq!(scrape(&a).value("quintet_gossip_block_size_bytes"), 1.0);
    assert_eq!(scrape(&a).value("quintet_block_arrival_seconds"), 1.0);
    let gossip = |node: &Networked, what| {
        let labels = [("topic", "block"), ("what", what)];
        scrape(node).labelled("quintet_gossip_messages_total", &labels)
    };
    assert_eq!((gossip(&b, "published"), gossip(&a, "received")), (1.0, 1.0));
    run_until([&mut a, &mut b], "the verdict arrives", |[a, _]| gossip(a, "accepted") == 1.0);
    let asked = scrape(&b).labelled("quintet_sync_requests_total", &[("what", "status")]);
    assert!(asked >= 1.0, "{asked}");
    let sent = |scrape: &Scrape| {
        let labels = [("protocol", "status"), ("what", "sent")];
        scrape.labelled("quintet_requests_total", &labels)
    };
    assert!(sent(&scrape(&b)) >= 1.0);

    publish_attestation_and_aggregate(&chain, &mut a, &mut b);
    run_until([&mut a, &mut b], "the block is stored", |[a, _]| {
        scrape(a).value("quintet_storage_blocks_total") == 1.0
    });
    assert!(scrape(&a).value("quintet_storage_batch_seconds") >= 1.0);
    let mut scrapes = vec![scrape(&a), scrape(&b)];

    let (peer, reason) = (a.local.peer.clone(), DisconnectReason::WrongChain);
    let command = NetworkCommand::Disconnect { peer, reason, ban: true };
    b.node.world().write_message(command);
    let gone = |node: &Networked| client(node, "lean_connected_peers").is_empty();
    run_until([&mut a, &mut b], "both are alone", |[a, b]| gone(a) && gone(b));
    let closed = |node: &Networked, direction, reason| {
        let labels = [("direction", direction), ("reason", reason)];
        scrape(node).labelled("lean_peer_disconnection_events_total", &labels)
    };
    assert_eq!(closed(&b, "outbound", "local_close"), 1.0);
    assert_eq!(closed(&a, "inbound", "remote_close"), 1.0);
    assert_eq!(scrape(&b).total("lean_peer_disconnection_events_total"), 1.0);
    run_until([&mut a, &mut b], "the mesh is empty", |[a, b]| {
        [a, b].iter().all(|node| client(node, "lean_gossip_mesh_peers").is_empty())
    });
    scrapes.extend([scrape(&a), scrape(&b)]);
    scrapes
}

/// An attestation and an aggregate of the second node arrive at the first.
fn publish_attestation_and_aggregate(chain: &Blockchain, a: &mut Networked, b: &mut Networked) {
    let source = Checkpoint { root: chain.anchor.block.tree_hash_root(), slot: 0 };
    let head = Checkpoint { root: chain.at(1).0, slot: 1 };
    let data = AttestationData { slot: 1, head, target: head, source };
    let vote = Arc::new(chain::attested_by(data, 2));
    let aggregate = Arc::new(chain::aggregate(data, &[1, 2]));
    a.node.world().write_message(NetworkCommand::Subscribe(Arc::from([0])));
    let came = |node: &Networked, kind: &str| {
        scrape(node).value(&format!("lean_gossip_{kind}_size_bytes")) >= 1.0
    };
    for kind in ["attestation", "aggregation"] {
        let deadline = Instant::now() + PATIENCE;
        while !came(a, kind) {
            assert!(Instant::now() < deadline, "no {kind} came");
            // Again until the other has subscribed; a message that is known is not sent twice.
            if kind == "attestation" {
                b.node.world().write_message(AttestationProduced(Arc::clone(&vote)));
            } else {
                b.node.world().write_message(AggregateProduced(Arc::clone(&aggregate)));
            }
            for node in [&mut *a, &mut *b] {
                node.update();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_call_that_nobody_answers_is_counted() {
    // Bound, and deaf: a handshake that nobody answers times out.
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    let port = deaf.local_addr().expect("it is bound").port();
    let address = format!("/ip4/127.0.0.1/udp/{port}/quic-v1");
    let setup =
        Setup::new(chain::genesis(4)).with(|app| _ = app.add_plugins(MetricsPlugin::default()));
    let mut node = Networked::calling(3, setup, &[address], None);
    let failed = |node: &Networked| {
        let labels = |result| [("direction", "outbound"), ("result", result)];
        let count =
            |result| scrape(node).labelled("lean_peer_connection_events_total", &labels(result));
        count("timeout") + count("error")
    };
    run_until([&mut node], "the call fails", |[node]| failed(node) >= 1.0);
    assert_eq!(scrape(&node).family("lean_connected_peers").samples.len(), 0);
}
