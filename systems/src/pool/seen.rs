//! What validators have lately attested, as far as it was found valid: one that signs the same
//! attestation again and again, each time differently, has nothing new to say, and one that signs
//! different ones for a slot has two places.

use std::collections::{BTreeMap, HashMap};

use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{AttestationData, SignedAttestation, Slot, ValidatorIndex},
    messages::IgnoreReason,
};

/// Slots whose attestations are remembered: the newest ones attested in.
pub const SEEN_SLOTS: u64 = 4;
/// Attestations remembered at most; one more is not, and is taken for new when it comes again.
pub const MAX_SEEN: usize = 4 * 4096;

/// Valid attestations of the newest slots, by slot: who gave which.
#[derive(Resource, Debug, Default)]
pub struct SeenAttestations {
    by_slot: BTreeMap<Slot, HashMap<ValidatorIndex, Vec<Seen>>>,
    count: usize,
}

#[derive(Debug)]
struct Seen {
    data: AttestationData,
    /// Tells if it was kept: an aggregator still wants one that came before it was one.
    is_kept: bool,
}

impl SeenAttestations {
    /// Says why an attestation, to be kept or not, says nothing new; `None` if it does. A validator has
    /// so many places for a slot.
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

    /// Remembers a valid attestation, and if it is kept.
    ///
    /// # Errors
    /// It says nothing new, as far as is known.
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

    fn vote(slot: Slot, validator_index: ValidatorIndex) -> SignedAttestation {
        let data = AttestationData { slot, ..AttestationData::default() };
        let signature = Signature::placeholder(SignaturePreset::Test);
        SignedAttestation { validator_index, data, signature }
    }

    #[test]
    fn an_attestation_is_new_once_and_old_slots_are_forgotten() {
        let mut seen = SeenAttestations::default();
        assert_eq!(seen.insert(&vote(10, 1), true, 2), Ok(()));
        assert_eq!(seen.insert(&vote(10, 1), true, 2), Err(IgnoreReason::KnownAttestation));
        assert_eq!(seen.insert(&vote(10, 2), true, 2), Ok(()));
        assert_eq!(seen.insert(&vote(11, 1), true, 2), Ok(()));
        assert!(seen.objection(&vote(10, 1), true, 2).is_some());
        assert!(seen.objection(&vote(11, 2), true, 2).is_none());
        assert_eq!(seen.insert(&vote(14, 1), true, 2), Ok(()));
        assert!(seen.objection(&vote(10, 1), true, 2).is_none(), "four slots are remembered");
        let old = vote(10, 1);
        assert!(
            seen.insert(&old, true, 2).is_ok() && seen.insert(&old, true, 2).is_ok(),
            "too old"
        );
        assert_eq!(seen.count, 2);
    }

    #[test]
    fn a_node_that_begins_to_aggregate_takes_an_attestation_once_more() {
        let mut seen = SeenAttestations::default();
        assert!(seen.insert(&vote(10, 1), false, 2).is_ok());
        assert!(seen.insert(&vote(10, 1), false, 2).is_err());
        assert!(seen.objection(&vote(10, 1), false, 2).is_some());
        assert!(seen.objection(&vote(10, 1), true, 2).is_none());
        assert!(seen.insert(&vote(10, 1), true, 2).is_ok());
        assert!(seen.insert(&vote(10, 1), true, 2).is_err());
        assert_eq!(seen.count, 1);
    }

    #[test]
    fn a_validator_has_two_places_for_a_slot() {
        let mut seen = SeenAttestations::default();
        let other = |head_slot| {
            let mut other = vote(10, 1);
            other.data.head.slot = head_slot;
            other
        };
        assert!(seen.insert(&other(1), true, 2).is_ok() && seen.insert(&other(2), true, 2).is_ok());
        assert_eq!(seen.insert(&other(3), true, 2), Err(IgnoreReason::Equivocation));
        assert_eq!(seen.insert(&other(1), true, 2), Err(IgnoreReason::KnownAttestation));
        assert!(seen.insert(&vote(11, 1), true, 2).is_ok(), "another slot is another matter");
        assert!(seen.insert(&vote(10, 2), true, 2).is_ok(), "and so is another validator");
    }

    #[test]
    fn no_more_are_remembered_than_the_limit_and_the_oldest_slot_goes_first() {
        let mut seen = SeenAttestations::default();
        for index in 0..MAX_SEEN as u64 {
            assert!(seen.insert(&vote(10 + index % 2, index), true, 2).is_ok());
        }
        assert!(seen.insert(&vote(11, 1_000_000), true, 2).is_ok());
        assert_eq!(seen.count, MAX_SEEN / 2 + 1, "slot 10 made room");
        for index in 0..2 * MAX_SEEN as u64 {
            assert!(seen.insert(&vote(11, 2_000_000 + index), true, 2).is_ok());
        }
        assert_eq!(seen.count, MAX_SEEN);
        assert!(
            seen.objection(&vote(11, 1_000_000), true, 2).is_some(),
            "what is remembered stays"
        );
    }
}
