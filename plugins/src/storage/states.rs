//! Post-states, rebuilt from a snapshot and the diffs after it.

use std::sync::{Arc, PoisonError};

use quintet_components::{
    containers::{Checkpoint, Root, RootList, State},
    storage::{StateSource, StorageError},
};
use tree_hash::TreeHash;

use super::{
    backend::Column,
    records::{HeaderRecord, names, slot_key},
    state_records::{Frame, HistoryChunk, HistoryLink, Snapshot, StateDiff, StoredState},
    store::Store,
};

/// The number of histories that are cached: a full one has 256 chunks, and forks have few of their
/// own.
const MAX_HISTORIES: usize = 512;
/// A longer chain of diffs is damaged: no release makes one.
const MAX_DEPTH: usize = 4096;

impl Store {
    /// Configuration and registry.
    pub(super) fn frame(&self) -> Result<Arc<Frame>, StorageError> {
        if let Some(frame) = self.frame.get() {
            return Ok(Arc::clone(frame));
        }
        let frame: Frame = self
            .read(Column::Metadata, names::FRAME)?
            .ok_or_else(|| self.damaged(Column::Metadata, "no registry"))?;
        Ok(Arc::clone(self.frame.get_or_init(|| Arc::new(frame))))
    }

    /// Caches the registry of a state, with its hashes.
    pub(super) fn know_frame(&self, frame: Frame) {
        self.frame.get_or_init(|| Arc::new(frame));
    }

    /// The roots in the chunks that end in `link`. Lists that were read before are cached. They
    /// share common parts, so that all of them together take the room of the longest.
    fn history_up_to(&self, link: HistoryLink) -> Result<RootList, StorageError> {
        let lock = || self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Vec::new();
        let mut at = link;
        let mut history = loop {
            if at.count == 0 {
                break RootList::default();
            }
            if let Some(known) = lock().get(&at) {
                break known.clone();
            }
            let chunk = self.chunk(at)?;
            missing.push((at, chunk.roots));
            at = chunk.previous;
        };
        for (link, roots) in missing.into_iter().rev() {
            history.extend(roots.into_iter()).map_err(|count| {
                self.damaged(Column::History, &format!("a history of {count} roots"))
            })?;
            self.remember_history(link, &history);
        }
        Ok(history)
    }

    fn remember_history(&self, link: HistoryLink, history: &RootList) {
        // The hashes are cached with the list.
        let _: Root = history.tree_hash_root();
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        if histories.len() >= MAX_HISTORIES {
            histories.clear();
        }
        histories.insert(link, history.clone());
    }

    /// Caches the history up to a new chunk if the previous one is cached. Otherwise the first
    /// request for an old state in an archive would be slower than the others.
    pub(super) fn extend_history(&self, chunk: &HistoryChunk) {
        let previous = match chunk.previous.count {
            0 => Some(RootList::default()),
            _ => {
                let histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
                histories.get(&chunk.previous).cloned()
            }
        };
        if let Some(mut history) = previous
            && history.extend(chunk.roots.iter().copied()).is_ok()
        {
            self.remember_history(chunk.link(), &history);
        }
    }

    pub(super) fn chunk(&self, link: HistoryLink) -> Result<HistoryChunk, StorageError> {
        let chunk: HistoryChunk = self
            .read(Column::History, &history_key(link))?
            .ok_or_else(|| self.damaged(Column::History, "a chunk is missing"))?;
        if chunk.roots.is_empty()
            || chunk.previous.count.checked_add(chunk.roots.len() as u64) != Some(link.count)
        {
            return Err(self.damaged(Column::History, "a chunk of another length"));
        }
        Ok(chunk)
    }

    /// The post-state of a stored block, verified against the block's state root, and the states
    /// from which it was rebuilt: the newest snapshot and those after it, oldest first.
    pub(super) fn states_up_to(
        &self,
        block: Checkpoint,
    ) -> Result<Vec<(Checkpoint, StoredState)>, StorageError> {
        let rebuilt = self.rebuild(block);
        // Data that was pruned between two reads is absent and not damaged: the block's own state
        // is deleted together with or before the data from which it is rebuilt.
        if rebuilt.is_err() && !self.has_state(block)? { Ok(Vec::new()) } else { rebuilt }
    }

    fn has_state(&self, block: Checkpoint) -> Result<bool, StorageError> {
        let key = slot_key(block);
        Ok(self.backend.get(Column::StateDiffs, &key)?.is_some()
            || self.backend.get(Column::States, &key)?.is_some())
    }

    fn rebuild(&self, block: Checkpoint) -> Result<Vec<(Checkpoint, StoredState)>, StorageError> {
        let mut diffs: Vec<(Checkpoint, StateDiff)> = Vec::new();
        let mut at = block;
        let snapshot: Snapshot = loop {
            if let Some(snapshot) = self.read(Column::States, &slot_key(at))? {
                break snapshot;
            }
            let Some(diff) = self.read::<StateDiff>(Column::StateDiffs, &slot_key(at))? else {
                if diffs.is_empty() {
                    return Ok(Vec::new());
                }
                return Err(self.damaged(Column::StateDiffs, "the base of a diff is missing"));
            };
            let base = diff.base;
            diffs.push((at, diff));
            at = base;
            if diffs.len() > MAX_DEPTH {
                return Err(self.damaged(Column::StateDiffs, "a chain of diffs without an end"));
            }
        };
        let link = snapshot.link;
        let state = snapshot
            .state(&*self.frame()?, self.history_up_to(link)?)
            .map_err(|detail| self.damaged(Column::States, &detail))?;
        let mut states = vec![(at, StoredState { state: Arc::new(state), depth: 0, link })];
        for (block, diff) in diffs.into_iter().rev() {
            let (depth, link) = (diff.depth, diff.link);
            let (_, base) = states.last().expect("there is a snapshot");
            let state = diff
                .apply(&base.state)
                .map_err(|detail| self.damaged(Column::StateDiffs, &detail))?;
            states.push((block, StoredState { state: Arc::new(state), depth, link }));
        }
        let (_, last) = states.last().expect("there is a snapshot");
        if let Some(record) = self.read::<HeaderRecord>(Column::Headers, &slot_key(block))?
            && last.state.tree_hash_root() != record.header.state_root
        {
            return Err(self.damaged(Column::StateDiffs, "a rebuilt state has another root"));
        }
        Ok(states)
    }

    /// The post-state of a stored block.
    pub(super) fn stored_state(
        &self,
        block: Checkpoint,
    ) -> Result<Option<StoredState>, StorageError> {
        Ok(self.states_up_to(block)?.pop().map(|(_, stored)| stored))
    }
}

/// A chunk's key: the slot of its end, then its hash.
pub(super) fn history_key(link: HistoryLink) -> Vec<u8> {
    slot_key(Checkpoint { slot: link.count, root: link.hash })
}

impl StateSource for Store {
    fn state(&self, root: &Root) -> Result<Option<Arc<State>>, StorageError> {
        let Some(slot) = self.slot_of(root)? else { return Ok(None) };
        Ok(self.stored_state(Checkpoint { root: *root, slot })?.map(|stored| stored.state))
    }
}
