//! A bit list whose clones share memory: the bits are words in a persistent tree with cached
//! hashes.

use std::{collections::BTreeMap, ops::Range};

use milhouse::{List, Vector};
use ssz_types::BitList;
use typenum::Unsigned;

use super::{macros::tree_hash_root, participation::set_bits};

const WORD_BITS: usize = u64::BITS as usize;

/// A bit list of at most `N` bits in `W = N / 64` words.
///
/// Changing a bit copies only the path to its word, and only the changed paths are hashed again.
/// Bits past the length are zero, so that the words merkleize like SSZ's chunks.
#[derive(Clone)]
pub struct PersistentBits<N: Unsigned, W: Unsigned> {
    words: Vector<u64, W, BTreeMap<usize, u64>>,
    len: usize,
    limit: std::marker::PhantomData<N>,
}

impl<N: Unsigned, W: Unsigned> PersistentBits<N, W> {
    /// The number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bit at `index`; `None` past the end.
    pub fn get(&self, index: usize) -> Option<bool> {
        (index < self.len).then(|| self.word(index / WORD_BITS) >> (index % WORD_BITS) & 1 == 1)
    }

    /// The bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        let words = self.words.iter().take(self.len.div_ceil(WORD_BITS));
        words.flat_map(|word| (0..WORD_BITS).map(move |bit| word >> bit & 1 == 1)).take(self.len)
    }

    /// The number of set bits in `range`.
    pub fn count_ones(&self, range: Range<usize>) -> usize {
        let end = range.end.min(self.len);
        let mut count = 0;
        let mut at = range.start;
        while at < end {
            let (word, low) = (at / WORD_BITS, at % WORD_BITS);
            let take = (WORD_BITS - low).min(end - at);
            count += (self.word(word) >> low & ones(take)).count_ones() as usize;
            at += take;
        }
        count
    }

    /// Appends zeros until there are `len` bits. This writes nothing, because absent bits are zero
    /// already.
    ///
    /// # Errors
    /// The limit, if `len` is above it.
    pub fn extend_to(&mut self, len: usize) -> Result<(), usize> {
        if len > N::USIZE {
            return Err(N::USIZE);
        }
        self.len = self.len.max(len);
        Ok(())
    }

    /// Sets the bit at `index`, which must exist.
    pub fn set(&mut self, index: usize) {
        assert!(index < self.len, "bit {index} of {}", self.len);
        *self.word_mut(index / WORD_BITS) |= 1 << (index % WORD_BITS);
        self.seal();
    }

    /// Sets, from bit `start` on, every bit that is set in `words`. These bits must exist.
    pub fn set_all(&mut self, start: usize, words: impl Iterator<Item = u64>) {
        for (index, word) in words.enumerate().filter(|(_, word)| *word != 0) {
            let at = start + index * WORD_BITS;
            let last = at + WORD_BITS - 1 - word.leading_zeros() as usize;
            assert!(last < self.len, "bit {last} of {}", self.len);
            let shift = at % WORD_BITS;
            self.or_word(at / WORD_BITS, word << shift);
            if shift > 0 {
                self.or_word(at / WORD_BITS + 1, word >> (WORD_BITS - shift));
            }
        }
        self.seal();
    }

    /// The bits of `range`, 64 per word, beginning at its start; those past the end are zero.
    pub fn words(&self, range: Range<usize>) -> Vec<u64> {
        let (first, shift) = (range.start / WORD_BITS, range.start % WORD_BITS);
        let count = range.len().div_ceil(WORD_BITS);
        let last = W::USIZE.saturating_sub(first).min(count + 1);
        let stored = self.words.iter_from(first.min(W::USIZE)).into_iter().flatten();
        let mut words: Vec<u64> = stored.take(last).copied().collect();
        words.resize(count + 1, 0);
        if shift > 0 {
            for index in 0..count {
                words[index] = words[index] >> shift | words[index + 1] << (WORD_BITS - shift);
            }
        }
        words.truncate(count);
        if let Some(end) = words.last_mut().filter(|_| !range.len().is_multiple_of(WORD_BITS)) {
            *end &= ones(range.len() % WORD_BITS);
        }
        words
    }

    /// Replaces all bits from `start` on with runs of bits. Each run has words and a length.
    /// Unchanged words stay shared.
    ///
    /// # Errors
    /// The limit, if the result would be above it; nothing has changed then.
    pub fn replace_from(
        &mut self,
        start: usize,
        runs: impl IntoIterator<Item = (Vec<u64>, usize)>,
    ) -> Result<(), usize> {
        assert!(start <= self.len, "bit {start} of {}", self.len);
        let first = start / WORD_BITS;
        let mut written = BitWriter::new(self.word(first) & ones(start % WORD_BITS), start);
        for (words, bits) in runs {
            written.append(&words, bits);
            if written.len > N::USIZE {
                return Err(N::USIZE);
            }
        }
        let (len, mut words) = (written.len, written.words);
        words.resize(self.len.max(len).div_ceil(WORD_BITS) - first, 0);
        let old = self.words.iter_from(first).expect("the start is not past the end");
        let changed: BTreeMap<usize, u64> = (first..)
            .zip(words.into_iter().zip(old))
            .filter(|(_, (new, old))| new != *old)
            .map(|(index, (new, _))| (index, new))
            .collect();
        self.len = len;
        self.overwrite(changed);
        Ok(())
    }

    /// Overwrites words, each with its index; bits past the length must be zero. The other words
    /// stay shared.
    ///
    /// # Errors
    /// The index of a word that has bits past the length; nothing has changed then.
    pub fn set_words(&mut self, words: BTreeMap<usize, u64>) -> Result<(), usize> {
        let room = |index: usize| self.len.saturating_sub(index.saturating_mul(WORD_BITS));
        let past =
            |(index, word): &(&usize, &u64)| *word & !ones(room(**index).min(WORD_BITS)) != 0;
        if let Some((index, _)) = words.iter().find(past) {
            return Err(*index);
        }
        let changed = words.into_iter().filter(|(index, _)| room(*index) > 0).collect();
        self.overwrite(changed);
        Ok(())
    }

    /// Replaces `range` by `zeros` zero bits; the following bits move.
    ///
    /// # Errors
    /// The limit, if the result would be above it; nothing has changed then.
    pub fn splice(&mut self, range: Range<usize>, zeros: usize) -> Result<(), usize> {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        let tail = (self.words(range.end..self.len), self.len - range.end);
        let gap = (vec![0; zeros.div_ceil(WORD_BITS)], zeros);
        self.replace_from(range.start, [gap, tail])
    }

    /// The positions of the set bits from `start` on, ascending.
    pub fn ones_from(&self, start: usize) -> impl Iterator<Item = usize> + '_ {
        (start / WORD_BITS..self.len.div_ceil(WORD_BITS))
            .flat_map(|index| set_bits(self.word(index)).map(move |bit| index * WORD_BITS + bit))
            .skip_while(move |bit| *bit < start)
    }

    fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    fn word_mut(&mut self, index: usize) -> &mut u64 {
        self.words.get_mut(index).expect("a bit below the limit has a word")
    }

    fn or_word(&mut self, index: usize, bits: u64) {
        if bits & !self.word(index) != 0 {
            *self.word_mut(index) |= bits;
        }
    }

    /// Overwrites words below the limit, each with its index.
    fn overwrite(&mut self, words: BTreeMap<usize, u64>) {
        if words.len() <= 1 {
            for (index, word) in words {
                *self.word_mut(index) = word;
            }
            return self.seal();
        }
        // A vector applies updates one by one, a list all at once.
        let mut list: List<u64, W, BTreeMap<usize, u64>> = std::mem::take(&mut self.words).into();
        list.bulk_update(words).expect("nothing is pending");
        list.apply_updates().expect("indices are below the limit");
        self.words = Vector::try_from(list).expect("the length has not changed");
    }

    /// Writes pending words into the tree, which is needed before hashing and comparing.
    fn seal(&mut self) {
        self.words.apply_updates().expect("indices are below the limit");
    }

    fn bit_list(&self) -> BitList<N> {
        let mut bits = BitList::with_capacity(self.len).expect("the length is within the limit");
        for bit in self.ones_from(0) {
            bits.set(bit, true).expect("below the length");
        }
        bits
    }

    fn from_bit_list(bits: &BitList<N>) -> Self {
        let mut this = Self { len: bits.len(), ..Self::default() };
        for (index, chunk) in bits.as_slice().chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            if word != [0; 8] {
                *this.word_mut(index) = u64::from_le_bytes(word);
            }
        }
        this.seal();
        this
    }
}

/// Joins runs of bits into words.
struct BitWriter {
    /// The word that `words` begins with.
    first: usize,
    words: Vec<u64>,
    /// The position of the next bit in the whole list.
    len: usize,
}

impl BitWriter {
    /// Starts at bit `len`, in a word whose lower bits are `kept`.
    fn new(kept: u64, len: usize) -> Self {
        let words = if len.is_multiple_of(WORD_BITS) { Vec::new() } else { vec![kept] };
        Self { first: len / WORD_BITS, words, len }
    }

    /// Appends the lowest `bits` bits of `words`, whose other bits are zero.
    fn append(&mut self, words: &[u64], bits: usize) {
        let shift = self.len % WORD_BITS;
        for word in words {
            if shift == 0 {
                self.words.push(*word);
            } else {
                *self.words.last_mut().expect("a word is begun") |= word << shift;
                self.words.push(word >> (WORD_BITS - shift));
            }
        }
        self.len += bits;
        self.words.truncate(self.len.div_ceil(WORD_BITS) - self.first);
    }
}

/// The lowest `count` bits, `count` in 0..=64.
fn ones(count: usize) -> u64 {
    if count == WORD_BITS { u64::MAX } else { (1 << count) - 1 }
}

impl<N: Unsigned, W: Unsigned> Default for PersistentBits<N, W> {
    fn default() -> Self {
        debug_assert_eq!(N::USIZE, W::USIZE * WORD_BITS);
        let words = Vector::from_elem(0).expect("the vector's length is its type's");
        Self { words, len: 0, limit: std::marker::PhantomData }
    }
}

impl<N: Unsigned, W: Unsigned> PartialEq for PersistentBits<N, W> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.ones_from(0).eq(other.ones_from(0))
    }
}

impl<N: Unsigned, W: Unsigned> Eq for PersistentBits<N, W> {}

impl<N: Unsigned, W: Unsigned> std::fmt::Debug for PersistentBits<N, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bits, set: ", self.len)?;
        f.debug_set().entries(self.ones_from(0)).finish()
    }
}

impl<N: Unsigned, W: Unsigned> FromIterator<bool> for PersistentBits<N, W> {
    /// Panics above the limit.
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let bits: Vec<bool> = bits.into_iter().collect();
        let mut this = Self::default();
        this.extend_to(bits.len()).expect("within the limit");
        for (index, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            *this.word_mut(index / WORD_BITS) |= 1 << (index % WORD_BITS);
        }
        this.seal();
        this
    }
}

impl<N: Unsigned, W: Unsigned> ssz::Encode for PersistentBits<N, W> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        self.len / 8 + 1
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.bit_list().ssz_append(buf);
    }
}

impl<N: Unsigned, W: Unsigned> ssz::Decode for PersistentBits<N, W> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
        BitList::from_ssz_bytes(bytes).map(|bits| Self::from_bit_list(&bits))
    }
}

tree_hash_root!(List, [N: Unsigned, W: Unsigned] PersistentBits<N, W>, |this| {
    tree_hash::mix_in_length(&this.words.tree_hash_root(), this.len)
});

impl<N: Unsigned, W: Unsigned> serde::Serialize for PersistentBits<N, W> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::json::write_list(self.iter().collect::<Vec<_>>().into_iter(), serializer)
    }
}

impl<'de, N: Unsigned, W: Unsigned> serde::Deserialize<'de> for PersistentBits<N, W> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits: Vec<bool> = crate::json::read_list(deserializer)?;
        if bits.len() > N::USIZE {
            return Err(serde::de::Error::custom(format!("more than {} bits", N::USIZE)));
        }
        Ok(bits.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ssz::{Decode, Encode};
    use tree_hash::TreeHash;
    use typenum::{U16, U1024};

    use super::*;

    type Bits = PersistentBits<U1024, U16>;

    fn same_as(bits: &Bits, model: &[bool]) {
        assert_eq!(bits.iter().collect::<Vec<_>>(), model);
        let mut list = BitList::<U1024>::with_capacity(model.len()).expect("short");
        for (index, bit) in model.iter().enumerate() {
            list.set(index, *bit).expect("within");
        }
        assert_eq!(bits.tree_hash_root(), list.tree_hash_root());
        assert_eq!(bits.as_ssz_bytes(), list.as_ssz_bytes());
        assert_eq!(&Bits::from_ssz_bytes(&bits.as_ssz_bytes()).expect("valid"), bits);
    }

    proptest! {
        #[test]
        fn behaves_like_a_vector_of_bools(
            start in prop::collection::vec(any::<bool>(), 0..400),
            edits in prop::collection::vec((0usize..500, 0usize..200, 0usize..75), 0..8),
        ) {
            let mut model = start;
            let mut bits: Bits = model.iter().copied().collect();
            same_as(&bits, &model);
            for (at, remove, zeros) in edits {
                let from = at.min(model.len());
                let to = (from + remove).min(model.len());
                bits.splice(from..to, zeros).expect("below the limit");
                model.splice(from..to, std::iter::repeat_n(false, zeros));
                same_as(&bits, &model);
                if from < model.len() {
                    bits.set(from);
                    model[from] = true;
                }
                prop_assert_eq!(
                    bits.count_ones(from..model.len()),
                    model[from..].iter().filter(|bit| **bit).count()
                );
                let before = bits.clone();
                let room = (model.len() - from).min(64);
                bits.set_all(from, std::iter::once(ones(room)));
                model[from..from + room].fill(true);
                same_as(&bits, &model);
                prop_assert!(room == 0 || before.count_ones(from..from + room) <= room);
            }
        }
    }

    #[test]
    fn words_are_overwritten_within_the_length_only() {
        let mut bits = Bits::default();
        bits.extend_to(70).expect("below the limit");
        bits.set(3);
        bits.set_words([(0, 1 << 63), (1, 0b10_0001)].into()).expect("within");
        assert_eq!(bits.ones_from(0).collect::<Vec<_>>(), [63, 64, 69]);
        assert_eq!(bits.set_words([(0, 0), (1, 1 << 6)].into()), Err(1));
        assert_eq!(bits.set_words([(usize::MAX, 1)].into()), Err(usize::MAX));
        assert_eq!(bits.ones_from(0).collect::<Vec<_>>(), [63, 64, 69], "nothing has changed");
    }

    #[test]
    fn the_limit_is_an_error_and_changes_nothing() {
        let mut bits = Bits::default();
        bits.extend_to(1024).expect("the limit itself");
        assert_eq!(bits.extend_to(1025), Err(1024));
        assert_eq!(bits.splice(0..0, 1), Err(1024));
        assert_eq!(bits.len(), 1024);
    }
}
