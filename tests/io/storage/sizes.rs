//! The size of a block with its state, before compression.

use std::{ops::ControlFlow, sync::Arc};

use quintet_components::storage::{ForkChoiceFacts, StateSource};
use quintet_plugins::storage::{
    Backend, Column, ImportedBlock, MemoryBackend, Retention, Store, Update,
};
use tree_hash::TreeHash;

use crate::support::heavy::HeavyChain;

/// The bound on a block with its state, on average.
const LIMIT_BYTES: usize = 64 << 10;
const BLOCKS: usize = 10_000;
/// Proofs of a quarter of the bound. They are not smaller on the disk either.
const PROOF_BYTES: usize = 16 << 10;

/// 10,000 blocks with two attestations each, of a chain that never finalizes: its states are the
/// largest.
#[test]
fn a_block_with_its_state_is_small() {
    let mut chain = HeavyChain::new(false, PROOF_BYTES);
    let backend = Arc::new(MemoryBackend::new(1 << 30));
    let identity = crate::storage::fixture::identity(&chain.anchor);
    let store = Store::new(Arc::clone(&backend), "memory", &identity, Retention::archive());
    let store = store.expect("opens");
    store.begin(&chain.anchor.block, &chain.anchor.state).expect("begins");
    let genesis = chain.head;
    let before = backend.bytes();
    let mut sample = Vec::new();
    let mut pending = Vec::new();
    for count in 1..=BLOCKS {
        let (root, block) = chain.grow();
        if count % 997 == 0 {
            sample.push((root, Arc::clone(&chain.state)));
        }
        pending.push(ImportedBlock { root, block, state: Arc::clone(&chain.state) });
        if pending.len() == 50 {
            let head = chain.head;
            let facts =
                ForkChoiceFacts { head, safe_target: head, justified: genesis, finalized: genesis };
            let blocks = std::mem::take(&mut pending);
            store.append(&Update { blocks, facts: Some(facts), votes: None }).expect("writes");
        }
    }
    assert!(chain.state.justifications_roots.len() > 150, "votes pile up");
    let each = (backend.bytes() - before) / BLOCKS;
    for column in Column::ALL {
        println!("{:>12}: {:>6} bytes a block", column.name(), bytes_of(&backend, column) / BLOCKS);
    }
    println!("{each} bytes a block, of which {PROOF_BYTES} are its proof");
    assert!(each <= LIMIT_BYTES, "{each} bytes a block");
    let states = [Column::States, Column::StateDiffs, Column::History];
    let states: usize = states.map(|column| bytes_of(&backend, column)).iter().sum();
    assert!(states / BLOCKS <= LIMIT_BYTES / 8, "{} bytes a state", states / BLOCKS);
    for (root, state) in sample {
        let rebuilt = store.state(&root).expect("reads").expect("is kept");
        assert_eq!(rebuilt, state);
        assert_eq!(rebuilt.tree_hash_root(), state.tree_hash_root());
    }
}

fn bytes_of(backend: &MemoryBackend, column: Column) -> usize {
    let mut bytes = 0;
    backend
        .scan(column, &[], None, &mut |key, value| {
            bytes += key.len() + value.len();
            ControlFlow::Continue(())
        })
        .expect("reads");
    bytes
}
