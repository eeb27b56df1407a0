//! Blocks, their headers, and the envelope that carries the proof.

use tree_hash::TreeHash;

use super::{
    AggregatedAttestations, MultiMessageAggregate, Root, Slot, ValidatorIndex, macros::containers,
};

containers! {
    /// What a block carries.
    #[derive(Default)]
    pub struct BlockBody {
        /// The votes; their signatures are in the envelope's proof.
        pub attestations: AggregatedAttestations,
    }

    /// A block without its body.
    #[derive(Copy, Default)]
    pub struct BlockHeader {
        /// The slot proposed in.
        pub slot: Slot,
        /// Who proposed.
        pub proposer_index: ValidatorIndex,
        /// The parent's root.
        pub parent_root: Root,
        /// The post-state's root; zero in a state until the next slot begins.
        pub state_root: Root,
        /// The body's root.
        pub body_root: Root,
    }

    /// A block.
    #[derive(Default)]
    pub struct Block {
        /// The slot proposed in.
        pub slot: Slot,
        /// Who proposed.
        pub proposer_index: ValidatorIndex,
        /// The parent's root.
        pub parent_root: Root,
        /// The post-state's root.
        pub state_root: Root,
        /// The payload.
        pub body: BlockBody,
    }

    /// A block with the one proof that binds every attestation in its body, in order, and last
    /// the proposer's signature over the block's root.
    pub struct SignedBlock {
        /// The block.
        pub block: Block,
        /// The proof.
        pub proof: MultiMessageAggregate,
    }
}

impl Block {
    /// The header that stands for this block.
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
