//! Which validators' votes have been found valid lately: one that signs the same vote again and
//! again, each time differently, has nothing new to say.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use bevy_ecs::prelude::*;
use quintet_components::containers::{AttestationData, SignedAttestation, Slot, ValidatorIndex};

/// Slots whose votes are remembered: the newest ones voted in.
pub const SEEN_SLOTS: u64 = 4;
/// Votes remembered at most; one more is not, and is taken for new when it comes again.
pub const MAX_SEEN: usize = 4 * 4096;

/// Valid votes of the newest slots, by slot: who gave which.
#[derive(Resource, Debug, Default)]
pub struct SeenAttestations {
    /// Whether each was kept: an aggregator still wants one that came before it was one.
    by_slot: BTreeMap<Slot, HashMap<(ValidatorIndex, AttestationData), bool>>,
    count: usize,
}

impl SeenAttestations {
    /// Whether the validator has given this vote before, to be kept if this one would be.
    pub fn contains(&self, vote: &SignedAttestation, keep: bool) -> bool {
        let seen = self.by_slot.get(&vote.data.slot);
        let kept = seen.and_then(|seen| seen.get(&(vote.validator_index, vote.data)));
        kept.is_some_and(|kept| *kept || !keep)
    }

    /// Remembers a valid vote, and whether it is kept. Whether it is new, as far as is known.
    pub fn insert(&mut self, vote: &SignedAttestation, keep: bool) -> bool {
        let slot = vote.data.slot;
        let newest = self.by_slot.last_key_value().map_or(slot, |(newest, _)| slot.max(*newest));
        if slot.saturating_add(SEEN_SLOTS) <= newest {
            return true;
        }
        while let Some(first) = self.by_slot.first_entry() {
            let is_old = first.key().saturating_add(SEEN_SLOTS) <= newest;
            if !is_old && (self.count < MAX_SEEN || *first.key() >= slot) {
                break;
            }
            self.count -= first.remove().len();
        }
        if self.count >= MAX_SEEN {
            return !self.contains(vote, keep);
        }
        match self.by_slot.entry(slot).or_default().entry((vote.validator_index, vote.data)) {
            Entry::Vacant(entry) => {
                entry.insert(keep);
                self.count += 1;
                true
            }
            Entry::Occupied(mut entry) => {
                let is_known = *entry.get() || !keep;
                *entry.get_mut() |= keep;
                !is_known
            }
        }
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
    fn a_vote_is_new_once_and_old_slots_are_forgotten() {
        let mut seen = SeenAttestations::default();
        assert!(seen.insert(&vote(10, 1), true) && !seen.insert(&vote(10, 1), true));
        assert!(seen.insert(&vote(10, 2), true) && seen.insert(&vote(11, 1), true));
        assert!(seen.contains(&vote(10, 1), true) && !seen.contains(&vote(11, 2), true));
        assert!(seen.insert(&vote(14, 1), true));
        assert!(!seen.contains(&vote(10, 1), true), "four slots are remembered");
        let old = vote(10, 1);
        assert!(seen.insert(&old, true) && seen.insert(&old, true), "too old to remember");
        assert_eq!(seen.count, 2);
    }

    #[test]
    fn a_node_that_begins_to_aggregate_takes_a_vote_once_more() {
        let mut seen = SeenAttestations::default();
        assert!(seen.insert(&vote(10, 1), false) && !seen.insert(&vote(10, 1), false));
        assert!(seen.contains(&vote(10, 1), false) && !seen.contains(&vote(10, 1), true));
        assert!(seen.insert(&vote(10, 1), true) && !seen.insert(&vote(10, 1), true));
        assert_eq!(seen.count, 1);
    }

    #[test]
    fn no_more_are_remembered_than_the_limit_and_the_oldest_slot_goes_first() {
        let mut seen = SeenAttestations::default();
        for index in 0..MAX_SEEN as u64 {
            assert!(seen.insert(&vote(10 + index % 2, index), true));
        }
        assert!(seen.insert(&vote(11, 1_000_000), true));
        assert_eq!(seen.count, MAX_SEEN / 2 + 1, "slot 10 made room");
        for index in 0..2 * MAX_SEEN as u64 {
            seen.insert(&vote(11, 2_000_000 + index), true);
        }
        assert_eq!(seen.count, MAX_SEEN);
        assert!(!seen.insert(&vote(11, 1_000_000), true), "what is remembered stays");
    }
}
