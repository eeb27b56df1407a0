//! The parts of a valid signature, for programs that prove that signatures are valid.
//!
//! A proof system states the verification of [`Scheme::verify`](crate::scheme::Scheme::verify) as
//! equations over the field. It needs what is behind the bytes: elements of keys and signatures, the
//! numbers of a preset, and the constants that go into each hash. Who only verifies needs none of
//! this.
//!
//! The verification of a signature, with `w16` and `w24` for the permutations of
//! [`poseidon`](crate::poseidon):
//!
//! - **Message**: the input of `w24` is the message's 9 elements, the parameter's 5, the message
//!   tweak's 2, the randomness' 7 and a zero. Of the sum of output and input, the first
//!   [`hash_elements`](Shape::hash_elements) each give [`DIGITS_PER_ELEMENT`] digits: the element is
//!   `QUOTIENT * q + r` with `r < QUOTIENT`, and `q` in base [`BASE`], lowest first, is the digits.
//!   p - 1 gives none. The first [`dimension`](Shape::dimension) digits add up to
//!   [`target_sum`](Shape::target_sum).
//! - **Chains**: step `s` of a chain takes its value's 8 elements, the parameter's 5, the chain
//!   tweak's 2 and a zero; the value after it is the first 8 of the sum of `w16`'s output and input.
//!   The signature's value of a chain stands after as many steps as its digit says, the end after
//!   [`STEPS`].
//! - **Leaf**: a sponge over `w24` whose first 9 elements start as
//!   [`leaf_capacity`](Shape::leaf_capacity). Parameter, tree tweak of level 0 and the ends overwrite
//!   the other 15, block by block, the last one filled up with zeros. The leaf is the 8 elements
//!   after the first 9.
//! - **Path**: a node takes the parameter's 5 elements, the tree tweak's 2, the left child's 8, the
//!   right one's 8 and a zero; it is the first 8 of the sum of `w24`'s output and input.

pub use crate::field::{DIGEST_LEN, Digest, F as Element, PARAMETER_LEN, Parameter};
pub use crate::field::{RANDOMNESS_LEN, Randomness};
pub use crate::params::{BASE, CAPACITY, DIGITS_PER_ELEMENT, QUOTIENT, STEPS};
pub use crate::tweak::{chain as chain_tweak, message as message_tweak, tree as tree_tweak};
pub use crate::verify::shifted as tree_index;
pub use crate::wire::{PublicKeyParts, SignatureParts};

use crate::field::limbs_of_bytes;
use crate::scheme::{Scheme, WireError};

/// Elements of a message: its bytes as a number in base p, lowest digit first.
pub const MESSAGE_LEN: usize = 9;

/// The numbers of a preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Levels of the tree: the logarithm of the number of epochs.
    pub log_lifetime: usize,
    /// Chains.
    pub dimension: usize,
    /// The sum of a codeword's digits.
    pub target_sum: usize,
    /// Elements of the message hash that give digits.
    pub hash_elements: usize,
    /// The part of the sponge's state from which the hashing of a leaf starts.
    pub leaf_capacity: [Element; CAPACITY],
}

impl Scheme {
    /// The preset's numbers.
    #[must_use]
    pub fn shape(self) -> Shape {
        let params = self.params();
        Shape {
            log_lifetime: params.path_len(),
            dimension: params.dimension,
            target_sum: params.target_sum as usize,
            hash_elements: params.dimension.div_ceil(DIGITS_PER_ELEMENT),
            leaf_capacity: *params.leaf_capacity(),
        }
    }

    /// The elements of an encoded public key.
    ///
    /// # Errors
    /// If it is no encoding of a key.
    pub fn key_parts(self, public_key: &[u8]) -> Result<PublicKeyParts, WireError> {
        PublicKeyParts::decode(public_key)
    }

    /// The elements of an encoded signature.
    ///
    /// # Errors
    /// If it is no encoding of a signature of this preset.
    pub fn signature_parts(self, signature: &[u8]) -> Result<SignatureParts, WireError> {
        SignatureParts::decode(self.params(), signature)
    }
}

/// The elements of a message.
pub fn message_elements(message: &[u8; crate::MESSAGE_LENGTH]) -> [Element; MESSAGE_LEN] {
    limbs_of_bytes(message)
}
