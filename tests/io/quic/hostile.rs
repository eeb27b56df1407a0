//! Messages of hostile peers.

use quintet_components::{
    messages::Verdict,
    network::{DisconnectReason, PeerEvent},
};
use quintet_plugins::network::{
    Rate, Rates,
    codec::{MAX_PAYLOAD_BYTES, snappy, topic::Topic, varint},
};
use ssz::Encode;

use crate::quic::{
    log::TestLog,
    node::{Item, Script, TestNode, config},
    raw::{RawEvent, RawPeer, gossip},
    samples::{attested_by, block},
};

const DIGEST: &str = "12345678";

/// A node, and a raw peer that it listens to.
fn node_and_peer(script: Script) -> (TestNode, RawPeer) {
    node_with_rates(Rates::default(), script)
}

fn node_with_rates(rates: Rates, script: Script) -> (TestNode, RawPeer) {
    let mut set_up = config(1);
    set_up.rates = rates;
    set_up.subnets = vec![0];
    // What waits for the world to judge it waits as long as the test does.
    set_up.timeouts.verdict = crate::quic::raw::PATIENCE;
    let node = TestNode::scripted(set_up, script);
    let peer = RawPeer::start(Some(gossip(false)));
    peer.connect(&node.address());
    for topic in [Topic::Block, Topic::Aggregation, Topic::Attestation(0)] {
        peer.wait_subscribed(node.peer(), &topic.text(DIGEST));
    }
    node.wait_connected(peer.peer);
    (node, peer)
}

fn publish(peer: &RawPeer, topic: Topic, data: Vec<u8>) {
    peer.publish(&topic.text(DIGEST), data);
}

/// Publishes a block that is one, and waits for it: what came before has been dealt with then.
fn publish_good(node: &TestNode, peer: &RawPeer, slot: u64) {
    publish(peer, Topic::Block, snappy::compress(&block(slot).as_ssz_bytes()));
    node.wait("the good block", |log| {
        log.items.iter().any(|item| matches!(item, Item::Block(b) if b.block.block.slot == slot))
    });
}

#[test]
fn malformed_messages_are_rejected_and_counted_before_the_world_sees_them() {
    let (node, peer) = node_and_peer(Script::default());
    let counters = &node.counters;
    publish(&peer, Topic::Block, b"\xff\xff\xff\xffno snappy".to_vec());
    node.wait("malformed snappy", |_| counters.blocks.malformed.get() == 1);
    publish(&peer, Topic::Aggregation, snappy::compress(b"no aggregate"));
    node.wait("malformed SSZ", |_| counters.aggregates.malformed.get() == 1);
    let mut long = attested_by(1, 1).as_ssz_bytes();
    long.resize(3000, 0);
    publish(&peer, Topic::Attestation(0), snappy::compress(&long));
    node.wait("an attestation that is too long", |_| counters.attestations.malformed.get() == 1);
    assert_eq!(counters.blocks.rejected.get(), 1);
    publish_good(&node, &peer, 7);
    assert_eq!(node.look(|log| log.items.len()), 1, "nothing else reached the world");
    // Sixty points are missing; the world hears of it.
    node.wait("a bad score", |log| {
        log.peers
            .iter()
            .any(|event| matches!(event, PeerEvent::Scored { score, .. } if *score < -50.0))
    });
}

#[test]
fn bombs_and_oversized_payloads_are_refused_by_what_they_claim() {
    let (node, peer) = node_and_peer(Script::default());
    let counters = &node.counters;
    // A real one: 16 MiB of zeros in less than 1 MiB.
    publish(
        &peer,
        Topic::Block,
        snap::raw::Encoder::new().compress_vec(&vec![0; 16 << 20]).expect("fits"),
    );
    node.wait("the bomb", |_| counters.blocks.malformed.get() == 1);
    // A lie: a few bytes that claim to be ten mebibytes.
    let mut lie = Vec::new();
    varint::append(MAX_PAYLOAD_BYTES as u64, &mut lie);
    lie.extend([0, b'x']);
    publish(&peer, Topic::Block, lie);
    node.wait("the lie", |_| counters.blocks.malformed.get() == 2);
    // One byte too many.
    publish(&peer, Topic::Block, snappy::compress(&vec![1; MAX_PAYLOAD_BYTES + 1]));
    node.wait("one byte too many", |_| counters.blocks.malformed.get() == 3);
    publish_good(&node, &peer, 8);
}

#[test]
fn blocks_beyond_a_peers_rate_are_not_read_and_not_blamed() {
    let gossip_blocks = Rate { burst: 20.0, per_second: 0.0 };
    let rates = Rates { gossip_blocks, ..Rates::default() };
    let (node, peer) = node_with_rates(rates, Script::default());
    for slot in 1..=50 {
        publish(&peer, Topic::Block, snappy::compress(&block(slot).as_ssz_bytes()));
    }
    let counters = &node.counters;
    node.wait("all", |log| counters.blocks.received.get() == 50 && log.items.len() == 20);
    node.wait("dropped", |_| counters.blocks.dropped.get() == 30);
    assert_eq!((counters.blocks.rejected.get(), counters.banned.get()), (0, 0));
}

#[test]
fn more_than_the_world_takes_is_dropped_counted_and_not_blamed() {
    let gossip_blocks = Rate { burst: 1000.0, per_second: 1.0 };
    let rates = Rates { gossip_blocks, ..Rates::default() };
    let (node, peer) = node_with_rates(rates, Script::default());
    let (wake, asleep) = std::sync::mpsc::channel::<()>();
    node.act(move |_| _ = asleep.recv_timeout(crate::quic::raw::PATIENCE));
    // The lane holds 256.
    for slot in 1..=300 {
        publish(&peer, Topic::Block, snappy::compress(&block(slot).as_ssz_bytes()));
    }
    let blocks = &node.counters.blocks;
    node.wait("all", |_| (blocks.received.get(), blocks.dropped.get()) == (300, 44));
    wake.send(()).expect("it sleeps");
    node.wait("what was held", |log| log.items.len() == 256);
    publish_good(&node, &peer, 1_000);
    node.wait("judged", |_| node.counters.blocks.accepted.get() == 257);
    assert_eq!((node.counters.blocks.rejected.get(), node.counters.banned.get()), (0, 0));
}

#[test]
fn a_message_longer_than_gossip_carries_ends_its_stream_and_nothing_else() {
    let (node, peer) = node_and_peer(Script::default());
    // Longer than 10 MiB can become, and not compressible to less.
    publish(&peer, Topic::Block, vec![7; 14 << 20]);
    let other = RawPeer::start(Some(gossip(false)));
    other.connect(&node.address());
    other.wait_subscribed(node.peer(), &Topic::Block.text(DIGEST));
    publish_good(&node, &other, 9);
    assert_eq!(node.counters.blocks.received.get(), 1);
}

#[test]
fn another_networks_topics_are_not_listened_to() {
    let (node, peer) = node_and_peer(Script::default());
    let bytes = snappy::compress(&block(1).as_ssz_bytes());
    let other = Topic::Block.text("deadbeef");
    // The peer finds nobody to publish to, so that it has to be told that it may.
    peer.subscribe(&other);
    let name = other.clone();
    let sent = peer.act(move |swarm| {
        let gossip = swarm.behaviour_mut().gossip.as_mut().expect("with gossip");
        gossip.publish(libp2p::gossipsub::IdentTopic::new(name), bytes).is_ok()
    });
    assert!(!sent, "nobody listens");
    publish_good(&node, &peer, 2);
    assert_eq!(node.counters.blocks.received.get(), 1);
    let subscribed = RawEvent::Subscribed(node.peer(), other);
    assert!(!peer.events().contains(&subscribed));
}

#[test]
fn who_keeps_sending_what_is_invalid_is_banned_until_the_ban_ends() {
    let judge = |_: &Item| {
        Some(Verdict::Rejected(
            quintet_components::rejection::RejectionReason::InvalidSignature.because("a test"),
        ))
    };
    let mut set_up = config(1);
    set_up.subnets = vec![0];
    set_up.ban_time = std::time::Duration::from_secs(2);
    let told = TestLog::listen();
    let node = TestNode::scripted(set_up, Script { verdict: Box::new(judge), ..Script::default() });
    let peer = RawPeer::start_identifying(Some(gossip(false)));
    peer.connect(&node.address());
    peer.wait_subscribed(node.peer(), &Topic::Attestation(0).text(DIGEST));
    node.wait("identified", |log| {
        log.peers.iter().any(|event| matches!(event, PeerEvent::Identified { .. }))
    });
    // Five rejections take a hundred points; more of them make no second ban.
    let votes = (0..12).map(|slot| snappy::compress(&attested_by(0, slot).as_ssz_bytes()));
    peer.publish_all(&Topic::Attestation(0).text(DIGEST), votes.collect());
    node.wait("all of them", |_| node.counters.attestations.rejected.get() >= 5);
    let name = peer.peer.to_base58();
    node.wait("banned", |log| {
        let banned = log.peers.iter().any(
            |event| matches!(event, PeerEvent::Banned { peer, until_ms } if *peer.0 == *name && *until_ms > 0),
        );
        banned
            && log.peers.iter().any(|event| {
                matches!(event, PeerEvent::Disconnected { reason: DisconnectReason::LowScore, .. })
            })
    });
    assert_eq!(node.counters.banned.get(), 1);
    let line = told.line("a peer is banned");
    for part in ["INFO", &name, "agent=\"rust-libp2p", "an invalid message", "seconds=2"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    // It may call again and is not let in, until its time is over.
    let until_ms = node.look(|log| {
        log.peers.iter().find_map(|event| match event {
            PeerEvent::Banned { until_ms, .. } => Some(*until_ms),
            _ => None,
        })
    });
    let until_ms = until_ms.expect("just seen");
    let now_ms = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        u64::try_from(since.expect("after 1970").as_millis()).expect("soon")
    };
    let connections = |log: &crate::quic::node::Log| {
        log.peers.iter().filter(|event| matches!(event, PeerEvent::Connected { .. })).count()
    };
    let deadline = std::time::Instant::now() + crate::quic::raw::PATIENCE;
    while node.look(connections) == 1 {
        peer.dial(&node.address());
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(std::time::Instant::now() < deadline, "it is never let in again");
    }
    assert!(now_ms() + 200 >= until_ms, "the ban ended early");
}

#[test]
fn what_an_honest_node_can_run_into_is_not_held_against_it() {
    use quintet_components::rejection::RejectionReason as Reason;

    let reasons = [
        Reason::AttestationSlotBeforeHead,
        Reason::AttestationTooFarInFuture,
        Reason::BlockTooFarInFuture,
        Reason::HeadNotDescendantOfFinalized,
        Reason::UnknownHeadBlock,
        Reason::UnknownTargetBlock,
        Reason::UnknownSourceBlock,
        Reason::UnknownParentBlock,
    ];
    let judge = move |item: &Item| match item {
        Item::Attestation(item) => {
            let slot = usize::try_from(item.attestation.data.slot).expect("small");
            Some(Verdict::Rejected(reasons[slot % reasons.len()].because("a test")))
        }
        _ => Some(Verdict::Accepted),
    };
    let (node, peer) = node_and_peer(Script { verdict: Box::new(judge), ..Script::default() });
    let votes = (0..64).map(|slot| snappy::compress(&attested_by(0, slot).as_ssz_bytes()));
    peer.publish_all(&Topic::Attestation(0).text(DIGEST), votes.collect());
    node.wait("all of them", |_| node.counters.attestations.ignored.get() == 64);
    publish_good(&node, &peer, 9);
    assert_eq!(node.counters.attestations.rejected.get(), 0);
    let is_bad = |event: &PeerEvent| match event {
        PeerEvent::Scored { score, .. } => *score < 0.0,
        PeerEvent::Disconnected { .. } | PeerEvent::Banned { .. } => true,
        _ => false,
    };
    node.look(|log| assert!(!log.peers.iter().any(is_bad), "{:?}", log.peers));
}
