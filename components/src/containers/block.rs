//! Blocks, their headers, and the container that adds the proof.

use tree_hash::TreeHash;

use super::{
    AggregatedAttestations, MultiMessageAggregate, Root, Slot, ValidatorIndex, macros::containers,
};

containers! {
    /// The body of a block.
    #[derive(Default)]
    pub struct BlockBody {
        /// The attestations; their signatures are in the signed block's proof.
        pub attestations: AggregatedAttestations,
    }

    /// A block without its body.
    #[derive(Copy, Default)]
    pub struct BlockHeader {
        /// The slot of the block.
        pub slot: Slot,
        /// The validator that proposed it.
        pub proposer_index: ValidatorIndex,
        /// The parent's root.
        pub parent_root: Root,
        /// The post-state's root. It is zero in a state until the next slot begins.
        pub state_root: Root,
        /// The body's root.
        pub body_root: Root,
    }

    /// A block.
    #[derive(Default)]
    pub struct Block {
        /// The slot of the block.
        pub slot: Slot,
        /// The validator that proposed it.
        pub proposer_index: ValidatorIndex,
        /// The parent's root.
        pub parent_root: Root,
        /// The post-state's root.
        pub state_root: Root,
        /// The body.
        pub body: BlockBody,
    }

    /// A block with one proof for the signatures of all attestations in its body, in order, and
    /// last for the proposer's signature of the block's root.
    pub struct SignedBlock {
        /// The block.
        pub block: Block,
        /// The proof.
        pub proof: MultiMessageAggregate,
    }
}

impl Block {
    /// The header of this block.
    pub fn header(&self) -> BlockHeader {
        BlockHeader {
            slot: self.slot,
            proposer_index: self.proposer_index,
            parent_root: self.parent_root,
            state_root: self.state_root,
            body_root: self.body.tree_hash_root(),
        }
    }
}
