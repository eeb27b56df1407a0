//! Seeded randomness and fast fingerprints: integers only, the same on every machine.

use std::ops::RangeInclusive;

/// A stream of random numbers that its seed determines (`SplitMix64`). Streams of different
/// purposes are independent: drawing more numbers from one does not change the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a separate stream for this purpose and number.
    #[must_use]
    pub fn stream(&self, purpose: &str, number: u64) -> Self {
        let mut print = Fingerprint::new(self.0);
        print.bytes(purpose.as_bytes()).word(number);
        Self(print.number())
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below this one; 0 for 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).expect("below the end")
    }

    /// A position in a list of this length; 0 for an empty one.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }

    /// A number in this range; its start if it is empty.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let width = range.end().saturating_sub(*range.start()).saturating_add(1);
        range.start() + self.below(width)
    }

    /// Returns true with this probability in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// Shuffles a list.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.place(end + 1));
        }
    }
}

/// A fast hash of words. It is the same on every machine, and not cryptographic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// The hash of nothing, for the purpose with this number.
    pub const fn new(purpose: u64) -> Self {
        Self([purpose ^ 0x243f_6a88_85a3_08d3, purpose.rotate_left(32) ^ 0x1319_8a2e_0370_7344])
    }

    /// Adds a word.
    pub const fn word(&mut self, word: u64) -> &mut Self {
        let [first, second] = self.0;
        let first = (first ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let second = (second ^ word.rotate_left(23)).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        self.0 = [first ^ (second >> 29), second ^ (first >> 31)];
        self
    }

    /// Adds bytes and their number.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last)).word(bytes.len() as u64)
    }

    /// The hash as a number.
    pub const fn number(mut self) -> u64 {
        let [first, second] = self.word(0).0;
        first ^ second.rotate_left(17)
    }

    /// The hash as bytes.
    pub fn finish(mut self) -> [u8; 16] {
        let [first, second] = self.word(0).word(1).0;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&first.to_le_bytes());
        bytes[8..].copy_from_slice(&second.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_streams_differ() {
        let numbers = |mut random: Random| (0..8).map(|_| random.next()).collect::<Vec<_>>();
        let seed = Random::new(7);
        assert_eq!(numbers(seed.clone()), numbers(Random::new(7)));
        assert_ne!(numbers(seed.stream("a", 0)), numbers(seed.stream("a", 1)));
        assert_ne!(numbers(seed.stream("a", 0)), numbers(seed.stream("b", 0)));
    }

    #[test]
    fn numbers_fill_their_range_and_leave_it_never() {
        let mut random = Random::new(1);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            let number = random.within(3..=7);
            seen[usize::try_from(number - 3).expect("in range")] += 1;
        }
        assert!(seen.iter().all(|count| (120..280).contains(count)), "{seen:?}");
        assert_eq!((random.below(0), random.within(9..=9)), (0, 9));
    }

    #[test]
    fn fingerprints_tell_lengths_and_places_apart() {
        let of = |bytes: &[u8]| Fingerprint::new(0).bytes(bytes).finish();
        assert_ne!(of(&[]), of(&[0]));
        assert_ne!(of(&[1, 0]), of(&[0, 1]));
        assert_eq!(of(&[1, 2, 3]), of(&[1, 2, 3]));
        let mut bits = 0;
        for bit in 0..64 {
            let (mut one, mut other) = (Fingerprint::new(0), Fingerprint::new(0));
            bits += (one.word(5).number() ^ other.word(5 ^ (1 << bit)).number()).count_ones();
        }
        assert!((24 * 64..40 * 64).contains(&bits), "{bits} of 4096 bits change");
    }
}
