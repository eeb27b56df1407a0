//! Starts a store, starts it anew from a checkpoint, and fills it backwards from there.

use std::{ops::ControlFlow, sync::Arc};

use quintet_components::{
    containers::{Block, Checkpoint, ProofBytes, Root, SignedBlock, Slot, State},
    storage::{ForkChoiceFacts, StorageError, StoredHistory},
};
use tree_hash::TreeHash;

use super::{
    append::put_block,
    backend::{Batch, Column, Durability, try_scan},
    records::{
        FactsRecord, Floors, HistoryRecord, encode, names, parse_slot_key, slot_key, slot_start,
    },
    state_records::{Frame, HistoryLink, Snapshot, StoredState},
    store::Store,
};

impl Store {
    /// Starts the store with a trusted block and its post-state, on which everything later builds.
    /// It is synced. A store that was started before is not changed.
    ///
    /// # Errors
    /// [`StorageError`]; nothing was written then.
    pub fn begin(&self, block: &Block, state: &Arc<State>) -> Result<(), StorageError> {
        if self.facts()?.is_some() {
            return Ok(());
        }
        self.write_anchor(block, None, state)
    }

    /// Starts the store with a checkpoint, whose block has a proof, whether or not it was started
    /// before. Blocks and states from the checkpoint's slot on are deleted; older ones on the
    /// checkpoint's chain stay as history. The signing record does not change.
    ///
    /// # Errors
    /// [`StorageError`]; nothing was written then.
    pub fn begin_anew(&self, signed: &SignedBlock, state: &Arc<State>) -> Result<(), StorageError> {
        self.write_anchor(&signed.block, Some(&signed.proof.proof), state)
    }

    fn write_anchor(
        &self,
        block: &Block,
        proof: Option<&ProofBytes>,
        state: &Arc<State>,
    ) -> Result<(), StorageError> {
        let anchor = Checkpoint { root: block.tree_hash_root(), slot: block.slot };
        let mut writer = self.lock_writer();
        let mut batch = Batch::default();
        let frame = Frame { config: state.config, validators: state.validators.clone() };
        let mut history = HistoryRecord { from: anchor.slot, ..HistoryRecord::default() };
        if let Some(before) = self.facts()? {
            // The same chain has the same registry, with which the remaining blocks are read.
            self.check_frame(state, anchor.root)?;
            self.drop_from(&mut batch, anchor.slot)?;
            let known = &state.historical_block_hashes;
            if known.get(before.finalized.slot) == Some(&before.finalized.root) {
                history.island_from = self.history_record()?.from;
                history.island_to = before.finalized;
            }
        } else {
            batch.put(Column::Metadata, names::FRAME, encode(&frame));
        }
        batch.put(Column::Metadata, names::ANCHOR, encode(&anchor));
        batch.put(Column::Metadata, names::HISTORY, encode(&history));
        let facts = ForkChoiceFacts {
            head: anchor,
            safe_target: anchor,
            justified: anchor,
            finalized: anchor,
        };
        batch.put(Column::Metadata, names::FACTS, encode(&FactsRecord::from(facts)));
        batch.delete(Column::Metadata, names::VOTES);
        put_block(&mut batch, anchor, block, proof, state, anchor.slot);
        let link = self.put_chunks(&mut batch, state, HistoryLink::default());
        batch.put(Column::States, slot_key(anchor), encode(&Snapshot::of(state, link)));
        self.backend.write(&batch, Durability::Power)?;
        tracing::info!(slot = anchor.slot, root = %anchor.root, "beginning {}", self.place());
        self.know_frame(frame);
        writer.facts = Some(facts);
        writer.remember(anchor.root, StoredState { state: Arc::clone(state), depth: 0, link });
        self.know_head(anchor, state);
        Ok(())
    }

    /// Deletes blocks and states from this slot on.
    fn drop_from(&self, batch: &mut Batch, slot: Slot) -> Result<(), StorageError> {
        self.scan_headers(slot, None, |block, _| {
            let key = slot_key(block);
            for column in [Column::Headers, Column::Bodies, Column::Proofs] {
                batch.delete(column, key.clone());
            }
            batch.delete(Column::Slots, block.root.as_slice());
        })?;
        for column in [Column::States, Column::StateDiffs] {
            try_scan(&*self.backend, column, &slot_start(slot), None, |key, _| {
                parse_slot_key(key).map_err(|detail| self.damaged(column, &detail))?;
                batch.delete(column, key);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(())
    }

    /// The slot from which on every canonical block is stored, and the slot from which on they
    /// should be.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn history(&self) -> Result<StoredHistory, StorageError> {
        let window = (!self.retention.archive).then_some(self.retention.window_slots);
        Ok(StoredHistory::new(self.history_record()?.from, window))
    }

    fn history_record(&self) -> Result<HistoryRecord, StorageError> {
        if let Some(record) = self.read(Column::Metadata, names::HISTORY)? {
            return Ok(record);
        }
        let from = self.anchor()?.map_or(0, |anchor| anchor.slot);
        Ok(HistoryRecord { from, ..HistoryRecord::default() })
    }

    /// Stores canonical blocks from before the anchor. They have no post-state and are only served
    /// to peers. With them, no block is missing from the slot `from` on, up to what was stored
    /// before. Blocks that pruning has passed are left out. Returns the slot from which on no block
    /// is missing now; it is before `from` if these blocks connect to the chain of an earlier
    /// anchor.
    ///
    /// # Errors
    /// [`StorageError`]; the same blocks may be given again.
    pub fn append_history(
        &self,
        blocks: &[(Root, Arc<SignedBlock>)],
        from: Slot,
    ) -> Result<Slot, StorageError> {
        // The writer may prune at the same time.
        let _writer = self.lock_writer();
        let floors: Floors = self.read(Column::Metadata, names::FLOORS)?.unwrap_or_default();
        let first = if self.retention.archive { 0 } else { floors.blocks };
        let mut batch = Batch::default();
        for (root, signed) in blocks.iter().filter(|(_, signed)| signed.block.slot >= first) {
            let at = Checkpoint { root: *root, slot: signed.block.slot };
            let proof = Some(&signed.proof.proof);
            put_block(&mut batch, at, &signed.block, proof, &State::default(), at.slot);
        }
        let mut history = self.history_record()?;
        history.from = history.from.min(from);
        if history.from <= history.island_to.slot.saturating_add(1) && history.island_to.slot > 0 {
            // Blocks that pruning has deleted are not wanted either.
            history.from = history.from.min(history.island_from.max(first));
        }
        batch.put(Column::Metadata, names::HISTORY, encode(&history));
        self.backend.write(&batch, Durability::Process)?;
        Ok(history.from)
    }
}
