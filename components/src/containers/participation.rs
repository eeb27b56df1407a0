//! The validators that take part in an aggregate.

use std::cmp::Ordering;

use ssz::BYTES_PER_LENGTH_OFFSET;
use ssz_types::BitList;
use tree_hash::mix_in_length;
use typenum::{U4096, Unsigned};

use super::{
    Root, ValidatorIndex,
    macros::tree_hash_root,
    merkle::{depth_of, merkle_root},
};
use crate::{
    constants::VALIDATOR_REGISTRY_LIMIT,
    rejection::{Rejection, RejectionReason},
};

/// One bit per validator, up to the last participant; at most 4096.
#[derive(Clone, PartialEq, Eq, Hash, ssz_derive::Encode, ssz_derive::Decode)]
#[ssz(struct_behaviour = "transparent")]
pub struct AggregationBits(BitList<U4096>);

/// The largest number of chunks of 256 bits.
const MAX_CHUNKS: usize = U4096::USIZE / 256;

tree_hash_root!(List, [] AggregationBits, |this| {
    let chunks = this.0.as_slice().chunks(32);
    let mut leaves = [Root::ZERO; MAX_CHUNKS];
    let used = chunks.len().min(MAX_CHUNKS);
    for (leaf, chunk) in leaves.iter_mut().zip(chunks) {
        leaf[..chunk.len()].copy_from_slice(chunk);
    }
    mix_in_length(&merkle_root(&mut leaves[..used], depth_of(MAX_CHUNKS)), this.0.len())
});

impl AggregationBits {
    /// The bits of these validators, with the length that the highest one needs.
    ///
    /// # Errors
    /// `EMPTY_AGGREGATION_BITS` if there are none, `VALIDATOR_INDEX_OUT_OF_RANGE` past the limit.
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

    /// The number of participants.
    pub fn count(&self) -> usize {
        self.words().map(|word| word.count_ones() as usize).sum()
    }

    /// The number of participants, if there are any.
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

    /// The bits as words of 64, lowest first.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let (words, rest) = self.0.as_slice().as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let last = (!rest.is_empty()).then_some(&last).copied();
        words.iter().copied().chain(last).map(u64::from_le_bytes)
    }

    /// Compares the participants of two aggregates in the order of their SSZ encodings, without
    /// encoding them: first the offset of the proof, then the bits.
    pub fn cmp_encoded(&self, other: &Self) -> Ordering {
        self.encoded().cmp(&other.encoded())
    }

    /// The offset of the proof behind these bits, their full bytes, and the last byte, which marks
    /// their end.
    fn encoded(&self) -> ([u8; 4], &[u8], u8) {
        let (bits, bytes) = (self.0.len(), self.0.as_slice());
        let whole = bits / 8;
        let last = bytes.get(whole).copied().unwrap_or(0) | 1 << (bits % 8);
        let offset = 2 * BYTES_PER_LENGTH_OFFSET + whole + 1;
        let offset = u32::try_from(offset).expect("a bit a validator");
        (offset.to_le_bytes(), &bytes[..whole], last)
    }

    /// Returns true if this validator participates.
    pub fn contains(&self, index: ValidatorIndex) -> bool {
        usize::try_from(index).is_ok_and(|index| self.0.get(index).unwrap_or(false))
    }

    /// The validators of either list.
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

/// The positions of the set bits of a word, ascending.
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
    use proptest::prelude::*;
    use ssz::{Decode, Encode};

    use super::*;
    use crate::containers::SingleMessageAggregate;

    /// Participants as received: the list may be longer than its last participant needs.
    fn arrived(bits: &[bool]) -> AggregationBits {
        let mut list = BitList::<U4096>::with_capacity(bits.len()).expect("short");
        for (index, bit) in bits.iter().enumerate() {
            list.set(index, *bit).expect("within");
        }
        AggregationBits::from_ssz_bytes(&list.as_ssz_bytes()).expect("an encoding")
    }

    proptest! {
        #[test]
        fn participants_compare_as_their_encodings(
            one in prop::collection::vec(any::<bool>(), 0..40),
            other in prop::collection::vec(any::<bool>(), 0..40),
            longer in 1900..2100_usize,
        ) {
            let mut far = one.clone();
            far.resize(longer, true);
            let encoded = |participants: &AggregationBits| {
                let participants = participants.clone();
                SingleMessageAggregate { participants, proof: Default::default() }.as_ssz_bytes()
            };
            let bits = [arrived(&one), arrived(&other), arrived(&far)];
            for (one, other) in bits.iter().flat_map(|one| bits.iter().map(move |other| (one, other))) {
                prop_assert_eq!(one.cmp_encoded(other), encoded(one).cmp(&encoded(other)));
            }
            for (bits, list) in bits.iter().zip([&one, &other, &far]) {
                let expected: Vec<u64> = list
                    .chunks(64)
                    .map(|bits| bits.iter().rev().fold(0, |word, bit| word << 1 | u64::from(*bit)))
                    .collect();
                let words: Vec<u64> = bits.words().take(expected.len()).collect();
                prop_assert_eq!(words, expected);
            }
        }
    }

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
