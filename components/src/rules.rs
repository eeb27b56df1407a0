//! Rules of fork choice that changed after the available vectors were made.

use bevy_ecs::prelude::Resource;

/// The rules that apply. A node uses the newest ones.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The attestation that counts, of two of one validator for one slot.
    pub vote_tie: VoteTie,
    /// The number of different attestations of one validator for one slot that are kept.
    pub places: usize,
    /// True if an attestation's head has to descend from the latest finalized block.
    pub is_head_bound: bool,
}

/// The attestation that counts, of two of one validator for one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteTie {
    /// The one whose data has the larger root.
    LargerRoot,
    /// The one that is earlier in the pool. The head then depends on the order in which
    /// attestations arrive.
    EarlierInPool,
}

impl Rules {
    /// The rules of leanSpec's vectors of commit 43246bd6, in which a validator may attest any
    /// number of times.
    pub const VECTORS: Self =
        Self { vote_tie: VoteTie::EarlierInPool, places: usize::MAX, is_head_bound: false };
}

impl Default for Rules {
    fn default() -> Self {
        Self { vote_tie: VoteTie::LargerRoot, places: 2, is_head_bound: true }
    }
}
