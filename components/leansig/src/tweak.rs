//! Tweaks: the position of a hash in a key, so that no two hashes of a key are computed in the same
//! way.

use crate::field::{F, two_limbs};

const CHAIN_PREFIX: u64 = 0x00;
const TREE_PREFIX: u64 = 0x01;
const MESSAGE_PREFIX: u64 = 0x02;

/// A node at `level` of the tree (0: leaves), `index` from the left.
#[inline]
pub const fn tree(level: u32, index: u32) -> [F; 2] {
    two_limbs(((level as u64) << 40) | ((index as u64) << 8) | TREE_PREFIX)
}

/// Step 1 to 7 of a chain at an epoch.
#[inline]
pub const fn chain(epoch: u32, chain_index: u8, step: u8) -> [F; 2] {
    two_limbs(
        ((epoch as u64) << 24) | ((chain_index as u64) << 16) | ((step as u64) << 8) | CHAIN_PREFIX,
    )
}

/// The hash of the message for an epoch.
#[inline]
pub const fn message(epoch: u32) -> [F; 2] {
    two_limbs(((epoch as u64) << 8) | MESSAGE_PREFIX)
}
