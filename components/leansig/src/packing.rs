//! The vector instructions that the field arithmetic was compiled for.

use p3_field::PackedValue;

use crate::field::Packed;

/// The number of field elements in a vector, which is the number of hashes computed at once.
pub const LANES: usize = <Packed as PackedValue>::WIDTH;

/// The packing of this build: `avx512`, `avx2`, `neon` or `none`.
///
/// Packing is chosen at compile time from the target's features. With `none` everything works, but
/// several times more slowly: build with `-C target-cpu=native` or `x86-64-v3`.
#[must_use]
pub const fn active() -> &'static str {
    if LANES == 1 {
        "none"
    } else if cfg!(all(target_arch = "x86_64", target_feature = "avx512f")) {
        "avx512"
    } else if cfg!(target_arch = "x86_64") {
        "avx2"
    } else {
        "neon"
    }
}

/// A number of lanes, epochs of a tree or nodes of a level, none of which exceeds 2^32 - 1.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "as the function's name and doc say")]
pub(crate) const fn count_u32(count: usize) -> u32 {
    count as u32
}

/// Returns true if this build computes one hash at a time.
#[must_use]
pub const fn is_scalar() -> bool {
    LANES == 1
}
