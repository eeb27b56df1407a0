//! The anchor of a store: where it begins and begins anew, and what it keeps from before.

use std::sync::Arc;

use quintet_components::{
    containers::{PublicKey, Root, SignedBlock},
    storage::{BlockSource, ChainSource, HistoryBatch, SigningEntry, SigningRecord, StateSource},
};
use quintet_plugins::storage::{Retention, Store, Writer};

use crate::storage::fixture::{Built, Fixture, Tree, small};

fn both() -> [Fixture; 2] {
    [Fixture::disk(), Fixture::memory()]
}

fn archive() -> Retention {
    Retention { archive: true, ..small() }
}

/// Begins anew with this block of the tree.
fn anchor_at(store: &Store, built: &Built) {
    store.begin_anew(&built.block, &built.state).expect("begins");
}

fn history(tree: &Tree, places: impl Iterator<Item = usize>) -> Vec<(Root, Arc<SignedBlock>)> {
    places.map(|at| (tree.blocks[at].at.root, Arc::clone(&tree.blocks[at].block))).collect()
}

fn has_block(store: &Store, built: &Built) -> bool {
    store.signed_block(&built.at.root).expect("reads").is_some()
}

#[test]
fn the_canonical_chain_is_known_by_slot() {
    for fixture in both() {
        let mut tree = Tree::new(5);
        let store = fixture.begin(&tree.anchor, small());
        assert_eq!(store.canonical_root(0), Ok(Some(tree.blocks[0].at.root)));
        assert_eq!(store.canonical_root(1), Ok(None));
        let head = tree.grow_chain(0, 30);
        let fork = tree.grow_chain(20, 5);
        let all: Vec<usize> = (1..tree.blocks.len()).collect();
        for (head, other) in [(fork, head), (head, fork)] {
            store.append(&tree.update(&all, head, 0)).expect("writes");
            let is_right = |store: &Store| {
                for slot in 0..=tree.blocks[head].at.slot + 2 {
                    let canonical = (0..tree.blocks.len())
                        .find(|at| tree.blocks[*at].at.slot == slot && tree.is_ancestor(*at, head));
                    let root = canonical.map(|at| tree.blocks[at].at.root);
                    assert_eq!(store.canonical_root(slot), Ok(root), "slot {slot}");
                }
            };
            is_right(&store);
            // As another process finds it.
            if matches!(fixture, Fixture::Memory(_)) {
                is_right(&fixture.open(&tree.anchor, small()));
            }
            assert!(has_block(&store, &tree.blocks[other]));
        }
        // Genesis has no proof, and is a block all the same.
        let genesis = store.block(&tree.blocks[0].at.root).expect("reads");
        assert_eq!(genesis, Some(tree.anchor.block.clone()));
        let newest = &tree.blocks[head];
        assert_eq!(store.block(&newest.at.root), Ok(Some(newest.block.block.clone())));
        assert_eq!(store.block(&Root::repeat_byte(7)), Ok(None));
    }
}

#[test]
fn a_store_that_has_not_begun_takes_nothing_and_says_so() {
    for fixture in both() {
        let mut tree = Tree::new(4);
        let store = fixture.open(&tree.anchor, small());
        let head = tree.grow_chain(0, 2);
        let error = store.append(&tree.update(&[1, 2], head, 0)).expect_err("it has no anchor");
        assert!(error.0.contains("was not started") && error.0.contains("Store::begin"), "{error}");
        let store = Arc::new(store);
        let thread = Writer::start(Arc::clone(&store)).expect("starts");
        thread.writer().offer(tree.update(&[1, 2], head, 0));
        let begun = std::time::Instant::now();
        while store.health().can_sign() {
            assert!(begun.elapsed().as_secs() < 20, "the fault shows");
            std::thread::yield_now();
        }
        let fault = store.health().status().fault.expect("there is one");
        assert!(fault.contains("was not started"), "{fault}");
    }
}

#[test]
fn beginning_anew_leaves_what_is_older_and_the_record_of_signatures() {
    for fixture in both() {
        let mut tree = Tree::new(5);
        let store = fixture.begin(&tree.anchor, small());
        let old = tree.grow_chain(0, 20);
        let all: Vec<usize> = (1..=old).collect();
        store.append(&tree.update(&all, old, 5)).expect("writes");
        let entry = SigningEntry {
            public_key: PublicKey::repeat_byte(1),
            slot: 5,
            message: Root::repeat_byte(2),
            signature: None,
        };
        store.write(std::slice::from_ref(&entry)).expect("writes");

        // The network went another way from the tenth block on.
        let anchor = tree.grow_chain(10, 8);
        let built = tree.blocks[anchor].clone();
        anchor_at(&store, &built);
        let is_begun_anew = |store: &Store| {
            assert_eq!(store.anchor(), Ok(Some(built.at)));
            assert_eq!(store.history().expect("reads").from(), built.at.slot);
            assert_eq!(store.find(&entry.public_key, 5), Ok(Some(entry.clone())));
            let data = store.resume().expect("is consistent").expect("has begun");
            assert_eq!((data.facts.head, data.facts.finalized), (built.at, built.at));
            assert_eq!(data.blocks.len(), 1);
            assert_eq!(data.anchor_state, built.state);
            // The anchor has its proof, and serves.
            assert_eq!(store.signed_block(&built.at.root), Ok(Some(Arc::clone(&built.block))));
            assert!(has_block(store, &tree.blocks[10]));
            for old in all.iter().map(|at| &tree.blocks[*at]) {
                assert_eq!(has_block(store, old), old.at.slot < built.at.slot, "{:?}", old.at);
            }
        };
        is_begun_anew(&store);
        drop(store);
        let store = fixture.open(&tree.anchor, small());
        is_begun_anew(&store);
        // It goes on from there, and what is on no chain goes when the window has moved.
        let head = tree.grow_chain(anchor, 40);
        let blocks: Vec<usize> = (anchor + 1..=head).collect();
        store.append(&tree.update(&blocks, head, head - 2)).expect("writes");
        while store.prune_step().expect("prunes") {}
        assert!(!has_block(&store, &tree.blocks[10]));
        let data = store.resume().expect("is consistent").expect("has begun");
        assert_eq!(data.facts.head, tree.blocks[head].at);
        assert!(store.state(&tree.blocks[head].at.root).expect("reads").is_some());
    }
}

#[test]
fn history_is_kept_as_long_as_other_blocks() {
    for (fixture, retention) in both().into_iter().zip([small(), archive()]) {
        let mut tree = Tree::new(5);
        let anchor = tree.grow_chain(0, 40);
        let store = fixture.open(&tree.anchor, retention);
        anchor_at(&store, &tree.blocks[anchor].clone());
        // Pruning has been there before the history comes.
        while store.prune_step().expect("prunes") {}
        let slot = tree.blocks[anchor].at.slot;
        let floor = slot - retention.window_slots;
        assert_eq!(store.append_history(&history(&tree, 20..anchor), 20), Ok(20));
        assert_eq!(store.append_history(&history(&tree, 1..20), 1), Ok(1));
        for built in &tree.blocks[1..anchor] {
            let is_kept = retention.archive || built.at.slot >= floor;
            assert_eq!(has_block(&store, built), is_kept, "{:?} of {floor}", built.at);
        }
        let head = tree.grow_chain(anchor, 40);
        let blocks: Vec<usize> = (anchor + 1..=head).collect();
        store.append(&tree.update(&blocks, head, head - 1)).expect("writes");
        while store.prune_step().expect("prunes") {}
        for built in &tree.blocks[1..anchor] {
            assert_eq!(has_block(&store, built), retention.archive, "{:?}", built.at);
        }
        store.resume().expect("is consistent").expect("has begun");
    }
}

#[test]
fn an_archive_jumps_over_what_it_had_before_it_began_anew() {
    for fixture in both() {
        let mut tree = Tree::new(5);
        let store = fixture.begin(&tree.anchor, archive());
        let old = tree.grow_chain(0, 20);
        let all: Vec<usize> = (1..=old).collect();
        let finalized = 15;
        store.append(&tree.update(&all, old, finalized)).expect("writes");
        let anchor = tree.grow_chain(old, 30);
        anchor_at(&store, &tree.blocks[anchor].clone());
        let slot_of = |at: usize| tree.blocks[at].at.slot;
        let from = slot_of(30);
        assert_eq!(store.append_history(&history(&tree, 30..anchor), from), Ok(from));
        // It reaches the block after the one that was finalized before.
        let next = slot_of(finalized) + 1;
        let older = history(&tree, finalized + 1..30);
        assert_eq!(store.append_history(&older, next), Ok(0));
        for built in &tree.blocks[1..=anchor] {
            assert!(has_block(&store, built), "{:?}", built.at);
        }
        // States of before are there too.
        assert_eq!(
            store.state(&tree.blocks[finalized].at.root).expect("reads").as_ref(),
            Some(&tree.blocks[finalized].state)
        );
    }
}

#[test]
fn an_old_chain_that_is_not_the_checkpoints_is_not_jumped_over() {
    let fixture = Fixture::memory();
    let mut tree = Tree::new(5);
    let store = fixture.begin(&tree.anchor, archive());
    let old = tree.grow_chain(0, 20);
    let all: Vec<usize> = (1..=old).collect();
    store.append(&tree.update(&all, old, 15)).expect("writes");
    let anchor = tree.grow_chain(10, 40);
    anchor_at(&store, &tree.blocks[anchor].clone());
    let from = tree.blocks[12].at.slot;
    assert_eq!(store.append_history(&[], from), Ok(from));
}

#[test]
fn the_writer_stores_history_and_says_how_far_it_is() {
    let fixture = Fixture::memory();
    let mut tree = Tree::new(4);
    let anchor = tree.grow_chain(0, 30);
    let store = Arc::new(fixture.open(&tree.anchor, small()));
    anchor_at(&store, &tree.blocks[anchor].clone());
    let thread = Writer::start(Arc::clone(&store)).expect("starts");
    let writer = thread.writer();
    assert_eq!(writer.history().from(), tree.blocks[anchor].at.slot);
    let batch = |places: std::ops::Range<usize>, from| HistoryBatch {
        blocks: history(&tree, places),
        from,
    };
    assert!(writer.offer_history(batch(20..anchor, 20)));
    assert!(writer.offer_history(batch(10..20, 10)));
    assert!(writer.wait_until_written(std::time::Duration::from_secs(20)));
    assert_eq!((writer.history().from(), store.history().expect("reads").from()), (10, 10));
}
