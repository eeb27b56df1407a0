//! A set of validators with room for the largest registry.

use crate::{
    constants::VALIDATOR_REGISTRY_LIMIT,
    containers::{AggregationBits, ValidatorIndex},
};

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

    /// Returns true if the validator is in the set.
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

    /// Adds the validators of these words, 64 per word, lowest first. Validators past the
    /// registry's limit are ignored.
    pub fn add_words(&mut self, words: &[u64]) {
        for (mine, theirs) in self.0.iter_mut().zip(words) {
            *mine |= theirs;
        }
    }

    /// Adds a validator. One past the registry's limit is ignored.
    pub fn insert(&mut self, index: ValidatorIndex) {
        let word = usize::try_from(index / 64).ok().and_then(|word| self.0.get_mut(word));
        if let Some(word) = word {
            *word |= 1 << (index % 64);
        }
    }

    /// The number of validators.
    pub fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The number of validators of the set that are not in `other`.
    pub fn count_beyond(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(mine, theirs)| (mine & !theirs).count_ones()).sum()
    }

    /// The validators of this set that are not in `other`.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        let mut this = self.clone();
        for (mine, theirs) in this.0.iter_mut().zip(&other.0) {
            *mine &= !theirs;
        }
        this
    }

    /// The validators that are in both sets.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let mut this = self.clone();
        for (mine, theirs) in this.0.iter_mut().zip(&other.0) {
            *mine &= theirs;
        }
        this
    }

    /// Returns true if a validator is in both sets.
    pub fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(mine, theirs)| mine & theirs != 0)
    }

    /// Returns true if there is no validator in the set.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}
