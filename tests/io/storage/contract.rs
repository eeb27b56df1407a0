//! The contract of every store, over any backend.

use std::sync::Arc;

use quintet_components::{
    containers::{PublicKey, Root, Signature},
    preset::SignaturePreset,
    storage::{BlockSource, ChainIdentity, SigningEntry, SigningRecord, StateSource},
};
use quintet_plugins::storage::{Store, Update, Written};

use crate::storage::fixture::{Fixture, Tree, identity, small};

macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod on_disk {
            $(#[test] fn $name() { super::$name(&super::Fixture::disk()); })+
        }
        mod in_memory {
            $(#[test] fn $name() { super::$name(&super::Fixture::memory()); })+
        }
    };
}

contract! {
    blocks_and_states_come_back,
    an_empty_store_has_nothing_to_resume,
    a_block_without_its_parent_is_left_out,
    writing_an_update_again_changes_nothing,
    beginning_again_changes_nothing,
    blocks_of_before_the_anchor_are_served_and_not_resumed,
    another_registry_is_refused,
    another_chain_is_refused,
    signatures_are_found_listed_replaced_and_pruned,
}

/// A chain with a fork, in batches of all sizes.
fn filled(store: &Store, tree: &mut Tree) -> usize {
    let mut head = tree.grow_chain(0, 37);
    let fork = tree.grow_chain(20, 9);
    head = tree.grow_chain(head, 5);
    let all: Vec<usize> = (1..tree.blocks.len()).collect();
    let mut rest = all.as_slice();
    let mut size = 1;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(size.min(rest.len()));
        let newest = *batch.last().expect("not empty");
        let written = store.append(&tree.update(batch, newest, 0)).expect("writes");
        assert_eq!((written.blocks, written.orphans), (batch.len(), 0));
        (rest, size) = (after, size + 1);
    }
    store.append(&tree.update(&[], head, 0)).expect("writes");
    assert!(tree.is_ancestor(20, fork) && !tree.is_ancestor(fork, head));
    head
}

fn has_all(store: &Store, tree: &Tree) {
    for built in &tree.blocks[1..] {
        let block = store.signed_block(&built.at.root).expect("reads").expect("is there");
        assert_eq!(block, built.block);
        let state = store.state(&built.at.root).expect("reads").expect("is there");
        assert_eq!(state, built.state, "slot {}", built.at.slot);
    }
}

fn blocks_and_states_come_back(fixture: &Fixture) {
    let mut tree = Tree::new(9);
    let store = fixture.begin(&tree.anchor, small());
    let head = filled(&store, &mut tree);
    has_all(&store, &tree);
    let anchor = store.signed_block(&tree.blocks[0].at.root).expect("reads").expect("is there");
    assert_eq!(anchor.block, tree.anchor.block);
    assert!(anchor.proof.proof.as_bytes().is_empty(), "nobody has signed an anchor");
    assert_eq!(store.signed_block(&Root::repeat_byte(7)), Ok(None));
    assert_eq!(store.state(&Root::repeat_byte(7)), Ok(None));
    drop(store);

    let store = fixture.open(&tree.anchor, small());
    has_all(&store, &tree);
    let data = store.resume().expect("reads").expect("has begun");
    assert_eq!(data.facts, tree.facts(head, 0));
    assert_eq!(data.anchor_block, tree.anchor.block);
    assert_eq!(data.anchor_state, tree.anchor.state);
    assert_eq!(data.blocks.len(), tree.blocks.len());
    assert!(data.blocks.is_sorted_by_key(|block| (block.slot, block.root)));
    for (root, state) in &data.states {
        let built = tree.blocks.iter().find(|built| built.at.root == *root).expect("known");
        assert_eq!(*state, built.state);
    }
    // It goes on where it ended.
    let next = tree.grow(head, 0, 1, 0xff);
    let written = store.append(&tree.update(&[next], next, 0)).expect("writes");
    assert_eq!(written.blocks, 1);
    has_all(&store, &tree);
}

fn an_empty_store_has_nothing_to_resume(fixture: &Fixture) {
    let tree = Tree::new(4);
    let store = fixture.open(&tree.anchor, small());
    assert!(store.resume().expect("reads").is_none());
    assert_eq!(store.facts(), Ok(None));
    assert_eq!(store.prune_step(), Ok(false));
}

fn a_block_without_its_parent_is_left_out(fixture: &Fixture) {
    let mut tree = Tree::new(4);
    let store = fixture.begin(&tree.anchor, small());
    tree.grow_chain(0, 4);
    // Block 2 is missing, so 3 and 4 have no parents; a head among them is not believed.
    let written = store.append(&tree.update(&[1, 3, 4], 4, 0)).expect("writes");
    assert_eq!((written.blocks, written.orphans), (1, 2));
    assert_eq!(store.facts(), Ok(Some(tree.facts(0, 0))));
    assert_eq!(store.state(&tree.blocks[3].at.root), Ok(None));
    assert_eq!(store.resume().expect("reads").expect("begun").blocks.len(), 2);
    // They come again, in order.
    store.append(&tree.update(&[2, 3, 4], 4, 0)).expect("writes");
    has_all(&store, &tree);
    assert_eq!(store.facts(), Ok(Some(tree.facts(4, 0))));
}

fn writing_an_update_again_changes_nothing(fixture: &Fixture) {
    let mut tree = Tree::new(4);
    let store = fixture.begin(&tree.anchor, small());
    let head = tree.grow_chain(0, 12);
    let all: Vec<usize> = (1..=12).collect();
    for expected in [12, 0] {
        let written = store.append(&tree.update(&all, head, 0)).expect("writes");
        assert_eq!(written.blocks, expected);
        has_all(&store, &tree);
    }
    assert_eq!(store.append(&Update::default()), Ok(Written::default()));
}

fn beginning_again_changes_nothing(fixture: &Fixture) {
    let mut tree = Tree::new(4);
    let store = fixture.begin(&tree.anchor, small());
    let head = tree.grow_chain(0, 3);
    store.append(&tree.update(&[1, 2, 3], head, 0)).expect("writes");
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("is left as it is");
    assert_eq!(store.facts(), Ok(Some(tree.facts(head, 0))));
}

fn blocks_of_before_the_anchor_are_served_and_not_resumed(fixture: &Fixture) {
    let mut tree = Tree::new(4);
    let anchor = tree.grow_chain(0, 9);
    let store = fixture.open(&tree.anchor, small());
    let built = tree.blocks[anchor].clone();
    store.begin(&built.block.block, &built.state).expect("begins");
    let head = tree.grow_chain(anchor, 20);
    let blocks: Vec<usize> = (anchor + 1..=head).collect();
    store.append(&tree.update(&blocks, head, anchor)).expect("writes");
    let older: Vec<_> = tree.blocks[1..anchor]
        .iter()
        .map(|built| (built.at.root, Arc::clone(&built.block)))
        .collect();
    assert_eq!(store.history().expect("reads").from(), built.at.slot);
    assert_eq!(store.append_history(&older, 1), Ok(1));
    assert_eq!(store.history().expect("reads").from(), 1);
    for built in &tree.blocks[1..anchor] {
        assert_eq!(store.signed_block(&built.at.root), Ok(Some(Arc::clone(&built.block))));
        assert_eq!(store.state(&built.at.root), Ok(None));
    }
    let data = store.resume().expect("reads").expect("begun");
    assert_eq!(data.blocks.len(), 21, "the tree begins with the anchor");
    assert_eq!(*data.anchor_state, *built.state);
    for built in &tree.blocks[anchor..] {
        assert_eq!(store.state(&built.at.root), Ok(Some(Arc::clone(&built.state))));
    }
}

fn another_registry_is_refused(fixture: &Fixture) {
    let tree = Tree::new(4);
    let mut other = Tree::new(5);
    let store = fixture.begin(&tree.anchor, small());
    let block = other.grow(0, 0, 0, 0);
    let mut update = other.update(&[block], block, 0);
    update.facts = None;
    // Its parent is another genesis.
    assert_eq!(store.append(&update).map(|written| written.orphans), Ok(1));
    let mut forged = (*update.blocks[0].block).clone();
    forged.block.parent_root = tree.blocks[0].at.root;
    update.blocks[0].block = Arc::new(forged);
    let error = store.append(&update).expect_err("another registry");
    assert!(error.0.contains("another registry"), "{error}");
    assert_eq!(store.state(&update.blocks[0].root), Ok(None));
}

fn another_chain_is_refused(fixture: &Fixture) {
    let mut tree = Tree::new(4);
    let head = tree.grow_chain(0, 1);
    let store = fixture.begin(&tree.anchor, small());
    store.append(&tree.update(&[head], head, 0)).expect("writes");
    drop(store);
    let ours = identity(&tree.anchor);
    let others = [
        ("fork digest", ChainIdentity { network: "other".into(), ..ours.clone() }),
        ("genesis time", ChainIdentity { genesis_time: 7, ..ours.clone() }),
        (
            "validators' root",
            ChainIdentity { validators_root: Root::repeat_byte(7), ..ours.clone() },
        ),
        ("preset", ChainIdentity { preset: SignaturePreset::Short, ..ours }),
    ];
    for (field, other) in others {
        let text = match fixture {
            Fixture::Disk(folder) => {
                let config = quintet_plugins::storage::RocksDbConfig {
                    path: folder.path().join("db"),
                    retention: small(),
                };
                Store::open(&config, &other).expect_err("another chain").to_string()
            }
            Fixture::Memory(backend) => {
                Store::new(Arc::clone(backend), "memory", &other, small())
                    .expect_err("another chain")
                    .0
            }
        };
        assert!(text.contains("another chain") && text.contains("another directory"), "{text}");
        // The field that differs, and no other.
        let named = ["fork digest", "genesis time", "validators' root", "preset"];
        let told: Vec<_> = named.into_iter().filter(|name| text.contains(name)).collect();
        assert_eq!(told, [field], "{text}");
        assert!(!text.contains('{'), "a sentence and no structure: {text}");
    }
    fixture.open(&tree.anchor, small());
}

fn signatures_are_found_listed_replaced_and_pruned(fixture: &Fixture) {
    let tree = Tree::new(4);
    let store = fixture.begin(&tree.anchor, small());
    let (one, two) = (PublicKey::repeat_byte(1), PublicKey::repeat_byte(2));
    let entry = |public_key, slot, message: u8| SigningEntry {
        public_key,
        slot,
        message: Root::repeat_byte(message),
        signature: None,
    };
    let entries = [entry(one, 5, 1), entry(one, 256, 2), entry(two, 5, 3), entry(two, 7, 4)];
    store.write(&entries).expect("writes");
    assert_eq!(store.find(&one, 5), Ok(Some(entries[0].clone())));
    assert_eq!(store.find(&one, 6), Ok(None));
    let signed = SigningEntry {
        signature: Some(Signature::placeholder(SignaturePreset::Test)),
        ..entries[0].clone()
    };
    store.write(std::slice::from_ref(&signed)).expect("writes");
    drop(store);

    let store = fixture.open(&tree.anchor, small());
    assert_eq!(store.find(&one, 5), Ok(Some(signed.clone())));
    let all = [signed, entries[1].clone(), entries[2].clone(), entries[3].clone()];
    assert_eq!(store.after(None, 10).as_deref(), Ok(&all[..]));
    assert_eq!(store.after(None, 2).as_deref(), Ok(&all[..2]));
    assert_eq!(store.after(Some((&one, 256)), 10).as_deref(), Ok(&all[2..]));
    assert_eq!(store.after(Some((&one, 6)), 1).as_deref(), Ok(&all[1..2]));
    store.prune(&one, 256).expect("prunes");
    assert_eq!(store.after(None, 10).as_deref(), Ok(&all[1..]));
    store.prune(&two, u64::MAX).expect("prunes");
    assert_eq!(store.after(None, 10).as_deref(), Ok(&all[1..2]));
}
