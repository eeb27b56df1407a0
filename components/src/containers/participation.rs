//! Which validators take part in an aggregate.

use ssz_types::BitList;
use typenum::U4096;

use super::{ValidatorIndex, macros::tree_hash_root};
use crate::{
    constants::VALIDATOR_REGISTRY_LIMIT,
    rejection::{Rejection, RejectionReason},
};

/// One bit for each validator up to the last participant, at most 4096.
#[derive(Clone, PartialEq, Eq, Hash, ssz_derive::Encode, ssz_derive::Decode)]
#[ssz(struct_behaviour = "transparent")]
pub struct AggregationBits(BitList<U4096>);

tree_hash_root!(List, [] AggregationBits, |this| this.0.tree_hash_root());

impl AggregationBits {
    /// The bits of these validators, as long as the highest of them needs.
    ///
    /// # Errors
    /// `EMPTY_AGGREGATION_BITS` without any, `VALIDATOR_INDEX_OUT_OF_RANGE` past the limit.
    pub fn from_indices(
        indices: impl IntoIterator<Item = ValidatorIndex> + Clone,
    ) -> Result<Self, Rejection> {
        let Some(highest) = indices.clone().into_iter().max() else {
            return Err(empty());
        };
        let length = usize::try_from(highest).unwrap_or(usize::MAX).saturating_add(1);
        let mut bits = BitList::with_capacity(length).map_err(|_| {
            RejectionReason::ValidatorIndexOutOfRange
                .because(format!("{highest}, the limit is {VALIDATOR_REGISTRY_LIMIT}"))
        })?;
        for index in indices {
            let index = usize::try_from(index).expect("not above the highest");
            bits.set(index, true).expect("not above the highest");
        }
        Ok(Self(bits))
    }

    /// The participants in ascending order.
    pub fn indices(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        self.words().enumerate().flat_map(|(word_index, word)| {
            set_bits(word).map(move |bit| (word_index * 64 + bit) as ValidatorIndex)
        })
    }

    /// How many participate.
    pub fn count(&self) -> usize {
        self.words().map(|word| word.count_ones() as usize).sum()
    }

    /// The participants' count, refused when there are none.
    ///
    /// # Errors
    /// `EMPTY_AGGREGATION_BITS`.
    pub fn non_empty_count(&self) -> Result<usize, Rejection> {
        match self.count() {
            0 => Err(empty()),
            count => Ok(count),
        }
    }

    /// The highest participant.
    pub fn highest(&self) -> Option<ValidatorIndex> {
        self.0.highest_set_bit().map(|bit| bit as ValidatorIndex)
    }

    /// The bits, 64 to a word, lowest first.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.as_slice().chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        })
    }

    /// Whether this validator participates.
    pub fn contains(&self, index: ValidatorIndex) -> bool {
        usize::try_from(index).is_ok_and(|index| self.0.get(index).unwrap_or(false))
    }

    /// The bits that either has.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }
}

impl Default for AggregationBits {
    fn default() -> Self {
        Self(BitList::with_capacity(0).expect("zero is below the limit"))
    }
}

impl std::fmt::Debug for AggregationBits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.indices()).finish()
    }
}

fn empty() -> Rejection {
    RejectionReason::EmptyAggregationBits.because("no participant")
}

/// The positions of a word's set bits, ascending.
pub(crate) fn set_bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (word != 0).then(|| {
            let bit = word.trailing_zeros() as usize;
            word &= word - 1;
            bit
        })
    })
}

impl serde::Serialize for AggregationBits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::json::write_list(self.0.iter().collect::<Vec<_>>().into_iter(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for AggregationBits {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bools: Vec<bool> = crate::json::read_list(deserializer)?;
        let mut bits = BitList::with_capacity(bools.len())
            .map_err(|_| serde::de::Error::custom("more than 4096 bits"))?;
        for (index, bit) in bools.into_iter().enumerate() {
            bits.set(index, bit).expect("within the capacity");
        }
        Ok(Self(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_words_agree() {
        let bits = AggregationBits::from_indices([0, 63, 64, 4095]).expect("in range");
        assert_eq!(bits.indices().collect::<Vec<_>>(), [0, 63, 64, 4095]);
        assert_eq!((bits.count(), bits.highest()), (4, Some(4095)));
        assert!(bits.contains(64) && !bits.contains(65) && !bits.contains(u64::MAX));
    }

    #[test]
    fn empty_and_oversized_are_refused_with_their_reasons() {
        let reason = |indices: &[u64]| {
            AggregationBits::from_indices(indices.iter().copied()).expect_err("refused").reason
        };
        assert_eq!(reason(&[]), RejectionReason::EmptyAggregationBits);
        assert_eq!(reason(&[4096]), RejectionReason::ValidatorIndexOutOfRange);
        assert_eq!(reason(&[u64::MAX]), RejectionReason::ValidatorIndexOutOfRange);
    }
}
