//! Whole nodes that follow each other's chain: gossip, sync and storage together.

use std::{thread, time::Duration};

use quintet_components::{
    containers::{MultiMessageAggregate, ProofBytes, Root, SignedBlock},
    network::DisconnectReason,
    sync::{RecentDisconnects, SyncCounts, SyncState},
};

use crate::support::networked::{Blockchain, Networked, run_until};

/// Two nodes with the blocks up to a slot, connected, their clocks there.
fn pair(chain: &Blockchain, slot: u64) -> [Networked; 2] {
    let mut a = Networked::start(1, &chain.anchor, &[]);
    a.turn_to(slot);
    a.import(chain.up_to(slot));
    let mut b = Networked::start(2, &chain.anchor, &[&a]);
    b.turn_to(slot);
    b.import(chain.up_to(slot));
    run_until([&mut a, &mut b], "connects", |[a, b]| a.peers() == 1 && b.peers() == 1);
    [a, b]
}

#[test]
fn published_blocks_are_followed() {
    let chain = Blockchain::grow(4, 20, 4);
    let [mut a, mut b] = pair(&chain, 1);
    for slot in 2..=20 {
        let (root, block) = chain.at(slot);
        a.turn_to(slot);
        b.turn_to(slot);
        a.import(chain.up_to(slot));
        a.publish(block);
        run_until([&mut a, &mut b], "follows", |[a, b]| {
            a.head().root == *root && b.head() == a.head()
        });
    }
    run_until([&mut a, &mut b], "accepts all", |[_, b]| b.counters.blocks.accepted.get() == 19);
    assert_eq!(a.counters.blocks.received.get(), 0, "nobody gets its own");
    assert_eq!(b.node.world().resource::<SyncCounts>().orphans_held, 0);
}

#[test]
fn the_parent_of_an_orphan_is_fetched_by_root() {
    let chain = Blockchain::grow(4, 5, 4);
    let [mut a, mut b] = pair(&chain, 3);
    a.turn_to(5);
    b.turn_to(5);
    a.import(chain.up_to(5));
    let (root, block) = chain.at(5);
    a.publish(block);
    run_until([&mut a, &mut b], "follows", |[_, b]| b.head().root == *root);
    assert!(b.counters.blocks_by_root.sent.get() >= 1, "asks for the parent");
    let counts = *b.node.world().resource::<SyncCounts>();
    assert_eq!((counts.orphans_held, counts.orphans_released), (1, 1), "{counts:?}");
    // An answer by range may bring the block again before its parent arrives by root. Then that copy
    // is imported, and the one of gossip is ignored as known.
    run_until([&mut a, &mut b], "judges the copy of gossip", |[_, b]| {
        let blocks = &b.counters.blocks;
        blocks.accepted.get() + blocks.ignored.get() == 1 && blocks.rejected.get() == 0
    });
}

/// Every third block has a proof that proves nothing, every other third another content.
fn lie(block: &SignedBlock) -> SignedBlock {
    let mut lie = block.clone();
    match block.block.slot % 3 {
        0 => {
            let proof = ProofBytes::new(vec![1, 2, 3]).expect("short");
            lie.proof = MultiMessageAggregate { proof };
        }
        1 => lie.block.state_root = Root::repeat_byte(9),
        _ => (),
    }
    lie
}

#[test]
fn a_late_joiner_reaches_the_honest_head_though_one_of_two_peers_lies() {
    const SLOTS: u64 = 2_000;
    let chain = Blockchain::grow(4, SLOTS, 4);
    let mut honest = Networked::start(1, &chain.anchor, &[]);
    let mut liar = Networked::start_lying(2, &chain.anchor, lie);
    for node in [&mut honest, &mut liar] {
        node.turn_to(SLOTS);
        node.import(chain.up_to(SLOTS));
    }
    let mut late = Networked::start(3, &chain.anchor, &[&honest, &liar]);
    late.turn_to(SLOTS);
    let (tip, _) = chain.at(SLOTS);
    run_until([&mut honest, &mut liar, &mut late], "syncs", |[_, _, late]| {
        late.head().root == *tip && *late.node.world().resource::<SyncState>() == SyncState::Synced
    });
    let lies = &liar.counters;
    let sent = lies.blocks_by_range.chunks_sent.get() + lies.blocks_by_root.chunks_sent.get();
    assert!(sent > 0, "the liar was asked, too");
    assert!(late.node.world().resource::<SyncCounts>().faults > 0, "and found out");
    assert!(late.counters.blocks_by_range.answered.get() > 0, "by range");
}

#[test]
fn a_node_recovers_from_a_pause_of_60_slots() {
    let chain = Blockchain::grow(4, 72, 4);
    let [mut a, mut b] = pair(&chain, 10);
    // The chain goes on, and all but the newest gossip is lost on the one that sleeps.
    for slot in 11..=70 {
        a.turn_to(slot);
        a.import(chain.up_to(slot));
        if slot > 65 {
            a.publish(&chain.at(slot).1);
        }
    }
    assert_eq!(b.head().slot, 10);
    b.turn_to(70);
    let (tip, _) = chain.at(70);
    run_until([&mut a, &mut b], "catches up", |[_, b]| {
        b.head().root == *tip && *b.node.world().resource::<SyncState>() == SyncState::Synced
    });
    for slot in 71..=72 {
        let (root, block) = chain.at(slot);
        a.turn_to(slot);
        b.turn_to(slot);
        a.import(chain.up_to(slot));
        a.publish(block);
        run_until([&mut a, &mut b], "follows again", |[_, b]| b.head().root == *root);
    }
}

#[test]
fn a_peer_whose_gossip_has_gone_silent_is_called_anew_and_heard_again() {
    let chain = Blockchain::grow(4, 24, 4);
    let [mut a, mut b] = pair(&chain, 3);
    // The chain goes on, and all of it that comes is what is asked for.
    for slot in 4..=23 {
        a.turn_to(slot);
        b.turn_to(slot);
        a.import(chain.up_to(slot));
        for _ in 0..10 {
            a.update();
            b.update();
            thread::sleep(Duration::from_millis(5));
        }
    }
    let reasons: Vec<DisconnectReason> = b
        .node
        .world()
        .resource::<RecentDisconnects>()
        .iter()
        .map(|each| each.reason.clone())
        .collect();
    assert!(reasons.contains(&DisconnectReason::SilentMesh), "{reasons:?}");
    assert!(reasons.len() <= 2, "and not in a storm: {reasons:?}");
    run_until([&mut a, &mut b], "connects anew", |[a, b]| a.peers() == 1 && b.peers() == 1);
    a.turn_to(24);
    b.turn_to(24);
    a.import(chain.up_to(24));
    a.publish(&chain.at(24).1);
    run_until([&mut a, &mut b], "hears it", |[_, b]| b.counters.blocks.received.get() >= 1);
}
