//! The canonical chain by slot.

use std::sync::{Arc, PoisonError};

use quintet_components::{
    containers::{Block, Checkpoint, Root, Slot, State},
    storage::{ChainSource, StorageError},
};

use super::{backend::Column, store::Store};

/// The root of the block at a slot on the head's chain.
pub(super) fn root_at(head: Checkpoint, state: &State, slot: Slot) -> Option<Root> {
    if slot == head.slot {
        return Some(head.root);
    }
    // A slot without a block has the zero root.
    state.historical_block_hashes.get(slot).copied().filter(|root| *root != Root::ZERO)
}

impl Store {
    /// Caches the head and its state, so that it need not be rebuilt.
    pub(super) fn know_head(&self, head: Checkpoint, state: &Arc<State>) {
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some((head, Arc::clone(state)));
    }

    /// The stored head with its post-state; `None` if the store was not started.
    fn head_state(&self) -> Result<Option<(Checkpoint, Arc<State>)>, StorageError> {
        let Some(facts) = self.facts()? else { return Ok(None) };
        let head = facts.head;
        let known = self.head.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, state)) = known.filter(|(known, _)| *known == head) {
            return Ok(Some((head, state)));
        }
        let stored = self
            .stored_state(head)?
            .ok_or_else(|| self.damaged(Column::StateDiffs, "the head has no post-state"))?;
        self.know_head(head, &stored.state);
        Ok(Some((head, stored.state)))
    }
}

impl ChainSource for Store {
    fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, StorageError> {
        Ok(self.head_state()?.and_then(|(head, state)| root_at(head, &state, slot)))
    }

    fn block(&self, root: &Root) -> Result<Option<Block>, StorageError> {
        let Some(slot) = self.slot_of(root)? else { return Ok(None) };
        self.block_at(Checkpoint { root: *root, slot })
    }
}
