//! The rules of fork choice that were changed after the vectors at hand had been made.

use bevy_ecs::prelude::Resource;

/// Which rules hold. A node has the newest.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which of two votes of one validator for one slot counts.
    pub vote_tie: VoteTie,
    /// Different attestations of one validator for one slot that find a place.
    pub places: usize,
    /// Tells if the head attested to has to descend from the latest finalized block.
    pub is_head_bound: bool,
}

/// Which of two votes of one validator for one slot counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteTie {
    /// The one whose attestation data has the larger root.
    LargerRoot,
    /// The one whose attestation is earlier in the pool. What the head is then depends on the order in
    /// which attestations came.
    EarlierInPool,
}

impl Rules {
    /// The rules of leanSpec's vectors of 43246bd6, whose validators attest as often as they like.
    pub const VECTORS: Self =
        Self { vote_tie: VoteTie::EarlierInPool, places: usize::MAX, is_head_bound: false };
}

impl Default for Rules {
    fn default() -> Self {
        Self { vote_tie: VoteTie::LargerRoot, places: 2, is_head_bound: true }
    }
}
