//! A secret key of any preset: its window of prepared epochs, its encoding, and signing.

mod encoding;
mod sign;

use std::ops::Range;

use crate::field::{Digest, Parameter};
use crate::key_gen::{KeyGenError, KeyGenOptions, bottom_tree_of};
use crate::params::Params;
use crate::prf::PrfKey;
use crate::tree::{SubTree, bottom_shape, top_shape};
use crate::wire::{PublicKeyParts, WireError};

pub(crate) use encoding::SigningKeyForm;

/// The secret seed, the public parameter, the top tree, and two neighbouring bottom trees.
///
/// The seed erases itself when dropped. Everything else consists of hashes, which signatures and
/// the public key reveal.
pub(crate) struct SigningKey {
    pub(crate) params: &'static Params,
    pub(crate) prf_key: PrfKey,
    pub(crate) parameter: Parameter,
    pub(crate) activation_epoch: u64,
    pub(crate) num_active_epochs: u64,
    pub(crate) top_tree: SubTree,
    pub(crate) left_bottom_tree_index: u64,
    pub(crate) left_bottom_tree: SubTree,
    pub(crate) right_bottom_tree: SubTree,
}

/// A bottom tree that was computed for a key and is added to it later.
pub struct NextBottomTree {
    index: u64,
    parameter: Parameter,
    tree: SubTree,
}

impl std::fmt::Debug for NextBottomTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NextBottomTree").field("index", &self.index).finish_non_exhaustive()
    }
}

impl SigningKey {
    pub(crate) fn activation(&self) -> Range<u64> {
        self.activation_epoch..self.activation_epoch + self.num_active_epochs
    }

    pub(crate) fn prepared(&self) -> Range<u64> {
        let width = self.params.bottom_leaves();
        let start = self.left_bottom_tree_index * width;
        start..start + 2 * width
    }

    pub(crate) fn public_key(&self) -> PublicKeyParts {
        PublicKeyParts { root: *self.root(), parameter: self.parameter }
    }

    fn root(&self) -> &Digest {
        self.top_tree.root().expect("a key is only built with a top tree of the right shape")
    }

    /// The root of a bottom tree, according to the top tree.
    fn bottom_root(&self, index: u64) -> Option<&Digest> {
        let roots = self.top_tree.layers.first()?;
        let at = usize::try_from(index.checked_sub(roots.start_index)?).ok()?;
        roots.nodes.get(at)
    }

    /// The index of the bottom tree after the prepared ones, if the key has one more.
    fn next_index(&self) -> Option<u64> {
        let next = self.left_bottom_tree_index + 2;
        ((next + 1) * self.params.bottom_leaves() <= self.activation().end).then_some(next)
    }

    /// Computes the bottom tree after the prepared ones; `None` if the activation ends with them.
    pub(crate) fn prepare_next(
        &self,
        options: &KeyGenOptions<'_>,
    ) -> Result<Option<NextBottomTree>, KeyGenError> {
        let Some(index) = self.next_index() else { return Ok(None) };
        let tree = options
            .run(|| bottom_tree_of(self.params, &self.prf_key, &self.parameter, index, options))?;
        if tree.root() != self.bottom_root(index) {
            return Err(KeyGenError::Damaged);
        }
        Ok(Some(NextBottomTree { index, parameter: self.parameter, tree }))
    }

    /// Moves the window by one bottom tree. Returns the tree if it is not the next one.
    pub(crate) fn advance_with(&mut self, next: NextBottomTree) -> Result<(), NextBottomTree> {
        if self.next_index() != Some(next.index) || self.parameter != next.parameter {
            return Err(next);
        }
        self.left_bottom_tree = std::mem::replace(&mut self.right_bottom_tree, next.tree);
        self.left_bottom_tree_index += 1;
        Ok(())
    }

    pub(crate) fn advance(&mut self) {
        // It cannot be cancelled. If the key is damaged, its window does not move.
        if let Ok(Some(next)) = self.prepare_next(&KeyGenOptions::default()) {
            let moved = self.advance_with(next).is_ok();
            debug_assert!(moved, "the tree was prepared for this key");
        }
    }

    /// Bytes of memory that the trees take.
    pub(crate) fn memory_bytes(&self) -> usize {
        [&self.top_tree, &self.left_bottom_tree, &self.right_bottom_tree]
            .map(SubTree::memory_bytes)
            .iter()
            .sum()
    }

    /// Checks everything that signing and advancing rely on, without computing hashes again.
    fn check(self) -> Result<Self, WireError> {
        let log_lifetime = u64::from(self.params.log_lifetime);
        let half = self.params.log_lifetime / 2;
        if self.top_tree.depth != log_lifetime {
            return Err(WireError::OtherScheme {
                expected: log_lifetime,
                found: self.top_tree.depth,
            });
        }
        let width = self.params.bottom_leaves();
        let end = self.activation_epoch.checked_add(self.num_active_epochs);
        let aligned = self.activation_epoch.is_multiple_of(width)
            && self.num_active_epochs.is_multiple_of(width)
            && self.num_active_epochs >= 2 * width;
        let Some(end) = end.filter(|end| aligned && *end <= self.params.lifetime()) else {
            return Err(WireError::Inconsistent(
                "its activation does not consist of whole bottom trees",
            ));
        };
        let (first, end) = (self.activation_epoch / width, end / width);
        let left = self.left_bottom_tree_index;
        if left < first || left > end - 2 {
            return Err(WireError::Inconsistent("its window lies outside its activation"));
        }
        self.top_tree.check_shape(log_lifetime, u64::from(half), &top_shape(half, first, end))?;
        for (index, tree) in [(left, &self.left_bottom_tree), (left + 1, &self.right_bottom_tree)] {
            tree.check_shape(log_lifetime, 0, &bottom_shape(half, index))?;
            if self.bottom_root(index) != tree.root() {
                return Err(WireError::Inconsistent(
                    "a bottom tree does not belong to the top tree",
                ));
            }
        }
        Ok(self)
    }
}
