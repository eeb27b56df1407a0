//! Remembers recent valid attestations, in order to ignore repetitions. A validator may sign the
//! same attestation many times with different signatures: only the first is new. A validator that
//! signs different attestations for a slot has two places.

use std::collections::{BTreeMap, HashMap};

use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{AttestationData, SignedAttestation, Slot, ValidatorIndex},
    messages::IgnoreReason,
};

/// The number of slots whose attestations are remembered, counted back from the newest slot with an
/// attestation.
pub const SEEN_SLOTS: u64 = 4;
/// The largest number of remembered attestations. One more is not remembered, and counts as new
/// when it arrives again.
pub const MAX_SEEN: usize = 4 * 4096;

/// Valid attestations of the newest slots, by slot, with their validators.
#[derive(Resource, Debug, Default)]
pub struct SeenAttestations {
    by_slot: BTreeMap<Slot, HashMap<ValidatorIndex, Vec<Seen>>>,
    count: usize,
}

#[derive(Debug)]
struct Seen {
    data: AttestationData,
    /// True if it was kept. A node that becomes an aggregator still wants attestations that it did
    /// not keep before.
    is_kept: bool,
}

impl SeenAttestations {
    /// Returns the reason an attestation is not new; `None` if it is new. `keep` is true if it
    /// would be kept. A validator has this many places for a slot.
    pub fn objection(
        &self,
        attestation: &SignedAttestation,
        keep: bool,
        places: usize,
    ) -> Option<IgnoreReason> {
        let of_slot = self.by_slot.get(&attestation.data.slot)?;
        let given = of_slot.get(&attestation.validator_index)?;
        match given.iter().find(|seen| seen.data == attestation.data) {
            Some(seen) => (seen.is_kept || !keep).then_some(IgnoreReason::KnownAttestation),
            None => (given.len() >= places).then_some(IgnoreReason::Equivocation),
        }
    }

    /// Remembers a valid attestation, and whether it is kept.
    ///
    /// # Errors
    /// It is not new, as far as is remembered.
    pub fn insert(
        &mut self,
        attestation: &SignedAttestation,
        keep: bool,
        places: usize,
    ) -> Result<(), IgnoreReason> {
        let SignedAttestation { validator_index, data, .. } = attestation;
        let newest = self.by_slot.last_key_value();
        let newest = newest.map_or(data.slot, |(newest, _)| data.slot.max(*newest));
        if data.slot.saturating_add(SEEN_SLOTS) <= newest {
            return Ok(());
        }
        if let Some(objection) = self.objection(attestation, keep, places) {
            return Err(objection);
        }
        while let Some(first) = self.by_slot.first_entry() {
            let is_old = first.key().saturating_add(SEEN_SLOTS) <= newest;
            if !is_old && (self.count < MAX_SEEN || *first.key() >= data.slot) {
                break;
            }
            self.count -= first.remove().values().map(Vec::len).sum::<usize>();
        }
        let of_slot = self.by_slot.entry(data.slot).or_default();
        let given = of_slot.entry(*validator_index).or_default();
        if let Some(seen) = given.iter_mut().find(|seen| seen.data == *data) {
            seen.is_kept |= keep;
        } else if self.count < MAX_SEEN {
            given.push(Seen { data: *data, is_kept: keep });
            self.count += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use quintet_components::{containers::Signature, preset::SignaturePreset};

    use super::*;

    fn attestation(slot: Slot, validator_index: ValidatorIndex) -> SignedAttestation {
        let data = AttestationData { slot, ..AttestationData::default() };
        let signature = Signature::placeholder(SignaturePreset::Test);
        SignedAttestation { validator_index, data, signature }
    }

    #[test]
    fn an_attestation_is_new_once_and_old_slots_are_forgotten() {
        let mut seen = SeenAttestations::default();
        assert_eq!(seen.insert(&attestation(10, 1), true, 2), Ok(()));
        assert_eq!(seen.insert(&attestation(10, 1), true, 2), Err(IgnoreReason::KnownAttestation));
        assert_eq!(seen.insert(&attestation(10, 2), true, 2), Ok(()));
        assert_eq!(seen.insert(&attestation(11, 1), true, 2), Ok(()));
        assert!(seen.objection(&attestation(10, 1), true, 2).is_some());
        assert!(seen.objection(&attestation(11, 2), true, 2).is_none());
        assert_eq!(seen.insert(&attestation(14, 1), true, 2), Ok(()));
        assert!(
            seen.objection(&attestation(10, 1), true, 2).is_none(),
            "four slots are remembered"
        );
        let old = attestation(10, 1);
        assert!(
            seen.insert(&old, true, 2).is_ok() && seen.insert(&old, true, 2).is_ok(),
            "too old"
        );
        assert_eq!(seen.count, 2);
    }

    #[test]
    fn a_node_that_begins_to_aggregate_takes_an_attestation_once_more() {
        let mut seen = SeenAttestations::default();
        assert!(seen.insert(&attestation(10, 1), false, 2).is_ok());
        assert!(seen.insert(&attestation(10, 1), false, 2).is_err());
        assert!(seen.objection(&attestation(10, 1), false, 2).is_some());
        assert!(seen.objection(&attestation(10, 1), true, 2).is_none());
        assert!(seen.insert(&attestation(10, 1), true, 2).is_ok());
        assert!(seen.insert(&attestation(10, 1), true, 2).is_err());
        assert_eq!(seen.count, 1);
    }

    #[test]
    fn a_validator_has_two_places_for_a_slot() {
        let mut seen = SeenAttestations::default();
        let other = |head_slot| {
            let mut other = attestation(10, 1);
            other.data.head.slot = head_slot;
            other
        };
        assert!(seen.insert(&other(1), true, 2).is_ok() && seen.insert(&other(2), true, 2).is_ok());
        assert_eq!(seen.insert(&other(3), true, 2), Err(IgnoreReason::Equivocation));
        assert_eq!(seen.insert(&other(1), true, 2), Err(IgnoreReason::KnownAttestation));
        assert!(
            seen.insert(&attestation(11, 1), true, 2).is_ok(),
            "another slot is another matter"
        );
        assert!(seen.insert(&attestation(10, 2), true, 2).is_ok(), "and so is another validator");
    }

    #[test]
    fn no_more_are_remembered_than_the_limit_and_the_oldest_slot_goes_first() {
        let mut seen = SeenAttestations::default();
        for index in 0..MAX_SEEN as u64 {
            assert!(seen.insert(&attestation(10 + index % 2, index), true, 2).is_ok());
        }
        assert!(seen.insert(&attestation(11, 1_000_000), true, 2).is_ok());
        assert_eq!(seen.count, MAX_SEEN / 2 + 1, "slot 10 made room");
        for index in 0..2 * MAX_SEEN as u64 {
            assert!(seen.insert(&attestation(11, 2_000_000 + index), true, 2).is_ok());
        }
        assert_eq!(seen.count, MAX_SEEN);
        assert!(
            seen.objection(&attestation(11, 1_000_000), true, 2).is_some(),
            "what is remembered stays"
        );
    }
}
