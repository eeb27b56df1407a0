//! Checkpoints: the (root, slot) pairs that are justified and finalized.

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
    /// The later of the two by slot; on a tie `self`, so that a root is never swapped silently.
    #[must_use]
    pub fn advance_to(self, candidate: Self) -> Self {
        if candidate.slot > self.slot { candidate } else { self }
    }
}
