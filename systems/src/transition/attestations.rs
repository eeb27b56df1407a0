//! Attestations: justification and finalization under 3SF-mini.

use std::collections::{HashMap, HashSet};

use quintet_components::{
    constants::MAX_ATTESTATIONS_DATA,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AttestationData, Checkpoint, JustifiedSlots,
        Root, RootList, Slot, State,
    },
    planted::{Planted, is_planted},
    rejection::{Rejection, RejectionReason},
};

use super::{is_justifiable_after, justifications::Justifications, justified_index_after};

/// Returns true if a slot is justified: slots up to the finalized one always are, later ones by
/// their bit.
///
/// # Errors
/// `JUSTIFIED_SLOT_OUT_OF_RANGE` past the tracked window.
pub fn is_slot_justified(
    justified_slots: &JustifiedSlots,
    finalized_slot: Slot,
    slot: Slot,
) -> Result<bool, Rejection> {
    match justified_index_after(slot, finalized_slot) {
        None => Ok(true),
        Some(index) => justified_slots.get(index).ok_or_else(|| {
            RejectionReason::JustifiedSlotOutOfRange.because(format!(
                "slot {slot}: {} slots are tracked after the finalized slot {finalized_slot}",
                justified_slots.len()
            ))
        }),
    }
}

/// Returns true if all three checkpoints of an attestation are on the chain of this history.
pub fn lies_on_chain(data: &AttestationData, history: &RootList) -> bool {
    [data.source, data.target, data.head].iter().all(|checkpoint| {
        checkpoint.root != Root::ZERO && history.get(checkpoint.slot) == Some(&checkpoint.root)
    })
}

/// The parts of a state that attestations change.
struct Ledger<'a> {
    state: &'a State,
    justifications: Justifications<'a>,
    justified_slots: JustifiedSlots,
    justified: Checkpoint,
    finalized: Checkpoint,
}

/// Applies a block's attestations.
///
/// # Errors
/// `TOO_MANY_ATTESTATION_DATA`, `JUSTIFIED_SLOT_OUT_OF_RANGE`, `EMPTY_AGGREGATION_BITS`,
/// `VALIDATOR_INDEX_OUT_OF_RANGE`, `ZERO_HASH_JUSTIFICATION_ROOT`,
/// `JUSTIFICATION_VOTES_LENGTH_MISMATCH`, `MALFORMED_STATE`, `HISTORY_LIMIT_EXCEEDED`; the state is
/// then unchanged.
pub fn process_attestations(
    state: &mut State,
    attestations: &AggregatedAttestations,
) -> Result<(), Rejection> {
    let distinct: HashSet<&AttestationData> =
        attestations.iter().map(|attestation| &attestation.data).collect();
    if distinct.len() > MAX_ATTESTATIONS_DATA {
        return Err(RejectionReason::TooManyAttestationData
            .because(format!("{}, the limit is {MAX_ATTESTATIONS_DATA}", distinct.len())));
    }
    let mut ledger = Ledger {
        justifications: Justifications::of(state)?,
        justified_slots: state.justified_slots.clone(),
        justified: state.latest_justified,
        finalized: state.latest_finalized,
        state,
    };
    for attestation in attestations {
        ledger.apply(attestation)?;
    }
    let Ledger { justifications, justified_slots, justified, finalized, .. } = ledger;
    let (roots, votes) = justifications.finish()?;
    state.justifications_roots = roots;
    state.justifications_validators = votes;
    state.justified_slots = justified_slots;
    state.latest_justified = justified;
    state.latest_finalized = finalized;
    Ok(())
}

impl Ledger<'_> {
    fn apply(&mut self, attestation: &AggregatedAttestation) -> Result<(), Rejection> {
        if !self.counts(&attestation.data)? {
            return Ok(());
        }
        let AttestationData { source, target, .. } = attestation.data;
        let validator_count = self.state.validators.len();
        attestation.aggregation_bits.non_empty_count()?;
        if let Some(highest) = attestation
            .aggregation_bits
            .highest()
            .filter(|highest| *highest >= validator_count as u64)
        {
            return Err(RejectionReason::ValidatorIndexOutOfRange
                .because(format!("{highest} of {validator_count} validators")));
        }
        let votes = self.justifications.vote(target.root, &attestation.aggregation_bits);
        let is_half = is_planted(Planted::HalfIsEnough) && 2 * votes >= validator_count;
        if 3 * votes >= 2 * validator_count || is_half {
            self.justify(source, target);
        }
        Ok(())
    }

    /// Returns true if an attestation has any effect: its source is justified, and its target is
    /// later, on this chain, justifiable and not justified.
    fn counts(&self, data: &AttestationData) -> Result<bool, Rejection> {
        let AttestationData { source, target, .. } = data;
        let finalized_slot = self.finalized.slot;
        Ok(is_slot_justified(&self.justified_slots, finalized_slot, source.slot)?
            && !is_slot_justified(&self.justified_slots, finalized_slot, target.slot)?
            && lies_on_chain(data, &self.state.historical_block_hashes)
            && target.slot > source.slot
            && is_justifiable_after(target.slot, finalized_slot))
    }

    fn justify(&mut self, source: Checkpoint, target: Checkpoint) {
        let finalized_slot = self.finalized.slot;
        // Targets of one block may be justified in any order.
        self.justified = self.justified.advance_to(target);
        let index = justified_index_after(target.slot, finalized_slot)
            .expect("a target that is not justified is after the finalized slot");
        self.justified_slots.set(index);
        self.justifications.remove(target.root);

        let consecutive =
            !(source.slot + 1..target.slot).any(|slot| is_justifiable_after(slot, finalized_slot));
        if source.slot > finalized_slot && consecutive {
            self.finalize(source);
        }
    }

    /// Moves the finalized boundary: the justification window begins after it, and targets at or
    /// before it, or off the chain, are no longer pending.
    fn finalize(&mut self, checkpoint: Checkpoint) {
        let delta = usize::try_from(checkpoint.slot - self.finalized.slot)
            .expect("both slots are within the history");
        self.justified_slots
            .splice(0..delta.min(self.justified_slots.len()), 0)
            .expect("a removal stays within the limit");
        self.finalized = checkpoint;
        let pending = self.justifications.targets();
        if pending.is_empty() {
            return;
        }
        let slots = self.slots_after(self.state.latest_finalized.slot);
        for target in pending {
            // A target that is not on this chain can never be justified on it.
            if slots.get(&target).is_none_or(|slot| *slot <= checkpoint.slot) {
                self.justifications.remove(target);
            }
        }
    }

    fn slots_after(&self, finalized_slot: Slot) -> HashMap<Root, Slot> {
        let first = finalized_slot + 1;
        let start = usize::try_from(first).unwrap_or(usize::MAX);
        let roots = self.state.historical_block_hashes.iter_from(start).copied();
        roots.zip(first..).collect()
    }
}
