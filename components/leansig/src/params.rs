//! The numbers that distinguish the presets.

use std::sync::OnceLock;

use crate::field::{DIGEST_BYTES, ELEMENT_BYTES, F, RANDOMNESS_LEN};
use crate::poseidon::leaf_capacity;

/// The number of values of a chain position: each chain has `BASE - 1` steps.
pub const BASE: u8 = 8;
/// Steps of a whole chain.
pub const STEPS: u8 = BASE - 1;
/// Codeword digits that one field element of the message hash yields.
pub const DIGITS_PER_ELEMENT: usize = 8;
/// Size of the groups of residues that share a quotient: `QUOTIENT * BASE^DIGITS_PER_ELEMENT = p - 1`.
pub const QUOTIENT: u32 = 127;
/// The number of attempts after which signing fails to find a codeword.
pub(crate) const MAX_TRIES: u64 = 100_000;
/// Elements of the sponge state that input never touches.
pub const CAPACITY: usize = 9;

/// The numbers of one preset.
#[derive(Debug)]
pub(crate) struct Params {
    pub(crate) log_lifetime: u32,
    pub(crate) dimension: usize,
    pub(crate) target_sum: u32,
    leaf_capacity: OnceLock<[F; CAPACITY]>,
}

pub(crate) static LIFETIME_8: Params = Params::new(8, 4, 6);
pub(crate) static LIFETIME_18: Params = Params::new(18, 46, 200);
pub(crate) static LIFETIME_32: Params = Params::new(32, 46, 200);

impl Params {
    const fn new(log_lifetime: u32, dimension: usize, target_sum: u32) -> Self {
        Self { log_lifetime, dimension, target_sum, leaf_capacity: OnceLock::new() }
    }

    /// Epochs in the lifetime.
    pub(crate) const fn lifetime(&self) -> u64 {
        1 << self.log_lifetime
    }

    /// Leaves of one bottom tree: the square root of the lifetime.
    pub(crate) const fn bottom_leaves(&self) -> u64 {
        1 << (self.log_lifetime / 2)
    }

    /// Siblings on an authentication path.
    pub(crate) const fn path_len(&self) -> usize {
        self.log_lifetime as usize
    }

    /// Bytes of an encoded signature: three offsets, the randomness, the path and the chain values.
    pub(crate) const fn signature_len(&self) -> usize {
        3 * 4 + RANDOMNESS_LEN * ELEMENT_BYTES + (self.path_len() + self.dimension) * DIGEST_BYTES
    }

    /// The capacity part of the sponge state from which the hashing of a leaf starts.
    pub(crate) fn leaf_capacity(&self) -> &[F; CAPACITY] {
        self.leaf_capacity.get_or_init(|| leaf_capacity(self.dimension))
    }
}
