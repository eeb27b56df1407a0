//! Choosing proofs that cover as many validators as possible.

use std::{cmp::Ordering, sync::Arc};

use quintet_components::{
    constants::VALIDATOR_REGISTRY_LIMIT,
    containers::{AggregationBits, SingleMessageAggregate, ValidatorIndex},
};
use ssz::Encode;

const WORDS: usize = VALIDATOR_REGISTRY_LIMIT / 64;

/// A set of validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage([u64; WORDS]);

impl Default for Coverage {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

impl Coverage {
    /// The participants of an aggregate.
    pub fn of(participants: &AggregationBits) -> Self {
        let mut this = Self::default();
        for (mine, word) in this.0.iter_mut().zip(participants.words()) {
            *mine = word;
        }
        this
    }

    /// Whether the validator is in the set.
    pub fn contains(&self, index: ValidatorIndex) -> bool {
        usize::try_from(index / 64)
            .ok()
            .and_then(|word| self.0.get(word))
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Adds the validators of another set.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    /// Adds the validators of these words, 64 to a word, lowest first; words past the registry's
    /// limit are left out.
    pub fn add_words(&mut self, words: &[u64]) {
        for (mine, theirs) in self.0.iter_mut().zip(words) {
            *mine |= theirs;
        }
    }

    /// Adds a validator; one past the registry's limit is left out.
    pub fn insert(&mut self, index: ValidatorIndex) {
        let word = usize::try_from(index / 64).ok().and_then(|word| self.0.get_mut(word));
        if let Some(word) = word {
            *word |= 1 << (index % 64);
        }
    }

    /// How many validators there are.
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many validators the set has that `other` has not.
    pub fn count_beyond(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(mine, theirs)| (mine & !theirs).count_ones()).sum()
    }
}

/// Picks, again and again, the proof that adds the most validators, first from the pool with
/// priority, then from the fallback, until no proof adds any. Ties go to the larger encoding, so
/// that every node picks alike. Returns the picks and what they cover.
pub fn select_proofs_for_coverage(
    priority: &[Arc<SingleMessageAggregate>],
    fallback: &[Arc<SingleMessageAggregate>],
) -> (Vec<Arc<SingleMessageAggregate>>, Coverage) {
    let mut selected = Vec::new();
    let mut covered = Coverage::default();
    for pool in [priority, fallback] {
        let mut candidates: Vec<(&Arc<SingleMessageAggregate>, Coverage)> =
            pool.iter().map(|proof| (proof, Coverage::of(&proof.participants))).collect();
        loop {
            // What adds nothing now adds nothing later.
            candidates.retain(|(_, coverage)| coverage.count_beyond(&covered) > 0);
            let gains: Vec<u32> =
                candidates.iter().map(|(_, each)| each.count_beyond(&covered)).collect();
            let Some(best) = (0..candidates.len()).max_by(|one, other| {
                gains[*one]
                    .cmp(&gains[*other])
                    .then_with(|| compare_encodings(candidates[*one].0, candidates[*other].0))
            }) else {
                break;
            };
            let (proof, coverage) = candidates.swap_remove(best);
            covered.add(&coverage);
            selected.push(Arc::clone(proof));
        }
    }
    (selected, covered)
}

fn compare_encodings(one: &SingleMessageAggregate, other: &SingleMessageAggregate) -> Ordering {
    one.as_ssz_bytes().cmp(&other.as_ssz_bytes())
}
