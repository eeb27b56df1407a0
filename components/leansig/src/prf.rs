//! The pseudorandom function (SHAKE128) from which all secrets of a key are derived.
//!
//! Input and output each fit into one Keccak block, so that one evaluation is one permutation. As
//! many are evaluated at once as Keccak's vectors have lanes.

use p3_field::{PackedValue, PrimeCharacteristicRing};
use p3_keccak::{KeccakF, VECTOR_LEN};
use p3_symmetric::Permutation;
use rand::RngExt;
use zeroize::Zeroizing;

use crate::field::{DIGEST_LEN, F, P, Packed, RANDOMNESS_LEN};
use crate::packing::LANES;

/// Bytes of a PRF key.
pub(crate) const PRF_KEY_BYTES: usize = 32;

/// First bytes of every input.
const DOMAIN: [u8; 16] = [
    0xae, 0xae, 0x22, 0xff, 0x00, 0x01, 0xfa, 0xff, 0x21, 0xaf, 0x12, 0x00, 0x01, 0x11, 0xff, 0x00,
];
/// The byte after the domain when the start of a chain is derived.
const CHAIN_START: u8 = 0;
/// The byte after the domain when the randomness of a signature is derived.
const RANDOMNESS: u8 = 1;
/// Bytes that SHAKE128 absorbs or squeezes in one permutation.
const BLOCK: usize = 168;
/// Words of Keccak's state.
const WORDS: usize = 25;
/// The position of epoch and chain index in the input for a chain start.
const EPOCH_AT: usize = DOMAIN.len() + 1 + PRF_KEY_BYTES;
/// The position of the attempt's number in the input for randomness.
const COUNTER_AT: usize = EPOCH_AT + 4 + 32;

/// The secret from which everything else about a key is derived.
///
/// It is boxed so that moving it leaves no copies behind.
pub(crate) struct PrfKey(Box<Zeroizing<[u8; PRF_KEY_BYTES]>>);

impl PrfKey {
    pub(crate) fn random<R: RngExt + ?Sized>(rng: &mut R) -> Self {
        let mut key = Self::zero();
        for byte in key.0.iter_mut() {
            *byte = rng.random();
        }
        key
    }

    pub(crate) fn from_bytes(bytes: &[u8; PRF_KEY_BYTES]) -> Self {
        let mut key = Self::zero();
        key.0.copy_from_slice(bytes);
        key
    }

    fn zero() -> Self {
        Self(Box::new(Zeroizing::new([0; PRF_KEY_BYTES])))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; PRF_KEY_BYTES] {
        &self.0
    }

    /// Derives the starts of chains.
    pub(crate) fn chain_starts(&self) -> Derivation<DIGEST_LEN> {
        Derivation::new(self, CHAIN_START, &[], EPOCH_AT, 12)
    }

    /// Derives the randomness of the attempts to sign a message.
    pub(crate) fn randomness(&self, epoch: u32, message: &[u8; 32]) -> Derivation<RANDOMNESS_LEN> {
        let mut tail = [0; 36];
        tail[..4].copy_from_slice(&epoch.to_be_bytes());
        tail[4..].copy_from_slice(message);
        Derivation::new(self, RANDOMNESS, &tail, COUNTER_AT, 8)
    }
}

impl std::fmt::Debug for PrfKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrfKey(..)")
    }
}

/// The function with a fixed input except for the last bytes; yields `N` elements per lane.
pub(crate) struct Derivation<const N: usize> {
    /// Keccak's state after absorbing the input, with the variable bytes left zero.
    template: Box<Zeroizing<[u64; WORDS]>>,
    /// Scratch: overwritten by each evaluation, erased when dropped.
    state: Box<Zeroizing<[[u64; VECTOR_LEN]; WORDS]>>,
    variable_at: usize,
}

impl<const N: usize> Derivation<N> {
    /// `variable` bytes at `variable_at` end the input; both lie within two words of the state.
    fn new(key: &PrfKey, tag: u8, fixed: &[u8], variable_at: usize, variable: usize) -> Self {
        let mut block = Zeroizing::new([0u8; BLOCK]);
        let (domain, rest) = block.split_at_mut(DOMAIN.len());
        domain.copy_from_slice(&DOMAIN);
        rest[0] = tag;
        rest[1..=PRF_KEY_BYTES].copy_from_slice(key.as_bytes());
        rest[1 + PRF_KEY_BYTES..][..fixed.len()].copy_from_slice(fixed);
        // SHAKE's suffix and the first and last bit of the padding.
        block[variable_at + variable] = 0x1f;
        block[BLOCK - 1] |= 0x80;

        let mut template = Box::new(Zeroizing::new([0; WORDS]));
        for (word, bytes) in template.iter_mut().zip(block.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self { template, state: Box::new(Zeroizing::new([[0; VECTOR_LEN]; WORDS])), variable_at }
    }

    /// Evaluates for all lanes; `variable` writes a lane's last input bytes.
    #[inline]
    fn evaluate(&mut self, out: &mut [Packed; N], variable: impl Fn(usize, &mut [u8])) {
        let first_word = self.variable_at / 8;
        let within = self.variable_at % 8;
        for block in (0..LANES).step_by(VECTOR_LEN) {
            for (lanes, word) in self.state.iter_mut().zip(self.template.iter()) {
                *lanes = [*word; VECTOR_LEN];
            }
            let used = VECTOR_LEN.min(LANES - block);
            for lane in 0..used {
                let mut window = [0u8; 16];
                variable(block + lane, &mut window[within..]);
                let (words, _) = window.as_chunks::<8>();
                for (offset, bytes) in words.iter().enumerate() {
                    self.state[first_word + offset][lane] ^= u64::from_le_bytes(*bytes);
                }
            }
            KeccakF.permute_mut(&mut **self.state);
            for (slot, pair) in out.iter_mut().zip(self.state.as_chunks::<2>().0) {
                let slot = &mut slot.as_slice_mut()[block..block + used];
                for (lane, value) in slot.iter_mut().enumerate() {
                    *value = reduce(pair[0][lane].swap_bytes(), pair[1][lane].swap_bytes());
                }
            }
        }
    }
}

impl Derivation<DIGEST_LEN> {
    /// The start of one chain per lane; `place` is a lane's epoch and chain index.
    #[inline]
    pub(crate) fn starts(
        &mut self,
        out: &mut [Packed; DIGEST_LEN],
        place: impl Fn(usize) -> (u32, u64),
    ) {
        self.evaluate(out, |lane, bytes| {
            let (epoch, chain_index) = place(lane);
            bytes[..4].copy_from_slice(&epoch.to_be_bytes());
            bytes[4..12].copy_from_slice(&chain_index.to_be_bytes());
        });
    }
}

impl Derivation<RANDOMNESS_LEN> {
    /// The randomness of attempts `first`, `first + 1` and so on, one per lane.
    #[inline]
    pub(crate) fn attempts(&mut self, out: &mut [Packed; RANDOMNESS_LEN], first: u64) {
        self.evaluate(out, |lane, bytes| {
            bytes[..8].copy_from_slice(&(first + lane as u64).to_be_bytes());
        });
    }
}

/// A 128-bit number modulo p.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a remainder by p fits")]
const fn reduce(high: u64, low: u64) -> F {
    const TWO_64: u64 = ((1u128 << 64) % P as u128) as u64;
    F::new((((high % P) * TWO_64 + low % P) % P) as u32)
}

/// Erases packed values, which hold secrets until the first step of a chain.
pub(crate) fn erase<const N: usize>(values: &mut [Packed; N]) {
    // Field elements do not implement `Zeroize`; an opaque use keeps the stores.
    values.fill(Packed::ZERO);
    std::hint::black_box(values);
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroize;

    use super::*;
    use crate::packing::count_u32;

    /// Erases the seed in the way that dropping it does.
    #[test]
    fn a_seed_is_erased() {
        let mut key = PrfKey::from_bytes(&[7; PRF_KEY_BYTES]);
        key.0.zeroize();
        assert_eq!(key.as_bytes(), &[0; PRF_KEY_BYTES]);
    }

    #[test]
    fn numbers_of_128_bits_are_reduced() {
        for (high, low) in [(0, 0), (0, P), (1, 0), (u64::MAX, u64::MAX), (P, P - 1), (5, 1 << 63)]
        {
            let value = (u128::from(high) << 64) | u128::from(low);
            let remainder = u32::try_from(value % u128::from(P)).expect("it is below p");
            assert_eq!(reduce(high, low), F::new(remainder));
        }
    }

    #[test]
    fn lanes_are_independent() {
        let key = PrfKey::from_bytes(&[9; PRF_KEY_BYTES]);
        let mut together = [Packed::ZERO; DIGEST_LEN];
        key.chain_starts().starts(&mut together, |lane| (count_u32(lane) * 1000, 3));
        for lane in 0..LANES {
            let mut alone = [Packed::ZERO; DIGEST_LEN];
            key.chain_starts().starts(&mut alone, |_| (count_u32(lane) * 1000, 3));
            for (together, alone) in together.iter().zip(&alone) {
                assert_eq!(together.as_slice()[lane], alone.as_slice()[0]);
            }
        }
    }
}
