//! Poseidon1 as a compression function and as a sponge, over one state or a packed vector of
//! states.

use std::sync::LazyLock;

use p3_field::PrimeCharacteristicRing;
use p3_koala_bear::{
    Poseidon1KoalaBear, default_koalabear_poseidon1_16, default_koalabear_poseidon1_24,
};
use p3_symmetric::Permutation;

use crate::array::FieldArray;
use crate::field::{DIGEST_LEN, F, PARAMETER_LEN, two_limbs};
use crate::params::CAPACITY;

const RATE: usize = 24 - CAPACITY;

static POSEIDON_16: LazyLock<Poseidon1KoalaBear<16>> =
    LazyLock::new(default_koalabear_poseidon1_16);
static POSEIDON_24: LazyLock<Poseidon1KoalaBear<24>> =
    LazyLock::new(default_koalabear_poseidon1_24);

/// A field element or a packed vector of them.
pub(crate) trait Lane: PrimeCharacteristicRing + Copy {
    /// Applies the permutation of width 16.
    fn permute_16(state: &mut [Self; 16]);
    /// Applies the permutation of width 24.
    fn permute_24(state: &mut [Self; 24]);
}

impl<A> Lane for A
where
    A: PrimeCharacteristicRing + Copy,
    Poseidon1KoalaBear<16>: Permutation<[A; 16]>,
    Poseidon1KoalaBear<24>: Permutation<[A; 24]>,
{
    #[inline]
    fn permute_16(state: &mut [A; 16]) {
        POSEIDON_16.permute_mut(state);
    }

    #[inline]
    fn permute_24(state: &mut [A; 24]) {
        POSEIDON_24.permute_mut(state);
    }
}

/// Width-16 compression: permute, add the input back, keep one digest.
#[inline]
pub(crate) fn compress_16<A: Lane>(input: &[A; 16]) -> [A; DIGEST_LEN] {
    let mut state = *input;
    A::permute_16(&mut state);
    std::array::from_fn(|i| state[i] + input[i])
}

/// Width-24 compression to `N` elements.
#[inline]
pub(crate) fn compress_24<A: Lane, const N: usize>(input: &[A; 24]) -> [A; N] {
    let mut state = *input;
    A::permute_24(&mut state);
    std::array::from_fn(|i| state[i] + input[i])
}

/// Hashes a leaf: parameter, tweak and chain ends overwrite the sponge's rate, block by block.
pub(crate) fn hash_leaf<A: Lane + From<F>>(
    capacity: &[F; CAPACITY],
    parameter: &[A; PARAMETER_LEN],
    tweak: &[A; 2],
    chain_ends: &[[A; DIGEST_LEN]],
) -> [A; DIGEST_LEN] {
    let mut state = [A::ZERO; 24];
    for (slot, value) in state.iter_mut().zip(capacity) {
        *slot = A::from(*value);
    }
    let mut filled = 0;
    let input = parameter.iter().chain(tweak).chain(chain_ends.as_flattened());
    for value in input {
        if filled == RATE {
            A::permute_24(&mut state);
            filled = 0;
        }
        state[CAPACITY + filled] = *value;
        filled += 1;
    }
    // The last block is padded with zeros.
    state[CAPACITY + filled..].fill(A::ZERO);
    A::permute_24(&mut state);
    std::array::from_fn(|i| state[CAPACITY + i])
}

/// The sponge's initial capacity: a hash of the lengths of the input.
///
/// The four lengths are packed into one 128-bit integer, 32 bits each.
pub(crate) fn leaf_capacity(dimension: usize) -> [F; CAPACITY] {
    let lengths = [PARAMETER_LEN, 2, dimension, DIGEST_LEN];
    let mut packed = lengths.iter().fold(0u128, |acc, length| (acc << 32) | *length as u128);
    let mut input = [F::ZERO; 24];
    let modulus = u128::from(crate::field::P);
    for limb in &mut input {
        let digit = u64::try_from(packed % modulus).expect("a remainder by p fits");
        *limb = two_limbs(digit)[0];
        packed /= modulus;
    }
    compress_24(&input)
}

/// The permutation of width 16 itself.
#[must_use]
pub fn permute_16(state: FieldArray<16>) -> FieldArray<16> {
    FieldArray(POSEIDON_16.permute(state.0))
}

/// The permutation of width 24 itself.
#[must_use]
pub fn permute_24(state: FieldArray<24>) -> FieldArray<24> {
    FieldArray(POSEIDON_24.permute(state.0))
}
