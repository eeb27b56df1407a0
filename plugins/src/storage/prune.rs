//! Deletes blocks and states behind the window, but nothing that a kept item needs.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use quintet_components::{
    containers::{Checkpoint, Slot, State},
    storage::StorageError,
};

use super::{
    backend::{Batch, Column, Durability, try_scan},
    records::{Floors, encode, names, parse_slot_key, slot_key, slot_start},
    state_records::{HistoryLink, StateDiff},
    states::history_key,
    store::Store,
};

/// The number of slots whose blocks one step examines.
pub const PRUNE_STEP_SLOTS: u64 = 256;
/// A step waits until the window has moved by this part of its length, so that its work is done
/// once in many slots.
const PRUNE_WAIT_PART: u64 = 16;

/// The canonical chain behind the finalized block.
struct Canonical {
    finalized: Checkpoint,
    state: Arc<State>,
}

impl Canonical {
    fn has(&self, block: Checkpoint) -> bool {
        block == self.finalized
            || self.state.historical_block_hashes.get(block.slot) == Some(&block.root)
    }
}

impl Store {
    /// Examines the next blocks behind the window, and deletes those that may go, with their
    /// states. Returns true if there is more to do.
    ///
    /// Everything from the window's first slot on stays, including forks. Of what is before it, the
    /// states from which a kept one is rebuilt stay, and in archive mode the canonical chain.
    ///
    /// # Errors
    /// [`StorageError`]; nothing was deleted then.
    pub fn prune_step(&self) -> Result<bool, StorageError> {
        let Some(facts) = self.lock_writer().facts else { return Ok(false) };
        let window = if self.backend.is_crowded() { 0 } else { self.retention.window_slots };
        let target = facts.finalized.slot.saturating_sub(window);
        let floors: Floors = self.read(Column::Metadata, names::FLOORS)?.unwrap_or_default();
        if target < floors.blocks.saturating_add((window / PRUNE_WAIT_PART).max(1)) {
            return Ok(false);
        }
        let cut = target.min(floors.blocks.saturating_add(PRUNE_STEP_SLOTS));
        let cached = self.lock_writer().find(&facts.finalized.root).cloned();
        let finalized = match cached {
            Some(stored) => stored,
            None => self.stored_state(facts.finalized)?.ok_or_else(|| {
                self.damaged(Column::StateDiffs, "the finalized block's state is missing")
            })?,
        };
        let canonical = Canonical { finalized: facts.finalized, state: finalized.state };

        let mut boundary = Vec::new();
        self.scan_headers(cut, None, |block, record| {
            if record.parent().is_some_and(|parent| parent.slot < cut) {
                boundary.push(block);
            }
        })?;
        let needed = self.needed_states(&boundary, cut)?;

        let mut batch = Batch::default();
        let keep = |block: Checkpoint| self.retention.archive && canonical.has(block);
        self.scan_headers(floors.blocks, Some(cut), |block, _| {
            if !keep(block) {
                let key = slot_key(block);
                for column in [Column::Headers, Column::Bodies, Column::Proofs] {
                    batch.delete(column, key.clone());
                }
                batch.delete(Column::Slots, block.root.as_slice());
            }
        })?;
        let mut states_floor = cut;
        for column in [Column::States, Column::StateDiffs] {
            let (from, to) = (slot_start(floors.states), slot_start(cut));
            try_scan(&*self.backend, column, &from, Some(&to), |key, _| {
                let block = parse_slot_key(key).map_err(|detail| self.damaged(column, &detail))?;
                if needed.contains(&(block.slot, block.root)) {
                    states_floor = states_floor.min(block.slot);
                } else if !keep(block) {
                    batch.delete(column, key);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let chunk = self.retention.history_chunk_roots as u64;
        let ends_chunk = cut / chunk > floors.blocks / chunk;
        if ends_chunk && boundary.iter().all(|block| canonical.has(*block)) {
            // Every kept state has the canonical history from before the cut.
            self.drop_chunks(&mut batch, finalized.link, cut)?;
        }
        let floors = Floors { blocks: cut, states: states_floor };
        batch.put(Column::Metadata, names::FLOORS, encode(&floors));
        self.backend.write(&batch, Durability::Process)?;
        Ok(cut < target)
    }

    /// The states before the cut from which the states of these blocks are rebuilt.
    fn needed_states(
        &self,
        boundary: &[Checkpoint],
        cut: Slot,
    ) -> Result<BTreeSet<(Slot, quintet_components::containers::Root)>, StorageError> {
        let mut needed = BTreeSet::new();
        for block in boundary {
            let mut at = *block;
            while let Some(diff) = self.read::<StateDiff>(Column::StateDiffs, &slot_key(at))? {
                at = diff.base;
                if at.slot < cut && !needed.insert((at.slot, at.root)) {
                    break;
                }
            }
        }
        Ok(needed)
    }

    /// Deletes the chunks that end before the cut and are not in the chain that ends in `link`.
    fn drop_chunks(
        &self,
        batch: &mut Batch,
        link: HistoryLink,
        cut: Slot,
    ) -> Result<(), StorageError> {
        let mut kept = BTreeSet::new();
        let mut at = link;
        while at.count > 0 {
            kept.insert(history_key(at));
            at = self.chunk(at)?.previous;
        }
        self.backend.scan(Column::History, &[], Some(&slot_start(cut)), &mut |key, _| {
            if !kept.contains(key) {
                batch.delete(Column::History, key);
            }
            ControlFlow::Continue(())
        })
    }
}
