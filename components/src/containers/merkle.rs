//! Merkle roots of lists of chunks in memory, without allocation.

use ethereum_hashing::{ZERO_HASHES, hash_fixed};

use super::Root;

/// The root of a tree with `2^depth` leaves: the given ones, filled up with zeros. The leaves are
/// overwritten.
///
/// Panics if there are more than `2^depth` leaves, or if `depth` is above 48.
pub(super) fn merkle_root(leaves: &mut [Root], depth: usize) -> Root {
    assert!(leaves.len() <= 1 << depth, "{} leaves at depth {depth}", leaves.len());
    let mut width = leaves.len();
    if width == 0 {
        return Root::from(ZERO_HASHES[depth]);
    }
    for zeros in &ZERO_HASHES[..depth] {
        for at in 0..width / 2 {
            leaves[at] = hash_pair(&leaves[2 * at].0, &leaves[2 * at + 1].0);
        }
        if width % 2 == 1 {
            leaves[width / 2] = hash_pair(&leaves[width - 1].0, zeros);
        }
        width = width.div_ceil(2);
    }
    leaves[0]
}

/// The depth of the smallest tree with room for this many leaves.
pub(super) const fn depth_of(leaves: usize) -> usize {
    leaves.next_power_of_two().trailing_zeros() as usize
}

fn hash_pair(left: &[u8; 32], right: &[u8; 32]) -> Root {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(left);
    pair[32..].copy_from_slice(right);
    Root::from(hash_fixed(&pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_root_of_the_same_bytes() {
        for depth in 0..6 {
            for count in 0..=1usize << depth {
                let bytes: Vec<u8> =
                    (0..count * 32).map(|at| (at * 7 + count).to_le_bytes()[0]).collect();
                let mut leaves: Vec<Root> = bytes.chunks(32).map(Root::from_slice).collect();
                let expected = tree_hash::merkle_root(&bytes, 1 << depth);
                assert_eq!(merkle_root(&mut leaves, depth), expected, "{count} of {}", 1 << depth);
            }
        }
    }

    #[test]
    fn depths() {
        assert_eq!([1, 2, 3, 4, 5, 10].map(depth_of), [0, 1, 2, 2, 3, 4]);
    }
}
