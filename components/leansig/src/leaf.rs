//! Computes the leaves of a bottom tree: from the seed to the hash of all chain ends of an epoch.

use p3_field::{PackedValue, PrimeCharacteristicRing};

use crate::field::{DIGEST_LEN, Digest, F, P, PARAMETER_LEN, Packed, Parameter};
use crate::packing::{LANES, count_u32};
use crate::params::{Params, STEPS};
use crate::poseidon::{compress_16, hash_leaf};
use crate::prf::{Derivation, PrfKey, erase};
use crate::tweak;

/// Computes the leaves of consecutive epochs; each lane works on another epoch.
pub(crate) fn compute_leaves(
    params: &Params,
    prf_key: &PrfKey,
    parameter: &Parameter,
    first_epoch: u32,
    leaves: &mut [Digest],
) {
    let mut derivation = prf_key.chain_starts();
    let packed_parameter = parameter.map(Packed::from);
    let mut ends = vec![[Packed::ZERO; DIGEST_LEN]; params.dimension];
    for (group, leaves) in leaves.chunks_mut(LANES).enumerate() {
        let epochs = first_epoch + count_u32(group * LANES);
        walk_all(&mut derivation, &packed_parameter, epochs, &mut ends);
        let tweak = packed_pair(|lane| tweak::tree(0, epochs + count_u32(lane)));
        let hashes = hash_leaf(params.leaf_capacity(), &packed_parameter, &tweak, &ends);
        for (lane, leaf) in leaves.iter_mut().enumerate() {
            *leaf = std::array::from_fn(|i| hashes[i].as_slice()[lane]);
        }
    }
    for end in &mut ends {
        erase(end);
    }
}

/// Walks all chains of one epoch per lane, from their starts to their ends.
fn walk_all(
    derivation: &mut Derivation<DIGEST_LEN>,
    parameter: &[Packed; PARAMETER_LEN],
    first_epoch: u32,
    ends: &mut [[Packed; DIGEST_LEN]],
) {
    let tweaks = ChainTweaks::new(first_epoch);
    let mut state = [Packed::ZERO; 16];
    state[DIGEST_LEN..DIGEST_LEN + PARAMETER_LEN].copy_from_slice(parameter);
    for (chain_index, end) in (0u8..).zip(ends) {
        derivation.starts(end, |lane| (first_epoch + count_u32(lane), u64::from(chain_index)));
        state[..DIGEST_LEN].copy_from_slice(end);
        for step in 1..=STEPS {
            state[13..15].copy_from_slice(&tweaks.at(chain_index, step));
            let value = compress_16(&state);
            state[..DIGEST_LEN].copy_from_slice(&value);
        }
        end.copy_from_slice(&state[..DIGEST_LEN]);
    }
}

/// The chain tweaks of consecutive epochs.
///
/// Chain index and step are the low bits of a tweak. Unless they carry into the upper limb, they
/// are a single addition to the lower limb.
struct ChainTweaks {
    first_epoch: u32,
    base: [Packed; 2],
    carries: bool,
}

impl ChainTweaks {
    fn new(first_epoch: u32) -> Self {
        let lanes = first_epoch..=first_epoch.saturating_add(count_u32(LANES) - 1);
        let carries = lanes.into_iter().any(|epoch| (u64::from(epoch) << 24) % P >= P - (1 << 24));
        let base =
            packed_pair(|lane| tweak::chain(first_epoch.wrapping_add(count_u32(lane)), 0, 0));
        Self { first_epoch, base, carries }
    }

    #[inline]
    fn at(&self, chain_index: u8, step: u8) -> [Packed; 2] {
        if self.carries {
            return packed_pair(|lane| {
                tweak::chain(self.first_epoch.wrapping_add(count_u32(lane)), chain_index, step)
            });
        }
        let low = F::new((u32::from(chain_index) << 16) | (u32::from(step) << 8));
        [self.base[0] + Packed::from(low), self.base[1]]
    }
}

fn packed_pair(lanes: impl Fn(usize) -> [F; 2]) -> [Packed; 2] {
    let lanes: [[F; 2]; LANES] = std::array::from_fn(lanes);
    std::array::from_fn(|limb| Packed::from_fn(|lane| lanes[lane][limb]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Epochs whose tweaks carry into the upper limb for some chains or steps, and others.
    #[test]
    fn tweaks_of_lanes_are_those_of_their_epochs() {
        let carrying = (0..200_000u32).filter(|epoch| {
            let low = (u64::from(*epoch) << 24) % P;
            low + (45 << 16) + (7 << 8) >= P
        });
        let mut carried = 0;
        for epoch in carrying.take(20).chain([0, 1, 1 << 20, u32::MAX - count_u32(LANES) + 1]) {
            let tweaks = ChainTweaks::new(epoch);
            carried += usize::from(tweaks.carries);
            for (chain_index, step) in [(0, 1), (3, 7), (45, 1), (45, 7)] {
                let packed = tweaks.at(chain_index, step);
                for lane in 0..LANES {
                    let expected = tweak::chain(epoch + count_u32(lane), chain_index, step);
                    assert_eq!(packed.map(|limb| limb.as_slice()[lane]), expected);
                }
            }
        }
        assert!(carried >= 20, "the slower way is tested too");
    }
}
