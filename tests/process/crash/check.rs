//! Compares the database with what the killed process acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use quintet_components::{
    containers::{Root, Slot},
    storage::{BlockSource, SigningRecord, StateSource},
};
use tree_hash::TreeHash;

use crate::crash::node::{self, KEY};

/// The writes that the process has acknowledged so far.
#[derive(Default)]
pub struct Acknowledged {
    pub blocks: BTreeSet<(Slot, Root)>,
    pub signatures: BTreeMap<Slot, Root>,
    head_slot: Slot,
    /// Blocks that the database had last.
    pub kept: usize,
}

impl Acknowledged {
    /// Takes down what a line says; returns how long the process took to be ready, if it says
    /// that.
    pub fn hear(&mut self, line: &str) -> Option<Duration> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["ready", ms] => return Some(Duration::from_millis(ms.parse().ok()?)),
            ["block", slot, root, "."] => {
                let slot = slot.parse().expect("a slot");
                self.blocks.insert((slot, root.parse().expect("a root")));
            }
            ["head", slot, "."] => self.head_slot = slot.parse().expect("a slot"),
            ["signed", slot, message, "."] => {
                let (slot, message) =
                    (slot.parse().expect("a slot"), message.parse().expect("a root"));
                let before = self.signatures.insert(slot, message);
                assert!(
                    before.is_none_or(|before| before == message),
                    "slot {slot} was signed twice: {before:?} and {message}"
                );
            }
            _ => {}
        }
        None
    }

    /// Nothing acknowledged is missing, and what is there fits together.
    pub fn check(&mut self, path: &Path) {
        let store = node::open(path);
        let Some(data) = store.resume().expect("the database is consistent") else {
            assert!(self.blocks.is_empty(), "everything is gone");
            return;
        };
        let facts = data.facts;
        self.kept = data.blocks.len();
        assert!(facts.head.slot >= self.head_slot, "the head went back from {}", self.head_slot);
        let oldest = facts.finalized.slot.saturating_sub(node::retention(path).window_slots);
        for (slot, root) in self.blocks.iter().filter(|(slot, _)| *slot >= oldest) {
            let block = store.signed_block(root).expect("reads");
            let block = block.unwrap_or_else(|| panic!("block {root} at slot {slot} is lost"));
            assert_eq!(block.block.tree_hash_root(), *root);
        }
        // The newest are where a kill could have left something half done.
        for block in data.blocks.iter().rev().take(200) {
            let state = store.state(&block.root).expect("reads").expect("a block has its state");
            assert_eq!(state.tree_hash_root(), block.state_root);
        }
        for (slot, message) in &self.signatures {
            let entry = store.find(&KEY, *slot).expect("reads");
            assert_eq!(entry.map(|entry| entry.message), Some(*message), "slot {slot}");
        }
    }
}
