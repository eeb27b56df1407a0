//! Attacks by a peer without keys, while an honest peer publishes attestations and blocks.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use quintet::{
    components::{
        containers::{AttestationData, Checkpoint, Signature, SignedAttestation},
        preset::SignaturePreset,
    },
    plugins::network::codec::{snappy, topic::Topic},
};
use ssz::Encode;
use tree_hash::TreeHash;

use crate::{
    attacker::{Attack, Attacker, DIGEST, FLOOD_SLOTS},
    raw::{self, RawEvent, RawPeer},
    running::{Finds, Running, anchor, lateness, resident_mib},
    support::chain,
};

/// The time between two attestations of the honest peer; a block comes once a slot.
const EVERY: Duration = Duration::from_millis(100);
/// A verdict that takes longer counts as missing.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn run_all(seconds: u64) {
    for attack in [Attack::SubAggregates, Attack::UnknownBlocks, Attack::FutureBlocks] {
        run(attack, seconds);
    }
}

fn run(attack: Attack, seconds: u64) {
    let anchor = anchor(64, 4 * FLOOD_SLOTS);
    let (root, state) = (anchor.block.tree_hash_root(), Arc::clone(&anchor.state));
    let genesis = Checkpoint { root, slot: 0 };
    let genesis_time = state.config.genesis_time;
    let node = Running::start(anchor, Finds::AllButMarked);
    let honest = RawPeer::start(Some(raw::gossip(false)));
    honest.connect(&node.local.address());
    let id = node.local.peer.to_string().parse().expect("a peer id");
    let [blocks, attestations] =
        [Topic::Block, Topic::Attestation(0)].map(|topic| topic.text(DIGEST));
    honest.wait_subscribed(id, &blocks);
    honest.wait_subscribed(id, &attestations);
    thread::sleep(Duration::from_secs(2));
    let idle = resident_mib();
    node.measured.0.lock().expect("not poisoned").0.clear();

    let mut attacker = Attacker::start(&node, root, attack, seconds);
    let (mut most, mut slot_of_block, mut number) = (idle, 0, 0_u64);
    let (mut block_ms, mut attestation_ms, mut missing) = (Vec::new(), Vec::new(), 0_u32);
    while attacker.is_running() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
        let slot = (now - genesis_time) / 4;
        let begun = Instant::now();
        let (counter, took) = if slot > slot_of_block {
            slot_of_block = slot;
            let (block, _) = chain::build_on(&state, slot, vec![]).expect("valid");
            let bytes = snappy::compress(&chain::signed(block).as_ssz_bytes());
            let before = node.counters.blocks.accepted.get();
            honest.publish(&blocks, bytes);
            ((&node.counters.blocks.accepted, before), &mut block_ms)
        } else {
            let data = AttestationData { slot, head: genesis, target: genesis, source: genesis };
            let signature = Signature::placeholder(SignaturePreset::Production);
            let vote = SignedAttestation { validator_index: number % 64, data, signature };
            number += 1;
            let before = node.counters.attestations.accepted.get();
            honest.publish(&attestations, snappy::compress(&vote.as_ssz_bytes()));
            ((&node.counters.attestations.accepted, before), &mut attestation_ms)
        };
        while counter.0.get() == counter.1 && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_micros(200));
        }
        if counter.0.get() == counter.1 {
            missing += 1;
        } else {
            took.push(begun.elapsed().as_micros());
        }
        most = most.max(resident_mib());
        thread::sleep(EVERY.saturating_sub(begun.elapsed()));
    }
    let is_connected =
        !honest.events().iter().any(|event| matches!(event, RawEvent::Disconnected(_)));
    println!(
        "attack, {} {} a second for {seconds} s: offered and refused by the peer's own queue {}, \
         banned {}; honest: {}, {}, without a verdict {missing}, still connected {is_connected}; \
         {}; resident {idle} MiB, at most {most} MiB",
        attack.rate(),
        attack.name(),
        attacker.offered(),
        node.counters.banned.get(),
        summary("blocks", block_ms),
        summary("attestations", attestation_ms),
        lateness(node.measured.0.lock().expect("not poisoned").0.clone()),
    );
    node.end();
}

fn summary(what: &str, mut micros: Vec<u128>) -> String {
    micros.sort_unstable();
    let at = |percent: usize| {
        let index = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
        micros.get(index).map_or(0.0, |micros| *micros as f64 / 1000.0)
    };
    format!("{} {what} in p50 {:.1} ms, max {:.1} ms", micros.len(), at(50), at(100))
}
