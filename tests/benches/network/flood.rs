//! A flood of attestations from one peer.

use std::{
    thread,
    time::{Duration, Instant},
};

use tree_hash::TreeHash;

use crate::{
    attacker::{Attack, Attacker, FLOOD_SLOTS},
    running::{Finds, Running, anchor, lateness, resident_mib},
};

/// The time between two lines about resident memory.
const RESIDENT_EVERY: Duration = Duration::from_secs(5);

pub fn run(kind: &str, seconds: u64) {
    let anchor = anchor(64, 4 * FLOOD_SLOTS);
    let root = anchor.block.tree_hash_root();
    let finds = if kind == "valid" { Finds::AllValid } else { Finds::NoneValid };
    let node = Running::start(anchor, finds);
    thread::sleep(Duration::from_secs(2));
    let idle = resident_mib();
    node.measured.0.lock().expect("not poisoned").0.clear();
    let mut attacker = Attacker::start(&node, root, Attack::Attestations, seconds);
    let (mut most, begun, mut over_time) = (idle, Instant::now(), Vec::new());
    while attacker.is_running() {
        let now = resident_mib();
        most = most.max(now);
        if begun.elapsed() >= RESIDENT_EVERY * u32::try_from(over_time.len() + 1).expect("few") {
            over_time.push(now);
        }
        thread::sleep(Duration::from_millis(50));
    }
    let (late, dropped) = node.measured.0.lock().expect("not poisoned").clone();
    let attestations = &node.counters.attestations;
    println!(
        "flood, {kind} attestations, {seconds} s: offered and refused by the peer's own queue {}; \
         received {}, full lane {dropped}, accepted {}, ignored {}, rejected {}, banned {}; {}; \
         resident {idle} MiB, at most {most} MiB, every {RESIDENT_EVERY:?} {over_time:?} MiB",
        attacker.offered(),
        attestations.received.get(),
        attestations.accepted.get(),
        attestations.ignored.get(),
        attestations.rejected.get(),
        node.counters.banned.get(),
        lateness(late),
    );
    node.end();
}
