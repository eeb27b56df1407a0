//! Blocks that wait for their slot.

use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{Root, Slot},
    messages::{BlockReceived, IgnoreReason, Source},
};

/// The largest number of blocks that may wait for their slot. When it is reached, the source with
/// the most blocks loses its newest. When the limit is reached, the source with the most loses its
/// newest.
pub const MAX_EARLY_BLOCKS: usize = 32;
/// The largest number of them from one source.
pub const MAX_EARLY_PER_SOURCE: usize = 4;
/// The largest number of them from one source and of one proposer.
pub const MAX_EARLY_PER_PROPOSER: usize = 2;

/// Blocks of peers that start more than one interval ahead of this node's clock, in order of
/// arrival. When a block is no longer early, it is judged as if it had just arrived. Before that it
/// is neither imported nor forwarded.
#[derive(Resource, Debug, Default)]
pub struct EarlyBlocks(Vec<BlockReceived>);

impl EarlyBlocks {
    /// The number of waiting blocks.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if none is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if this block is waiting.
    pub fn contains(&self, root: &Root) -> bool {
        self.0.iter().any(|each| each.root == *root)
    }

    /// Adds a block. Returns the one that it replaces.
    ///
    /// # Errors
    /// It is known, or its source has as many as it may, or there is no room.
    pub(crate) fn hold(
        &mut self,
        received: BlockReceived,
    ) -> Result<Option<BlockReceived>, IgnoreReason> {
        let BlockReceived { source, block, .. } = &received;
        if self.contains(&received.root) {
            return Err(IgnoreReason::KnownBlock);
        }
        let of_source = self.count_of(source);
        let of_proposer = self.0.iter().filter(|each| {
            each.source == *source && each.block.block.proposer_index == block.block.proposer_index
        });
        if of_source >= MAX_EARLY_PER_SOURCE || of_proposer.count() >= MAX_EARLY_PER_PROPOSER {
            return Err(IgnoreReason::SenderFull);
        }
        let mut displaced = None;
        if self.0.len() >= MAX_EARLY_BLOCKS {
            let counts = self.0.iter().map(|each| self.count_of(&each.source));
            let fullest = counts.zip(0..).filter(|(count, _)| *count > of_source + 1).max();
            let (_, place) = fullest.ok_or(IgnoreReason::Early)?;
            displaced = Some(self.0.remove(place));
        }
        self.0.push(received);
        Ok(displaced)
    }

    fn count_of(&self, source: &Source) -> usize {
        self.0.iter().filter(|each| each.source == *source).count()
    }

    /// Takes the blocks whose slot has come.
    pub(crate) fn take_due(&mut self, is_due: impl Fn(Slot) -> bool) -> Vec<BlockReceived> {
        self.0.extract_if(.., |each| is_due(each.block.block.slot)).collect()
    }
}
