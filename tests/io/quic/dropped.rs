//! Gossip that was dropped unread is not remembered: the copy of another peer counts.

use std::sync::atomic::{AtomicBool, Ordering};

use quintet_components::messages::{IgnoreReason, Verdict};
use quintet_plugins::network::{
    Rate, Rates,
    codec::{snappy, topic::Topic},
};
use ssz::Encode;

use crate::quic::{
    node::{Item, Log, Script, TestNode, config},
    raw::{PATIENCE, RawEvent, RawPeer, gossip},
    samples::block,
};

fn topic() -> String {
    Topic::Block.text("12345678")
}

/// A peer that publishes to the node, and to nobody else.
fn peer(node: &TestNode) -> RawPeer {
    let peer = RawPeer::start(Some(gossip(false)));
    peer.connect(&node.address());
    peer.wait_subscribed(node.peer(), &topic());
    node.wait_connected(peer.peer);
    peer
}

/// A peer to which the node passes on what it accepts.
fn listener(node: &TestNode) -> RawPeer {
    let listener = RawPeer::start(Some(gossip(false)));
    listener.subscribe(&topic());
    listener.connect(&node.address());
    listener.wait_subscribed(node.peer(), &topic());
    node.wait_connected(listener.peer);
    // A first message shows that the node knows of the subscription.
    let first = peer(node);
    let mut slot = 1_000_000;
    while !listener.events().iter().any(|event| matches!(event, RawEvent::Message(..))) {
        publish(&first, slot);
        slot += 1;
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(slot < 1_000_600, "nothing is passed on");
    }
    listener
}

fn encoded(slot: u64) -> Vec<u8> {
    snappy::compress(&block(slot).as_ssz_bytes())
}

fn publish(peer: &RawPeer, slot: u64) {
    peer.publish(&topic(), encoded(slot));
}

fn has(log: &Log, slot: u64) -> bool {
    log.items.iter().any(|item| matches!(item, Item::Block(b) if b.block.block.slot == slot))
}

fn wait_passed_on(listener: &RawPeer, slot: u64) {
    let expected = encoded(slot);
    listener.wait("passed on", |events| {
        events
            .iter()
            .any(|event| matches!(event, RawEvent::Message(_, _, data) if *data == expected))
    });
}

#[test]
fn what_a_rate_dropped_is_taken_from_another_peer_and_passed_on() {
    let mut set_up = config(1);
    let gossip_blocks = Rate { burst: 100.0, per_second: 0.0 };
    set_up.rates = Rates { gossip_blocks, ..Rates::default() };
    let node = TestNode::start(set_up);
    let listener = listener(&node);
    let flooding = peer(&node);
    let flood: Vec<_> = (1..=101).map(encoded).collect();
    flooding.publish_all(&topic(), flood);
    node.wait("dropped", |_| node.counters.blocks.dropped.get() == 1);
    assert!(!node.look(|log| has(log, 101)));
    let honest = peer(&node);
    publish(&honest, 101);
    node.wait("the honest copy", |log| has(log, 101));
    wait_passed_on(&listener, 101);
}

#[test]
fn what_a_full_lane_dropped_is_taken_from_another_peer() {
    let mut set_up = config(1);
    let gossip_blocks = Rate { burst: 1000.0, per_second: 0.0 };
    set_up.rates = Rates { gossip_blocks, ..Rates::default() };
    set_up.timeouts.verdict = PATIENCE;
    let node = TestNode::start(set_up);
    let (flooding, honest) = (peer(&node), peer(&node));
    let (wake, asleep) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = std::sync::mpsc::channel::<()>();
    node.act(move |_| {
        begin.send(()).expect("it is waited for");
        _ = asleep.recv_timeout(PATIENCE);
    });
    begun.recv_timeout(PATIENCE).expect("the world sleeps");
    // The lane holds 256.
    flooding.publish_all(&topic(), (1..=257).map(encoded).collect());
    node.wait("dropped", |_| node.counters.blocks.dropped.get() == 1);
    wake.send(()).expect("it sleeps");
    node.wait("what was held", |log| log.items.len() == 256);
    publish(&honest, 257);
    node.wait("the honest copy", |log| has(log, 257));
    assert_eq!((node.counters.blocks.rejected.get(), node.counters.banned.get()), (0, 0));
}

#[test]
fn what_the_world_had_no_room_for_is_taken_from_another_peer_and_passed_on() {
    let has_room = AtomicBool::new(false);
    let judge = move |item: &Item| match item {
        Item::Block(block) if block.block.block.slot == 7 => {
            let verdict = if has_room.swap(true, Ordering::Relaxed) {
                Verdict::Accepted
            } else {
                Verdict::Ignored(IgnoreReason::NoRoom)
            };
            Some(verdict)
        }
        _ => Some(Verdict::Accepted),
    };
    let script = Script { verdict: Box::new(judge), ..Script::default() };
    let node = TestNode::scripted(config(1), script);
    let listener = listener(&node);
    let (first, second) = (peer(&node), peer(&node));
    publish(&first, 7);
    node.wait("ignored", |_| node.counters.blocks.ignored.get() == 1);
    publish(&second, 7);
    wait_passed_on(&listener, 7);
    let copies = |log: &Log| {
        let of_slot = |item: &&Item| matches!(item, Item::Block(b) if b.block.block.slot == 7);
        log.items.iter().filter(of_slot).count()
    };
    assert_eq!(node.look(copies), 2);
}
