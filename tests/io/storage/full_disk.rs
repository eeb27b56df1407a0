//! `RocksDB` on a disk where files cannot grow: real short writes, and how the node comes out of
//! them.

use std::{
    io::Read,
    sync::Arc,
    time::{Duration, Instant},
};

use quintet_components::{
    containers::{MultiMessageAggregate, ProofBytes, PublicKey, Root, SignedBlock},
    storage::{BlockSource, SigningEntry, SigningRecord, StateSource},
};
use quintet_plugins::storage::{ImportedBlock, RocksDbConfig, Store, Update, Writer, WriterThread};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{
    storage::fixture::{Built, Tree, identity, small},
    support::{child, temp_dir::TempDir},
};

/// Files of at most 256 KiB.
const FILE_BLOCKS: u32 = 512;
/// A proof that fits into such a file.
const SMALL_BYTES: usize = 1 << 10;
/// A proof that does not.
const LARGE_BYTES: usize = 300 << 10;
const PASSED: &str = "the disk was full and is not any more";

#[test]
fn a_full_disk_is_survived() {
    let folder = TempDir::new();
    let mut child = child::start("storage::full_disk::child", folder.path(), Some(FILE_BLOCKS));
    let mut output = String::new();
    child.stdout.take().expect("is piped").read_to_string(&mut output).expect("text");
    let status = child.wait().expect("ends");
    assert!(status.success() && output.contains(PASSED), "{status}: {output}");
}

/// The part of the other process.
#[test]
fn child() {
    let Some(folder) = child::folder() else { return };
    let mut tree = Tree::new(4);
    let path = folder.join("db");
    let config = RocksDbConfig { path: path.clone(), retention: small() };
    let store = Store::open(&config, &identity(&tree.anchor)).expect("opens");
    let store = Arc::new(store);
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
    let thread = Writer::start(Arc::clone(&store)).expect("starts");
    let mut head = 0;
    let deadline = Instant::now() + Duration::from_secs(30);
    for bytes in [SMALL_BYTES, SMALL_BYTES, SMALL_BYTES] {
        head = offer(&thread, &mut tree, head, bytes);
    }
    assert!(thread.writer().wait_until_written(Duration::from_secs(20)));
    sign(&store, 1).expect("there is room");
    head = offer(&thread, &mut tree, head, LARGE_BYTES);
    while store.health().can_sign() {
        assert!(Instant::now() < deadline, "the proof does not fit");
        std::thread::yield_now();
    }
    let reason = store.health().status().fault.expect("there is a fault");
    assert!(reason.contains(path.to_str().expect("text")), "{reason}");
    let refused = sign(&store, 9).expect_err("nothing is signed");
    assert!(refused.0.contains("nothing is signed"), "{refused}");
    for _ in 0..5 {
        head = offer(&thread, &mut tree, head, SMALL_BYTES);
    }
    has_all(&tree, &**thread.writer());

    let limit = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, rustix::process::Rlimit { current: limit.maximum, ..limit })
        .expect("the limit may be lifted");
    while !store.health().can_sign() {
        assert!(Instant::now() < deadline, "it recovers");
        std::thread::yield_now();
    }
    assert!(thread.writer().wait_until_written(Duration::from_secs(20)));
    sign(&store, 9).expect("it signs again");
    drop(thread);
    drop(store);
    let store = Store::open(&config, &identity(&tree.anchor)).expect("opens");
    has_all(&tree, &store);
    for slot in [1, 9] {
        assert!(store.find(&PublicKey::ZERO, slot).expect("reads").is_some());
    }
    assert_eq!(store.facts(), Ok(Some(tree.facts(head, 0))));
    println!("{PASSED}");
}

/// One more block, with a proof of so many bytes that do not compress.
fn offer(thread: &WriterThread, tree: &mut Tree, head: usize, bytes: usize) -> usize {
    let block = tree.grow(head, 0, 0, 0);
    let built: &mut Built = &mut tree.blocks[block];
    let mut seed = built.at.slot;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    })
    .take(bytes)
    .collect();
    let proof = ProofBytes::new(bytes).expect("below the limit");
    let proof = MultiMessageAggregate { proof };
    built.block = Arc::new(SignedBlock { block: built.block.block.clone(), proof });
    let blocks: Vec<ImportedBlock> = vec![built.imported()];
    thread.writer().offer(Update { blocks, facts: Some(tree.facts(block, 0)), votes: None });
    block
}

fn has_all(tree: &Tree, store: &(impl BlockSource + StateSource)) {
    for built in &tree.blocks[1..] {
        assert_eq!(store.signed_block(&built.at.root), Ok(Some(Arc::clone(&built.block))));
        assert_eq!(store.state(&built.at.root), Ok(Some(Arc::clone(&built.state))));
    }
}

fn sign(store: &Store, slot: u64) -> Result<(), quintet_components::storage::StorageError> {
    store.write(&[SigningEntry {
        public_key: PublicKey::ZERO,
        slot,
        message: Root::ZERO,
        signature: None,
    }])
}
