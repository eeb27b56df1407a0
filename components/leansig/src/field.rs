//! The `KoalaBear` field, its packed form, and integers written in base p.

use p3_field::{Field, PrimeField32};
use p3_koala_bear::KoalaBear;

/// A field element; p = 2^31 - 2^24 + 1.
pub type F = KoalaBear;

/// As many field elements as one vector register holds; one on targets without vectors.
pub(crate) type Packed = <F as Field>::Packing;

/// Elements in a digest.
pub const DIGEST_LEN: usize = 8;
/// Elements in the public parameter of a key.
pub const PARAMETER_LEN: usize = 5;
/// Elements in the randomness of a signature.
pub const RANDOMNESS_LEN: usize = 7;
/// Bytes of an encoded field element.
pub(crate) const ELEMENT_BYTES: usize = 4;
/// Bytes of an encoded digest.
pub(crate) const DIGEST_BYTES: usize = DIGEST_LEN * ELEMENT_BYTES;

/// A digest: a node, or a value of a chain.
pub type Digest = [F; DIGEST_LEN];
/// The public parameter of a key.
pub type Parameter = [F; PARAMETER_LEN];
/// The randomness of a signature.
pub type Randomness = [F; RANDOMNESS_LEN];

/// The field's modulus, wide enough for arithmetic.
pub(crate) const P: u64 = F::ORDER_U32 as u64;

/// The two lowest base-p digits of `value`, which must be below p^2.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both digits are below p < 2^31")]
pub(crate) const fn two_limbs(value: u64) -> [F; 2] {
    [F::new((value % P) as u32), F::new((value / P) as u32)]
}

/// Base-p digits of `bytes`, read as one little-endian integer, lowest digit first.
///
/// Nine digits hold any 32 bytes, since p^9 > 2^278.
#[expect(
    clippy::cast_possible_truncation,
    reason = "quotients of words below 2^32 by p, and remainders"
)]
pub(crate) fn limbs_of_bytes(bytes: &[u8; 32]) -> [F; 9] {
    let mut words = [0u32; 8];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*chunk);
    }
    let mut limbs = [F::new(0); 9];
    for limb in &mut limbs {
        let mut remainder = 0u64;
        for word in words.iter_mut().rev() {
            let dividend = (remainder << 32) | u64::from(*word);
            *word = (dividend / P) as u32;
            remainder = dividend % P;
        }
        *limb = F::new(remainder as u32);
    }
    limbs
}
