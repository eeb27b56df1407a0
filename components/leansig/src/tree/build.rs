//! Builds trees from their lowest layer, several nodes at a time.

use p3_field::{PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;

use super::{HashTreeLayer, SubTree};
use crate::field::{DIGEST_LEN, Digest, F, PARAMETER_LEN, Packed, Parameter};
use crate::packing::{LANES, count_u32};
use crate::poseidon::compress_24;
use crate::tweak;

/// Nodes that one rayon task computes.
const CHUNK: usize = 64 * LANES;

/// The position of the children in the input of a node's hash.
const LEFT_AT: usize = PARAMETER_LEN + 2;
const RIGHT_AT: usize = LEFT_AT + DIGEST_LEN;

/// The tree over the leaves of one bottom tree.
pub(crate) fn bottom_tree(
    log_lifetime: u32,
    index: u32,
    parameter: &Parameter,
    leaves: Vec<Digest>,
) -> SubTree {
    let half = log_lifetime / 2;
    let mut layers = Vec::with_capacity(half as usize + 1);
    let mut layer = HashTreeLayer { start_index: u64::from(index) << half, nodes: leaves };
    for level in 1..=half {
        let parents = parents(parameter, level, &layer);
        layers.push(std::mem::replace(&mut layer, parents));
    }
    layers.push(layer);
    SubTree { depth: u64::from(log_lifetime), lowest_layer: 0, layers }
}

/// The tree over bottom trees' roots. Nodes that are missing from whole pairs come from `padding`,
/// from the lowest layer up and from left to right.
pub(crate) fn top_tree(
    log_lifetime: u32,
    first: u32,
    parameter: &Parameter,
    roots: Vec<Digest>,
    padding: Vec<Digest>,
) -> SubTree {
    let half = log_lifetime / 2;
    let mut padding = padding.into_iter();
    let mut layers = Vec::with_capacity(half as usize + 1);
    let mut layer = padded(&mut padding, u64::from(first), roots);
    for level in half + 1..=log_lifetime {
        let parents = parents(parameter, level, &layer);
        let parents = padded(&mut padding, parents.start_index, parents.nodes);
        layers.push(std::mem::replace(&mut layer, parents));
    }
    layers.push(layer);
    debug_assert!(padding.next().is_none(), "padding is counted before it is drawn");
    SubTree { depth: u64::from(log_lifetime), lowest_layer: u64::from(half), layers }
}

fn padded(
    padding: &mut impl Iterator<Item = Digest>,
    start: u64,
    nodes: Vec<Digest>,
) -> HashTreeLayer {
    let front = if start % 2 == 1 { padding.next() } else { None };
    let len = nodes.len() + usize::from(front.is_some());
    let mut padded = Vec::with_capacity(len.next_multiple_of(2));
    padded.extend(front);
    padded.extend(nodes);
    if padded.len() % 2 == 1 {
        padded.extend(padding.next());
    }
    HashTreeLayer { start_index: start & !1, nodes: padded }
}

/// The layer above one that holds whole pairs.
#[expect(clippy::cast_possible_truncation, reason = "a level has at most 2^32 nodes")]
fn parents(parameter: &Parameter, level: u32, children: &HashTreeLayer) -> HashTreeLayer {
    let start_index = children.start_index / 2;
    let (pairs, _) = children.nodes.as_chunks::<2>();
    let mut nodes = vec![[F::ZERO; DIGEST_LEN]; pairs.len()];
    nodes.par_chunks_mut(CHUNK).zip(pairs.par_chunks(CHUNK)).enumerate().for_each(
        |(chunk, (nodes, pairs))| {
            let first = start_index as u32 + (chunk * CHUNK) as u32;
            let mut index = first;
            for (nodes, pairs) in nodes.chunks_mut(LANES).zip(pairs.chunks(LANES)) {
                let tweaks = |lane: usize| tweak::tree(level, index + count_u32(lane));
                hash_group(parameter, tweaks, nodes, pairs);
                index += count_u32(LANES);
            }
        },
    );
    HashTreeLayer { start_index, nodes }
}

/// Hashes at most one vector of pairs with one parameter.
fn hash_group(
    parameter: &Parameter,
    tweaks: impl Fn(usize) -> [F; 2],
    nodes: &mut [Digest],
    pairs: &[[Digest; 2]],
) {
    if let ([node], [[left, right]]) = (&mut *nodes, pairs) {
        *node = hash_node(parameter, tweaks(0), left, right);
        return;
    }
    let packed_parameter = parameter.map(Packed::from);
    let mut packed_tweak = [Packed::ZERO; 2];
    let mut left = [Packed::ZERO; DIGEST_LEN];
    let mut right = [Packed::ZERO; DIGEST_LEN];
    for (lane, pair) in pairs.iter().enumerate() {
        put(&mut packed_tweak, lane, &tweaks(lane));
        put(&mut left, lane, &pair[0]);
        put(&mut right, lane, &pair[1]);
    }
    let hashes = hash_nodes(&packed_parameter, &packed_tweak, &left, &right);
    for (lane, node) in nodes.iter_mut().enumerate() {
        *node = std::array::from_fn(|i| hashes[i].as_slice()[lane]);
    }
}

#[inline]
fn put<const N: usize>(packed: &mut [Packed; N], lane: usize, values: &[F; N]) {
    for (slot, value) in packed.iter_mut().zip(values) {
        slot.as_slice_mut()[lane] = *value;
    }
}

/// An inner node from its children.
pub(crate) fn hash_node(
    parameter: &Parameter,
    tweak: [F; 2],
    left: &Digest,
    right: &Digest,
) -> Digest {
    let mut input = [F::ZERO; 24];
    input[..PARAMETER_LEN].copy_from_slice(parameter);
    input[PARAMETER_LEN..LEFT_AT].copy_from_slice(&tweak);
    input[LEFT_AT..RIGHT_AT].copy_from_slice(left);
    input[RIGHT_AT..RIGHT_AT + DIGEST_LEN].copy_from_slice(right);
    compress_24(&input)
}

/// Inner nodes, one per lane.
pub(crate) fn hash_nodes(
    parameter: &[Packed; PARAMETER_LEN],
    tweak: &[Packed; 2],
    left: &[Packed; DIGEST_LEN],
    right: &[Packed; DIGEST_LEN],
) -> [Packed; DIGEST_LEN] {
    let mut input = [Packed::ZERO; 24];
    input[..PARAMETER_LEN].copy_from_slice(parameter);
    input[PARAMETER_LEN..LEFT_AT].copy_from_slice(tweak);
    input[LEFT_AT..RIGHT_AT].copy_from_slice(left);
    input[RIGHT_AT..RIGHT_AT + DIGEST_LEN].copy_from_slice(right);
    compress_24(&input)
}
