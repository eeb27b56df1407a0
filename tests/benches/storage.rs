//! The cost of the store at 4096 validators with two attestations a block: persisting a block with
//! its state, bytes a block on the disk, rebuilding a state, starting again.
//!
//! Times are given twice where the machine has other work: as they are, and without the time that
//! the thread was ready and had no core (Linux counts it).
//!
//! `STORAGE_BLOCKS` sets another number of blocks than 10,000, `STORAGE_PROOF_BYTES` another size
//! of proof than 16 KiB, `STORAGE_SNAPSHOT_EVERY` another number of diffs a snapshot.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    env, fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use quintet_components::{
    containers::{PublicKey, Root, RootList, State},
    preset::SignaturePreset,
    storage::{ChainIdentity, ForkChoiceFacts, SigningEntry, SigningRecord, StateSource},
};
use quintet_plugins::storage::{ImportedBlock, Retention, RocksDbConfig, Store, Update};
use quintet_systems::transition::anchor_block;
use support::{heavy::HeavyChain, temp_dir::TempDir};
use tree_hash::TreeHash;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = env::args().any(|argument| argument == "--test");
    let blocks = setting("STORAGE_BLOCKS").unwrap_or(if quick { 300 } else { 10_000 });
    let proof = setting("STORAGE_PROOF_BYTES").unwrap_or(16 << 10);
    println!("{blocks} blocks of 4096 validators, proofs of {proof} bytes that do not compress");
    for (name, finalizes) in [("finalizing", true), ("stalled", false)] {
        run(name, finalizes, blocks, proof);
    }
    full_history(if quick { 10_000 } else { (1 << 18) - 1 });
}

fn setting(name: &str) -> Option<usize> {
    env::var(name).ok()?.parse().ok()
}

fn open(path: &Path, anchor: &State) -> Store {
    let identity = ChainIdentity::of(anchor, "bench", SignaturePreset::Test);
    let mut retention = Retention::archive();
    if let Some(diffs) = setting("STORAGE_SNAPSHOT_EVERY") {
        retention.snapshot_every = diffs as u64;
    }
    let config = RocksDbConfig { path: path.to_owned(), retention };
    Store::open(&config, &identity).expect("opens")
}

fn run(name: &str, finalizes: bool, blocks: usize, proof: usize) {
    let folder = TempDir::new();
    let mut chain = HeavyChain::new(finalizes, proof);
    let store = open(folder.path(), &chain.anchor.state);
    store.begin(&chain.anchor.block, &chain.anchor.state).expect("begins");
    let genesis = chain.head;
    let (mut persisted, mut signed) = (Vec::new(), Vec::new());
    let mut roots = Vec::new();
    for _ in 0..blocks {
        let (root, block) = chain.grow();
        roots.push(root);
        let head = chain.head;
        let facts =
            ForkChoiceFacts { head, safe_target: head, justified: genesis, finalized: genesis };
        let imported = ImportedBlock { root, block, state: Arc::clone(&chain.state) };
        let update = Update { blocks: vec![imported], facts: Some(facts), votes: None };
        persisted.push(timed(|| store.append(&update).expect("writes")));
        if roots.len() % 100 == 0 {
            let entry = SigningEntry {
                public_key: PublicKey::ZERO,
                slot: head.slot,
                message: root,
                signature: None,
            };
            signed.push(timed(|| store.write(&[entry]).expect("writes")));
        }
    }
    report(name, "persist a block with its state", persisted);
    report(name, "record a signature, synced", signed);
    let together = (0..50).map(|round| timed(|| sign_together(&store, round)));
    report(name, "16 signatures from 16 threads", together.collect());
    drop(store);
    let started = Instant::now();
    let store = open(folder.path(), &chain.anchor.state);
    let data = store.resume().expect("reads").expect("begun");
    println!(
        "{name:>12}  open and resume {} blocks: {} ms",
        data.blocks.len(),
        started.elapsed().as_millis()
    );
    let step = (roots.len() / 200).max(1);
    let rebuilt = roots
        .iter()
        .step_by(step)
        .map(|root| timed(|| store.state(root).expect("reads").expect("is kept")));
    report(name, "rebuild a state, root checked", rebuilt.collect());
    drop(store);
    let bytes = folder_bytes(folder.path());
    println!("{name:>12}  on the disk: {} bytes a block", bytes / roots.len() as u64);
}

/// As many signers as a slot may have, each on its own thread.
fn sign_together(store: &Store, round: u64) {
    std::thread::scope(|scope| {
        for signer in 1..=16 {
            scope.spawn(move || {
                let public_key = PublicKey::repeat_byte(signer);
                let message = Root::repeat_byte(signer);
                let entry = SigningEntry { public_key, slot: round, message, signature: None };
                store.write(&[entry]).expect("writes");
            });
        }
    });
}

/// A state at the end of the protocol's history.
fn full_history(slots: u64) {
    let folder = TempDir::new();
    let mut chain = HeavyChain::new(true, 0);
    for _ in 0..50 {
        chain.grow();
    }
    let mut state = State::clone(&chain.state);
    let root = |slot: u64| Root::right_padding_from(&(slot + 1).to_be_bytes());
    state.historical_block_hashes = RootList::new((0..slots).map(root).collect()).expect("fits");
    state.slot = slots;
    let _: Root = state.tree_hash_root();
    let mut block = anchor_block(&state);
    block.slot = slots;
    let store = open(folder.path(), &state);
    store.begin(&block, &Arc::new(state)).expect("begins");
    let root: Root = block.tree_hash_root();
    drop(store);
    let store = open(folder.path(), &chain.anchor.state);
    let first = timed(|| store.state(&root).expect("reads").expect("is kept"));
    let first = first.whole.as_millis();
    println!("full history  rebuild the first state after a start: {first} ms");
    let rebuilt = (0..20).map(|_| timed(|| store.state(&root).expect("reads").expect("is kept")));
    report("full history", "rebuild a state, root checked", rebuilt.collect());
}

/// The time of one step.
struct Time {
    whole: Duration,
    /// Without waiting for a core.
    own: Duration,
}

/// The time that this thread has waited for a core; zero if nobody counts.
fn waited_for_core() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').nth(1).and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn timed<T>(run: impl FnOnce() -> T) -> Time {
    let waited = waited_for_core();
    let started = Instant::now();
    std::hint::black_box(run());
    let whole = started.elapsed();
    let waited = waited_for_core().saturating_sub(waited);
    Time { whole, own: whole.saturating_sub(waited) }
}

fn report(name: &str, what: &str, times: Vec<Time>) {
    if times.is_empty() {
        return;
    }
    let (whole, own): (Vec<_>, Vec<_>) = times.iter().map(|time| (time.whole, time.own)).unzip();
    for (which, mut times) in [("", whole), (" without waiting for a core", own)] {
        times.sort_unstable();
        let at = |part: usize| times[(times.len() - 1) * part / 1000].as_micros();
        let late = times.iter().filter(|time| **time > Duration::from_millis(2)).count();
        println!(
            "{name:>12}  {what}{which}: median {} us, p99 {} us, p99.9 {} us, most {} us, over \
             2 ms {late} of {}",
            at(500),
            at(990),
            at(999),
            at(1000),
            times.len()
        );
    }
}

fn folder_bytes(path: &Path) -> u64 {
    let entries = fs::read_dir(path).expect("reads").flatten();
    entries.map(|entry| entry.metadata().map_or(0, |data| data.len())).sum()
}
