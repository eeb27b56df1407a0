//! Turns a message into a codeword: the digits that say how far each chain is walked.

use p3_field::{PrimeCharacteristicRing, PrimeField32};

use crate::field::{F, Parameter, RANDOMNESS_LEN, limbs_of_bytes};
use crate::params::{BASE, DIGITS_PER_ELEMENT, Params, QUOTIENT};
use crate::tweak;

/// Elements of the message hash that a codeword may need.
pub(crate) const MAX_HASH_ELEMENTS: usize = 6;
/// The most digits that a codeword may have.
pub(crate) const MAX_DIMENSION: usize = MAX_HASH_ELEMENTS * DIGITS_PER_ELEMENT;
/// The position of the randomness in the input of the message hash.
pub(crate) const RANDOMNESS_AT: usize = 16;

/// The digits of a codeword; those past the preset's dimension are zero.
pub(crate) type Codeword = [u8; MAX_DIMENSION];

/// The input of the message hash, with the randomness left zero.
pub(crate) fn message_hash_input(parameter: &Parameter, epoch: u32, message: &[u8; 32]) -> [F; 24] {
    let mut input = [F::ZERO; 24];
    input[..9].copy_from_slice(&limbs_of_bytes(message));
    input[9..14].copy_from_slice(parameter);
    input[14..RANDOMNESS_AT].copy_from_slice(&tweak::message(epoch));
    debug_assert_eq!(RANDOMNESS_AT + RANDOMNESS_LEN, 23);
    input
}

/// The codeword of a message hash, if its digits add up to the target sum.
///
/// All field elements except p - 1 fall into `BASE^DIGITS_PER_ELEMENT` groups of equal size, so
/// that the digits of the group's number are uniform; p - 1 is refused.
pub(crate) fn decode_codeword(params: &Params, hash: &[F; MAX_HASH_ELEMENTS]) -> Option<Codeword> {
    const REFUSED: u32 = F::ORDER_U32 - 1;
    let mut codeword = [0u8; MAX_DIMENSION];
    let used = params.dimension.div_ceil(DIGITS_PER_ELEMENT);
    let (groups, _) = codeword.as_chunks_mut::<DIGITS_PER_ELEMENT>();
    for (digits, element) in groups.iter_mut().zip(&hash[..used]) {
        let value = element.as_canonical_u32();
        if value == REFUSED {
            return None;
        }
        let mut quotient = value / QUOTIENT;
        for digit in digits {
            *digit = quotient.to_le_bytes()[0] % BASE;
            quotient /= u32::from(BASE);
        }
    }
    codeword[params.dimension..].fill(0);
    let sum: u32 = codeword.iter().map(|digit| u32::from(*digit)).sum();
    (sum == params.target_sum).then_some(codeword)
}
