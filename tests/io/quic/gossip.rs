//! Gossip between nodes: everybody gets everything once, and only what was accepted.

use std::{sync::Arc, time::Duration};

use quintet_components::{
    duties::{AttestationProduced, BlockProduced},
    messages::{AggregateProduced, IgnoreReason, Verdict},
    network::NetworkCommand,
    rejection::RejectionReason,
};

use crate::quic::{
    node::{Item, Log, Script, TestNode, config, meet},
    samples::{aggregate, attested_by, block, block_with},
};

fn blocks(log: &Log) -> Vec<u64> {
    let slots = log.items.iter().filter_map(|item| match item {
        Item::Block(block) => Some(block.block.block.slot),
        _ => None,
    });
    slots.collect()
}

/// Three nodes in a line: the outer ones know only the middle one.
fn line(middle: Script) -> [TestNode; 3] {
    let mut set_up = config(1);
    set_up.subnets = vec![0];
    let b = TestNode::scripted(set_up, middle);
    let outer = |identity| {
        let mut set_up = config(identity);
        set_up.subnets = vec![0];
        set_up.bootnodes = b.bootnode();
        TestNode::start(set_up)
    };
    let (a, c) = (outer(2), outer(3));
    meet(&a, &b);
    meet(&c, &b);
    [a, b, c]
}

/// Publishes until the first copy gets through: peers learn of subscriptions only after they have
/// connected. Every block has a slot of its own.
fn warm_up(from: &TestNode, to: &TestNode) {
    for slot in 1_000_000.. {
        from.write(BlockProduced(block(slot)));
        for _ in 0..20 {
            if to.look(|log| blocks(log).iter().any(|slot| *slot >= 1_000_000)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(slot < 1_000_100, "nothing gets through");
    }
}

#[test]
fn every_kind_reaches_everybody_once_and_nobody_gets_its_own() {
    let [a, b, c] = line(Script::default());
    warm_up(&a, &c);
    a.write(BlockProduced(block_with(1, 500_000)));
    a.write(AggregateProduced(aggregate(2)));
    a.write(AttestationProduced(attested_by(3, 4)));
    let arrived = |log: &Log| {
        let kinds = |item: &Item| match item {
            Item::Block(block) => usize::from(block.block.block.slot == 1),
            Item::Aggregate(item) => 10 * usize::from(item.aggregate.data.slot == 2),
            Item::Attestation(item) => 100 * usize::from(item.attestation.validator_index == 3),
        };
        log.items.iter().map(kinds).sum::<usize>()
    };
    for node in [&b, &c] {
        node.wait("all three", |log| arrived(log) >= 111);
    }
    // What follows takes the same way, so that a second copy would have come by then.
    a.write(BlockProduced(block(9)));
    for node in [&b, &c] {
        node.wait("the last", |log| blocks(log).contains(&9));
        assert_eq!(node.look(arrived), 111, "once each");
    }
    assert!(a.look(|log| log.items.is_empty()), "its own do not come back");
    assert!(b.counters.blocks.accepted.get() >= 2 && b.counters.attestations.accepted.get() == 1);
    assert_eq!(a.counters.aggregates.published.get(), 1);
}

#[test]
fn five_nodes_hear_each_other_once() {
    let hub = TestNode::start(config(1));
    let mut nodes: Vec<_> = (2..=5)
        .map(|identity| {
            let mut set_up = config(identity);
            set_up.bootnodes = hub.bootnode();
            TestNode::start(set_up)
        })
        .collect();
    nodes.iter().for_each(|node| meet(&hub, node));
    nodes.push(hub);
    for (from, to) in [(0, 1), (0, 2), (0, 3), (1, 0)] {
        warm_up(&nodes[from], &nodes[to]);
    }
    for (slot, node) in (1..).zip(&nodes) {
        node.write(BlockProduced(block(slot)));
    }
    for (own, node) in (1..).zip(&nodes) {
        let others = |log: &Log| {
            let mut slots: Vec<_> = blocks(log).into_iter().filter(|slot| *slot < 9).collect();
            slots.sort_unstable();
            slots
        };
        let expected: Vec<u64> = (1..=5).filter(|slot| *slot != own).collect();
        node.wait("the other four", |log| others(log).len() >= 4);
        assert_eq!(node.look(others), expected);
    }
}

#[test]
fn what_the_world_refuses_goes_no_further() {
    let judge = |item: &Item| match item {
        Item::Block(block) => Some(match block.block.block.slot {
            1 => Verdict::Rejected(RejectionReason::WrongProposer.because("a test")),
            2 => Verdict::Rejected(RejectionReason::UnknownParentBlock.because("a test")),
            3 => Verdict::Ignored(IgnoreReason::NoRoom),
            // Never judged.
            4 => return None,
            _ => Verdict::Accepted,
        }),
        _ => Some(Verdict::Accepted),
    };
    let [a, b, c] = line(Script { verdict: Box::new(judge), ..Script::default() });
    warm_up(&a, &c);
    let ignored = b.counters.blocks.ignored.get();
    for slot in 1..=4 {
        a.write(BlockProduced(block(slot)));
    }
    b.wait("all of them", |log| (1..=4).all(|slot| blocks(log).contains(&slot)));
    a.write(BlockProduced(block(5)));
    c.wait("the last", |log| blocks(log).contains(&5));
    c.look(|log| assert!(!blocks(log).iter().any(|slot| (1..=4).contains(slot)), "goes on"));
    assert_eq!(b.counters.blocks.rejected.get(), 1);
    // The fourth is ignored once gossip would forget it.
    b.wait("ignored", |_| b.counters.blocks.ignored.get() == ignored + 3);
    // One rejection is no ban.
    b.look(|log| assert!(!format!("{:?}", log.peers).contains("Disconnected"), "{:?}", log.peers));
}

#[test]
fn subnets_change_at_run_time_and_one_publishes_where_one_does_not_listen() {
    let set_up = |identity, bootnodes| {
        let mut set_up = config(identity);
        set_up.committee_count = 2;
        set_up.bootnodes = bootnodes;
        set_up
    };
    let a = TestNode::start(set_up(1, Vec::new()));
    let b = TestNode::start(set_up(2, a.bootnode()));
    meet(&a, &b);
    let votes = |log: &Log, validator: u64| {
        let voted = log.items.iter().filter(
            |item| matches!(item, Item::Attestation(item) if item.attestation.validator_index == validator),
        );
        voted.count()
    };
    // Neither listens to attestations at first; the other listens to the odd ones later.
    a.write(AttestationProduced(attested_by(1, 0)));
    a.wait("to nobody", |_| a.counters.attestations.unpublished.get() == 1);
    b.write(NetworkCommand::Subscribe(Arc::new([1])));
    let attest_until_heard = |validator| {
        for slot in 1..=1_000 {
            a.write(AttestationProduced(attested_by(validator, slot)));
            if b.look(|log| votes(log, validator) > 0) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the subscription never arrives");
    };
    attest_until_heard(1);
    let unpublished = a.counters.attestations.unpublished.get();
    a.write(AttestationProduced(attested_by(2, 1)));
    a.wait("no listener", |_| a.counters.attestations.unpublished.get() == unpublished + 1);
    // And not any more.
    b.write(NetworkCommand::Subscribe(Arc::new([0])));
    attest_until_heard(4);
    let unpublished = a.counters.attestations.unpublished.get();
    a.write(AttestationProduced(attested_by(1, 2_000)));
    a.wait("no listener", |_| a.counters.attestations.unpublished.get() == unpublished + 1);
    assert_eq!(a.look(|log| log.items.len()), 0, "it listens to none");
}
