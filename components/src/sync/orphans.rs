//! Blocks whose parent is not known yet, and indices over them. The orphan policy decides which
//! blocks are kept and which are dropped: see `sync::orphans` in the systems.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use bevy_ecs::prelude::Resource;
use ssz::Encode;

use super::limits::MAX_REFUSED_ROOTS;
use crate::{
    containers::{Root, Slot},
    messages::{BlockReceived, Source},
};

/// A block that waiting blocks need and that is not waiting itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingParent {
    /// Its root.
    pub root: Root,
    /// The lowest slot of its waiting children.
    pub child_slot: Slot,
    /// The length of the longest chain of waiting blocks that descends from it.
    pub depth: usize,
    /// The sources of the waiting blocks that descend from it, each once, in order.
    pub sources: Vec<Source>,
}

/// One source's share of the waiting blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanShare {
    /// The number of blocks.
    pub blocks: usize,
    /// Their bytes.
    pub bytes: usize,
}

#[derive(Debug)]
struct Held {
    received: BlockReceived,
    bytes: usize,
}

/// The blocks that wait until their parent is imported, and the roots of blocks that were refused.
/// While it is in the world, a block whose parent is unknown is announced as a
/// [`BlockOrphaned`](crate::messages::BlockOrphaned) and not refused.
#[derive(Resource, Debug, Default)]
pub struct Orphans {
    held: BTreeMap<Root, Held>,
    by_parent: BTreeMap<Root, BTreeSet<Root>>,
    /// The share of each source, by slot and root. Every source in it has at least one block.
    by_source: BTreeMap<Source, (OrphanShare, BTreeSet<(Slot, Root)>)>,
    bytes: usize,
    refused: HashSet<Root>,
    refused_order: VecDeque<Root>,
    newly_refused: Vec<Root>,
}

impl Orphans {
    /// Adds a block that is not in it.
    pub fn insert(&mut self, received: BlockReceived) {
        let (root, block) = (received.root, &received.block.block);
        debug_assert!(!self.held.contains_key(&root), "{root} is held already");
        let bytes = received.block.ssz_bytes_len();
        self.by_parent.entry(block.parent_root).or_default().insert(root);
        let (share, blocks) = self.by_source.entry(received.source.clone()).or_default();
        share.blocks += 1;
        share.bytes += bytes;
        blocks.insert((block.slot, root));
        self.bytes += bytes;
        self.held.insert(root, Held { received, bytes });
    }

    /// Takes a waiting block.
    pub fn remove(&mut self, root: &Root) -> Option<BlockReceived> {
        let Held { received, bytes } = self.held.remove(root)?;
        let block = &received.block.block;
        self.bytes -= bytes;
        if let Some((share, blocks)) = self.by_source.get_mut(&received.source) {
            share.blocks -= 1;
            share.bytes -= bytes;
            blocks.remove(&(block.slot, *root));
            if blocks.is_empty() {
                self.by_source.remove(&received.source);
            }
        }
        if let Some(children) = self.by_parent.get_mut(&block.parent_root) {
            children.remove(root);
            if children.is_empty() {
                self.by_parent.remove(&block.parent_root);
            }
        }
        Some(received)
    }

    /// Takes the children of this block, ascending by root.
    pub fn release(&mut self, parent: &Root) -> Vec<BlockReceived> {
        let children = self.by_parent.get(parent).cloned().unwrap_or_default();
        children.iter().filter_map(|root| self.remove(root)).collect()
    }

    /// Takes all descendants of this block, parents before children.
    pub fn release_descendants(&mut self, root: &Root) -> Vec<BlockReceived> {
        let mut gone = self.release(root);
        let mut next = 0;
        while next < gone.len() {
            let children = self.release(&gone[next].root);
            gone.extend(children);
            next += 1;
        }
        gone
    }

    /// Notes that a block was refused for a reason that holds for every block with this root.
    pub fn note_refused(&mut self, root: Root) {
        if !self.refused.insert(root) {
            return;
        }
        self.newly_refused.push(root);
        self.refused_order.push_back(root);
        if self.refused_order.len() > MAX_REFUSED_ROOTS
            && let Some(oldest) = self.refused_order.pop_front()
        {
            self.refused.remove(&oldest);
        }
    }

    /// Returns true if a block with this root was refused for good and is still remembered.
    pub fn is_refused(&self, root: &Root) -> bool {
        self.refused.contains(root)
    }

    /// Returns true if a root was refused since [`Self::take_newly_refused`].
    pub fn has_newly_refused(&self) -> bool {
        !self.newly_refused.is_empty()
    }

    /// Takes the roots refused since the last call, in order.
    pub fn take_newly_refused(&mut self) -> Vec<Root> {
        std::mem::take(&mut self.newly_refused)
    }

    /// The missing parents, ascending by root.
    pub fn missing(&self) -> Vec<MissingParent> {
        let roots = self.by_parent.keys().filter(|parent| !self.held.contains_key(*parent));
        roots.map(|root| self.missing_parent(*root)).collect()
    }

    fn missing_parent(&self, root: Root) -> MissingParent {
        let mut level: Vec<Root> = vec![root];
        let (mut depth, mut child_slot) = (0, Slot::MAX);
        let mut sources = BTreeSet::new();
        loop {
            let children = level.iter().filter_map(|parent| self.by_parent.get(parent)).flatten();
            level = children.copied().collect();
            if level.is_empty() {
                let sources = sources.into_iter().cloned().collect();
                return MissingParent { root, child_slot, depth, sources };
            }
            for received in level.iter().map(|child| &self.held[child].received) {
                sources.insert(&received.source);
                if depth == 0 {
                    child_slot = child_slot.min(received.block.block.slot);
                }
            }
            depth += 1;
        }
    }

    /// The root that is missing for this block. It is the block's own root if the block is not
    /// waiting, else that of its first ancestor that is not waiting.
    pub fn missing_below(&self, root: &Root) -> Root {
        let mut root = *root;
        while let Some(held) = self.held.get(&root) {
            root = held.received.block.block.parent_root;
        }
        root
    }

    /// The share of each source, by source.
    pub fn shares(&self) -> impl Iterator<Item = (&Source, OrphanShare)> {
        self.by_source.iter().map(|(source, (share, _))| (source, *share))
    }

    /// The lowest and the highest block of a source, by slot and root.
    pub fn ends_of(&self, source: &Source) -> Option<[(Slot, Root); 2]> {
        let (_, blocks) = self.by_source.get(source)?;
        Some([*blocks.first()?, *blocks.last()?])
    }

    /// The waiting blocks at or before a slot, ascending by root.
    pub fn up_to(&self, slot: Slot) -> Vec<Root> {
        let is_old = |held: &Held| held.received.block.block.slot <= slot;
        self.held.iter().filter(|(_, held)| is_old(held)).map(|(root, _)| *root).collect()
    }

    /// Returns true if this block is waiting.
    pub fn contains(&self, root: &Root) -> bool {
        self.held.contains_key(root)
    }

    /// The number of waiting blocks.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns true if no block is waiting.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The total size of the waiting blocks in bytes.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}
