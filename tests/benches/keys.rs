//! The cost of signing beside the signature: the guard's record and mark on a disk, and the
//! crossing of a production key's prepared window.
//!
//! `KEYS_SLOTS` sets another number of slots than 300 for the guard, `KEYS_PRESET=short` crosses a
//! window of that preset, which takes a second.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(dead_code, reason = "the support is shared")]

#[path = "../support/temp_dir.rs"]
mod temp_dir;

use std::{
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use leansig::{
    KeyGenOptions,
    keys::write_secret_key,
    scheme::{Scheme, SecretKey},
};
use quintet_components::{
    containers::{PublicKey, Root, Signature, Validator, Validators},
    duties::{Role, SignRequest, Signer},
    preset::SignaturePreset,
    storage::{ChainIdentity, SigningRecord},
};
use quintet_plugins::{
    keys::{
        AcceptHistoryLoss, GuardOptions, KeyFiles, KeyManager, LoadOptions, SigningGuard,
        load_keys, mark_path,
    },
    storage::{Retention, RocksDbConfig, Store},
};
use quintet_systems::transition::generate_genesis;
use rand::{SeedableRng, rngs::StdRng};
use temp_dir::TempDir;

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let quick = env::args().any(|argument| argument == "--test");
    let slots = env::var("KEYS_SLOTS").ok().and_then(|text| text.parse().ok());
    let slots = slots.unwrap_or(if quick { 20 } else { 300 });
    for keys in [1, 16, 64] {
        guard(slots, keys);
    }
    let short = quick || env::var("KEYS_PRESET").is_ok_and(|preset| preset == "short");
    cross_window(if short { Scheme::Lifetime18 } else { Scheme::Lifetime32 });
}

fn open_guard(folder: &Path) -> SigningGuard {
    let state = generate_genesis(0, Validators::default());
    let identity = ChainIdentity::of(&state, "bench", SignaturePreset::Test);
    let config = RocksDbConfig { path: folder.join("chain"), retention: Retention::default() };
    let record: Arc<dyn SigningRecord> = Arc::new(Store::open(&config, &identity).expect("opens"));
    let options = GuardOptions {
        data_dir: folder.to_owned(),
        mark: mark_path(&folder.join("marks"), "bench", &Root::ZERO),
        genesis: Root::ZERO,
        accept_history_loss: AcceptHistoryLoss::No,
    };
    SigningGuard::open(record, &options).expect("a new record")
}

/// The time that the guard adds to a slot in which so many keys sign: the key itself takes no time
/// here.
fn guard(slots: u64, keys: u8) {
    let folder = TempDir::new();
    let guard = open_guard(folder.path());
    let made = Signature::placeholder(SignaturePreset::Production);
    let times = (1..=slots).map(|slot| {
        let requests: Vec<_> = (1..=keys)
            .map(|key| {
                let message = Root::repeat_byte(key);
                let index = u64::from(key);
                // No key has the top bit of its first word.
                let public_key = PublicKey::repeat_byte(key % 0x7f);
                (public_key, SignRequest { index, role: Role::Attester, slot, message })
            })
            .collect();
        let started = Instant::now();
        let outcomes = guard.sign_all(&requests, |_| Ok(made.clone()));
        let took = started.elapsed();
        assert!(outcomes.iter().all(Result::is_ok));
        took
    });
    report(&format!("guard, {keys} keys in a slot"), times.collect());
}

fn cross_window(scheme: Scheme) {
    let tree = match scheme {
        Scheme::Lifetime32 => 1_u64 << 16,
        _ => 512,
    };
    let folder = TempDir::new();
    let mut rng = StdRng::seed_from_u64(1);
    // Three trees: one more than is prepared.
    let started = Instant::now();
    let options = KeyGenOptions::default();
    let key = SecretKey::generate(scheme, &mut rng, 0, 3 * tree, &options).expect("a key");
    println!("made a key of {} slots in {:.1?}", 3 * tree, started.elapsed());
    for name in ["attester", "proposer"] {
        let path = folder.path().join(format!("validator_0_{name}_key_sk.ssz"));
        write_secret_key(&path, &key).expect("the folder is writable");
    }
    let public_key = PublicKey::from(key.public_key());
    drop(key);
    let validator =
        Validator { attestation_public_key: public_key, proposal_public_key: public_key, index: 0 };
    let registry = Validators::new(vec![validator]).expect("one");
    let options =
        LoadOptions { scheme, folder: folder.path(), threads: 1, slot: 0, progress: None };
    let files = KeyFiles { index: 0, attester: None, proposer: None };
    let loaded = load_keys(&[files], &registry, &options).expect("a good key");
    let manager = KeyManager::new(loaded, open_guard(folder.path()));
    let before = manager.status();
    println!("prepared until {}, {} KiB", before.prepared_until, before.memory_bytes / 1024);
    let sign = |slot| {
        let request =
            SignRequest { index: 0, role: Role::Attester, slot, message: Root::repeat_byte(7) };
        let started = Instant::now();
        manager.sign_all(&[request]).remove(0).expect("it signs");
        started.elapsed()
    };
    // What a slot in the middle of the window costs, before anything moves.
    report("sign before the window moves", (tree..tree + 50).map(sign).collect());
    let due = tree + tree / 8;
    let started = Instant::now();
    manager.begin_slot(due);
    let mut meanwhile = Vec::new();
    let mut slot = due;
    let mut most_bytes = 0;
    while manager.status().prepared_until <= before.prepared_until {
        meanwhile.push(sign(slot));
        slot += 1;
        most_bytes = most_bytes.max(manager.status().memory_bytes);
        manager.begin_slot(slot);
        std::thread::sleep(Duration::from_millis(20));
    }
    println!(
        "two keys moved on by {tree} slots in {:.1?}, {} slots before the window's end",
        started.elapsed(),
        before.prepared_until - slot
    );
    report("sign while the window moves", meanwhile);
    let edge = before.prepared_until;
    report("sign across the old window's end", (edge - 25..edge + 25).map(sign).collect());
    let after = manager.status();
    println!(
        "waited {} times, {} KiB then, {} KiB at most meanwhile",
        after.waited,
        after.memory_bytes / 1024,
        most_bytes / 1024
    );
    assert_eq!(after.waited, 0, "nobody waits for the window");
}

fn report(what: &str, mut times: Vec<Duration>) {
    if times.is_empty() {
        return;
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_micros();
    println!("{what}: median {} us, p99 {} us, most {} us", at(50), at(99), at(100));
}
