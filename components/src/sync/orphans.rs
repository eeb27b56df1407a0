//! Blocks whose parent is not known yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use bevy_ecs::prelude::Resource;
use ssz::Encode;

use super::limits::{MAX_ORPHAN_BYTES, MAX_ORPHANS, MAX_REFUSED_ROOTS};
use crate::{
    containers::{Root, Slot},
    messages::{BlockReceived, IgnoreReason, InputId, InputJudged, Verdict},
    rejection::{Rejection, RejectionReason},
};

/// Which slots are worth holding blocks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrphanWindow {
    /// The finalized slot: a block must be after it.
    pub finalized_slot: Slot,
    /// The head's slot: the farther a block is from it, the sooner it goes.
    pub head_slot: Slot,
    /// The newest slot that a block may be of.
    pub newest_slot: Slot,
}

impl Default for OrphanWindow {
    /// Every slot after genesis, until somebody has looked at the chain.
    fn default() -> Self {
        Self { finalized_slot: 0, head_slot: 0, newest_slot: Slot::MAX }
    }
}

impl OrphanWindow {
    const fn covers(&self, slot: Slot) -> bool {
        self.finalized_slot < slot && slot <= self.newest_slot
    }

    const fn distance(&self, slot: Slot) -> u64 {
        self.head_slot.abs_diff(slot)
    }
}

/// A block that held blocks need and that is not held itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingParent {
    /// Its root.
    pub root: Root,
    /// The lowest slot of its held children.
    pub child_slot: Slot,
    /// How many held blocks stand on it one upon the other.
    pub depth: usize,
}

#[derive(Debug)]
struct Held {
    received: BlockReceived,
    bytes: usize,
}

/// The orphan pool: blocks held until their parent is imported. While it is in the world, block
/// admission puts blocks here that it would refuse for an unknown parent.
#[derive(Resource, Debug, Default)]
pub struct Orphans {
    held: BTreeMap<Root, Held>,
    by_parent: BTreeMap<Root, BTreeSet<Root>>,
    /// Farthest last; the root settles ties.
    by_slot: BTreeSet<(Slot, Root)>,
    bytes: usize,
    window: OrphanWindow,
    refused: HashMap<Root, ()>,
    refused_order: VecDeque<Root>,
    newly_refused: Vec<Root>,
    dropped: u64,
    held_ever: u64,
}

impl Orphans {
    /// Holds a block. Returns what is judged because of it: the block itself when it is not worth
    /// holding, others that had to make room.
    pub fn hold(&mut self, received: BlockReceived) -> Vec<InputJudged> {
        let BlockReceived { id, root, .. } = received;
        let (slot, parent) = (received.block.block.slot, received.block.block.parent_root);
        if self.refused.contains_key(&parent) {
            self.note_refused(root, true);
            return vec![InputJudged { id, verdict: Verdict::Rejected(refused_parent(parent)) }];
        }
        if self.held.contains_key(&root) {
            return vec![ignored(id, IgnoreReason::KnownBlock)];
        }
        if !self.window.covers(slot) {
            self.dropped += 1;
            return vec![ignored(id, IgnoreReason::FarFromHead)];
        }
        self.held_ever += 1;
        let bytes = received.block.ssz_bytes_len();
        self.by_parent.entry(parent).or_default().insert(root);
        self.by_slot.insert((slot, root));
        self.held.insert(root, Held { received, bytes });
        self.bytes += bytes;
        self.shrink()
    }

    /// Moves the window. Returns the blocks that finality has passed.
    pub fn set_window(&mut self, window: OrphanWindow) -> Vec<InputJudged> {
        if window == self.window {
            return Vec::new();
        }
        self.window = window;
        let mut judged = Vec::new();
        let passed = |(slot, _): &(Slot, Root)| *slot <= window.finalized_slot;
        while let Some((_, root)) = self.by_slot.first().copied().filter(passed) {
            judged.extend(self.drop_one(&root, IgnoreReason::FarFromHead));
        }
        judged
    }

    fn shrink(&mut self) -> Vec<InputJudged> {
        let mut judged = Vec::new();
        while self.held.len() > MAX_ORPHANS || self.bytes > MAX_ORPHAN_BYTES {
            let ends = [self.by_slot.first(), self.by_slot.last()].into_iter().flatten();
            let farthest = ends.max_by_key(|(slot, _)| self.window.distance(*slot)).copied();
            let Some((_, root)) = farthest else { break };
            judged.extend(self.drop_one(&root, IgnoreReason::NoRoom));
        }
        judged
    }

    fn drop_one(&mut self, root: &Root, why: IgnoreReason) -> Option<InputJudged> {
        let received = self.take(root)?;
        self.dropped += 1;
        Some(ignored(received.id, why))
    }

    fn take(&mut self, root: &Root) -> Option<BlockReceived> {
        let Held { received, bytes } = self.held.remove(root)?;
        self.bytes -= bytes;
        self.by_slot.remove(&(received.block.block.slot, *root));
        let parent = received.block.block.parent_root;
        if let Some(children) = self.by_parent.get_mut(&parent) {
            children.remove(root);
            if children.is_empty() {
                self.by_parent.remove(&parent);
            }
        }
        Some(received)
    }

    /// Takes the blocks whose parent this is, ascending by root.
    pub fn release(&mut self, parent: &Root) -> Vec<BlockReceived> {
        let children = self.by_parent.get(parent).cloned().unwrap_or_default();
        children.iter().filter_map(|root| self.take(root)).collect()
    }

    /// Drops everything that needs this block, which cannot be had.
    pub fn give_up(&mut self, root: &Root) -> Vec<InputJudged> {
        let gone = self.release_descendants(root);
        self.dropped += gone.len() as u64;
        gone.into_iter().map(|each| ignored(each.id, IgnoreReason::ParentUnavailable)).collect()
    }

    fn release_descendants(&mut self, root: &Root) -> Vec<BlockReceived> {
        let mut gone = self.release(root);
        let mut next = 0;
        while next < gone.len() {
            let children = self.release(&gone[next].root);
            gone.extend(children);
            next += 1;
        }
        gone
    }

    /// Notes that a block was refused. `for_good` when its root alone says why: a block whose
    /// proof is wrong may still come with the right one.
    pub fn note_refused(&mut self, root: Root, for_good: bool) {
        if !for_good || self.refused.insert(root, ()).is_some() {
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

    /// Refuses the held descendants of blocks refused since the last call.
    pub fn refuse_descendants(&mut self) -> Vec<InputJudged> {
        let mut judged = Vec::new();
        for root in std::mem::take(&mut self.newly_refused) {
            for BlockReceived { id, block, .. } in self.release_descendants(&root) {
                let verdict = Verdict::Rejected(refused_parent(block.block.parent_root));
                judged.push(InputJudged { id, verdict });
            }
        }
        judged
    }

    /// What is missing, ascending by root.
    pub fn missing(&self) -> Vec<MissingParent> {
        let roots = self.by_parent.keys().filter(|parent| !self.held.contains_key(*parent));
        roots.map(|root| self.missing_parent(*root)).collect()
    }

    fn missing_parent(&self, root: Root) -> MissingParent {
        let mut level: Vec<Root> = vec![root];
        let (mut depth, mut child_slot) = (0, Slot::MAX);
        loop {
            let children = level.iter().filter_map(|parent| self.by_parent.get(parent)).flatten();
            level = children.copied().collect();
            if level.is_empty() {
                return MissingParent { root, child_slot, depth };
            }
            if depth == 0 {
                let slots = level.iter().map(|child| self.held[child].received.block.block.slot);
                child_slot = slots.min().unwrap_or(Slot::MAX);
            }
            depth += 1;
        }
    }

    /// Whether this block is held.
    pub fn contains(&self, root: &Root) -> bool {
        self.held.contains_key(root)
    }

    /// How many blocks are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes of the held blocks.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many blocks were held, and how many of them or beside them dropped, ever.
    pub const fn counts(&self) -> (u64, u64) {
        (self.held_ever, self.dropped)
    }
}

const fn ignored(id: InputId, why: IgnoreReason) -> InputJudged {
    InputJudged { id, verdict: Verdict::Ignored(why) }
}

fn refused_parent(parent: Root) -> Rejection {
    RejectionReason::UnknownParentBlock.because(format!("its ancestor {parent} was refused"))
}
