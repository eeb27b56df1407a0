//! Checkpoints: pairs of root and slot that are justified and finalized.

use super::{Root, Slot, macros::containers};

containers! {
    /// A block's root with its slot.
    #[derive(Copy, Default, Hash, PartialOrd, Ord)]
    pub struct Checkpoint {
        /// The block's root.
        pub root: Root,
        /// The block's slot.
        pub slot: Slot,
    }
}

impl Checkpoint {
    /// The checkpoint with the higher slot; if both are equal, `self`, so that the root never
    /// changes silently.
    #[must_use]
    pub fn advance_to(self, candidate: Self) -> Self {
        if candidate.slot > self.slot { candidate } else { self }
    }
}
