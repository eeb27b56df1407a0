//! The time from a block's arrival to its verdict.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use quintet::{
    components::containers::{AttestationData, Checkpoint, Root},
    plugins::network::codec::{snappy, topic::Topic},
};
use ssz::Encode;
use tree_hash::TreeHash;

use crate::{
    attacker::DIGEST,
    raw::{self, RawPeer},
    running::{CHECK, Finds, Running, anchor},
    support::chain,
};

/// From a peer's publishing a block to the verdict that forwards it, one block after the other.
pub fn run(blocks: u64) {
    let mut anchor = anchor(64, 4000);
    let mut state = anchor.state.as_ref().clone();
    let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    anchor.state = Arc::new(state.clone());
    let voters: Vec<u64> = (0..64).collect();
    let mut head = genesis;
    let node = Running::start(anchor, Finds::AllValid);
    let peer = RawPeer::start(Some(raw::gossip(false)));
    let topic = Topic::Block.text(DIGEST);
    peer.connect(&node.local.address());
    let id = node.local.peer.to_string().parse().expect("a peer id");
    peer.wait_subscribed(id, &topic);
    let mut took = Vec::new();
    for slot in 1..=blocks {
        let source = match state.latest_justified {
            Checkpoint { root: Root::ZERO, .. } => genesis,
            justified => justified,
        };
        let data = AttestationData { slot: head.slot, head, target: head, source };
        let votes = if slot > 1 { vec![chain::aggregated(data, &voters)] } else { vec![] };
        let (block, post) = chain::build_on(&state, slot, votes).expect("valid");
        head = Checkpoint { root: block.tree_hash_root(), slot };
        state = post;
        let bytes = snappy::compress(&chain::signed(block).as_ssz_bytes());
        let begun = Instant::now();
        peer.publish(&topic, bytes);
        while node.counters.blocks.accepted.get() < slot {
            assert!(begun.elapsed() < Duration::from_secs(10), "judged: {:?}", node.counters);
            thread::sleep(Duration::from_micros(50));
        }
        took.push(begun.elapsed().as_micros());
        thread::sleep(Duration::from_millis(20));
    }
    took.sort_unstable();
    println!(
        "published to accepted, 64 validators, {blocks} blocks: median {:.1} ms, p99 {:.1} ms, max \
         {:.1} ms, of which {:.1} ms stand for 65 signatures",
        took[took.len() / 2] as f64 / 1000.0,
        took[(took.len() * 99 / 100).min(took.len() - 1)] as f64 / 1000.0,
        took[took.len() - 1] as f64 / 1000.0,
        (CHECK * 65).as_micros() as f64 / 1000.0
    );
    node.end();
}
