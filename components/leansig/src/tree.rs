//! The Merkle tree over all one-time keys of a key, divided into one top tree and many bottom
//! trees.

mod build;
mod encoding;

use crate::array::FieldArray;
use crate::field::{DIGEST_BYTES, Digest};
use crate::wire::WireError;

pub(crate) use build::{bottom_tree, hash_node, hash_nodes, top_tree};
pub(crate) use encoding::SubTreeForm;

/// The nodes of one level of a subtree, from `start_index` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTreeLayer {
    pub(crate) start_index: u64,
    pub(crate) nodes: Vec<Digest>,
}

impl HashTreeLayer {
    /// Makes a layer from its parts.
    #[must_use]
    pub fn new(start_index: u64, nodes: Vec<FieldArray<8>>) -> Self {
        Self { start_index, nodes: nodes.into_iter().map(|node| node.0).collect() }
    }

    /// Index of the first node within its level.
    #[must_use]
    pub fn start_index(&self) -> u64 {
        self.start_index
    }

    /// The nodes, from left to right.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = FieldArray<8>> + '_ {
        self.nodes.iter().map(|node| FieldArray(*node))
    }
}

/// The siblings from a leaf up to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashTreeOpening {
    pub(crate) siblings: Vec<Digest>,
}

impl HashTreeOpening {
    /// Makes an opening from its siblings.
    #[must_use]
    pub fn new(siblings: Vec<FieldArray<8>>) -> Self {
        Self { siblings: siblings.into_iter().map(|sibling| sibling.0).collect() }
    }

    /// The siblings, leaf first.
    pub fn siblings(&self) -> impl ExactSizeIterator<Item = FieldArray<8>> + '_ {
        self.siblings.iter().map(|sibling| FieldArray(*sibling))
    }
}

/// A part of the tree: all levels from `lowest_layer` up to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubTree {
    /// Levels of the whole tree above its leaves.
    pub(crate) depth: u64,
    pub(crate) lowest_layer: u64,
    pub(crate) layers: Vec<HashTreeLayer>,
}

impl SubTree {
    /// The topmost node. If there is padding, it is to its right.
    pub(crate) fn root(&self) -> Option<&Digest> {
        self.layers.last()?.nodes.first()
    }

    /// Appends the siblings on the path from a node of the lowest layer to the root.
    ///
    /// Nothing is appended for a level that does not have the sibling. The shape check of a secret
    /// key makes sure that every level has it.
    pub(crate) fn path_from(&self, mut index: u64, out: &mut Vec<Digest>) {
        let below_root = self.layers.len().saturating_sub(1);
        for layer in &self.layers[..below_root] {
            let at =
                (index ^ 1).checked_sub(layer.start_index).and_then(|at| usize::try_from(at).ok());
            out.extend(at.and_then(|at| layer.nodes.get(at)));
            index >>= 1;
        }
    }

    /// Checks that the tree has the levels and nodes that `expected` lists, as (start, length).
    pub(crate) fn check_shape(
        &self,
        depth: u64,
        lowest_layer: u64,
        expected: &[(u64, u64)],
    ) -> Result<(), WireError> {
        const WRONG: WireError = WireError::Inconsistent("a tree has too few or too many nodes");
        if self.depth != depth || self.lowest_layer != lowest_layer {
            return Err(WireError::Inconsistent("a tree has another position"));
        }
        if self.layers.len() != expected.len() {
            return Err(WRONG);
        }
        let matches = self.layers.iter().zip(expected).all(|(layer, (start, len))| {
            layer.start_index == *start && layer.nodes.len() as u64 == *len
        });
        if matches { Ok(()) } else { Err(WRONG) }
    }

    /// The memory that the nodes take, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.nodes.capacity() * DIGEST_BYTES).sum()
    }
}

/// The levels of a top tree over bottom trees `first..end`. Each level is extended to whole pairs
/// of siblings.
pub(crate) fn top_shape(half_depth: u32, first: u64, end: u64) -> Vec<(u64, u64)> {
    let (mut first, mut last) = (first, end - 1);
    (0..=half_depth)
        .map(|_| {
            let start = first & !1;
            let level = (start, (last | 1) + 1 - start);
            first >>= 1;
            last >>= 1;
            level
        })
        .collect()
}

/// The levels of a bottom tree.
pub(crate) fn bottom_shape(half_depth: u32, index: u64) -> Vec<(u64, u64)> {
    (0..=half_depth).rev().map(|height| (index << height, 1 << height)).collect()
}
