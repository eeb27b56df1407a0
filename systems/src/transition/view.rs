//! The justified blocks of a chain, as a new block on it sees them.

use quintet_components::{
    containers::{AttestationData, Checkpoint, JustifiedSlots, Root, RootList, Slot, State},
    rejection::Rejection,
};

use crate::transition::{
    extended_history, is_justifiable_after, is_slot_justified, justified_index_after, lies_on_chain,
};

/// The justified blocks of a chain as attestations are added. Block building and aggregation use it
/// to evaluate attestations.
#[derive(Clone, Debug)]
pub struct ChainView {
    justified: Checkpoint,
    pub(crate) finalized_slot: Slot,
    justified_slots: JustifiedSlots,
    history: RootList,
}

impl ChainView {
    /// The view of a block at `slot` on this parent, before its attestations.
    ///
    /// # Errors
    /// `HISTORY_LIMIT_EXCEEDED` and other errors of the header's transition.
    pub fn of(parent: &State, parent_root: Root, slot: Slot) -> Result<Self, Rejection> {
        let genesis = parent.latest_block_header.slot == 0;
        let finalized_slot = parent.latest_finalized.slot;
        let mut justified_slots = parent.justified_slots.clone();
        let history = extended_history(parent, parent_root, slot)?;
        if let Some(index) = justified_index_after(slot.saturating_sub(1), finalized_slot) {
            justified_slots.extend_to(index + 1).expect("the history was checked");
        }
        Ok(Self {
            // The first block justifies genesis.
            justified: if genesis {
                Checkpoint { root: parent_root, slot: 0 }
            } else {
                parent.latest_justified
            },
            finalized_slot,
            justified_slots,
            history,
        })
    }

    /// Returns true if a block on this chain gains from an attestation.
    ///
    /// # Errors
    /// `JUSTIFIED_SLOT_OUT_OF_RANGE`.
    pub fn wants(&self, data: &AttestationData) -> Result<bool, Rejection> {
        // An attestation with genesis as source and target justifies nothing, but adds weight for
        // the head.
        let is_genesis_for_genesis = data.source.slot == 0 && data.target.slot == 0;
        Ok(data.source.slot == self.justified.slot
            && lies_on_chain(data, &self.history)
            && self.is_justified(data.source.slot)?
            && (is_genesis_for_genesis || !self.is_justified(data.target.slot)?))
    }

    /// Returns true if the slot is justified.
    ///
    /// # Errors
    /// `JUSTIFIED_SLOT_OUT_OF_RANGE`.
    pub fn is_justified(&self, slot: Slot) -> Result<bool, Rejection> {
        is_slot_justified(&self.justified_slots, self.finalized_slot, slot)
    }

    /// Returns true if the transition counts the attestation's voters for its target.
    ///
    /// # Errors
    /// `JUSTIFIED_SLOT_OUT_OF_RANGE`.
    pub fn counts(&self, data: &AttestationData) -> Result<bool, Rejection> {
        let (source, target) = (data.source.slot, data.target.slot);
        Ok(target > source
            && is_justifiable_after(target, self.finalized_slot)
            && lies_on_chain(data, &self.history)
            && self.is_justified(source)?
            && !self.is_justified(target)?)
    }

    /// Returns true if the attestation finalizes its source when it justifies its target: no slot
    /// between them can be justified.
    pub fn would_finalize(&self, data: &AttestationData) -> bool {
        let (source, target) = (data.source.slot, data.target.slot);
        source > self.finalized_slot
            && !(source + 1..target).any(|slot| is_justifiable_after(slot, self.finalized_slot))
    }

    /// Follows the post-state of a trial block. Returns true if its justified or finalized
    /// checkpoint is a different one.
    pub(crate) fn advance(&mut self, post: &State) -> bool {
        let moved = post.latest_justified != self.justified
            || post.latest_finalized.slot != self.finalized_slot;
        self.justified = post.latest_justified;
        self.finalized_slot = post.latest_finalized.slot;
        self.justified_slots = post.justified_slots.clone();
        moved
    }
}
