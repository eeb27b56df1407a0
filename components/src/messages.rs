//! What arrives, and what became of it.

use std::sync::Arc;

use bevy_ecs::prelude::Message;
use tree_hash::TreeHash;

use crate::{
    containers::{
        Checkpoint, Root, SignedAggregatedAttestation, SignedAttestation, SignedBlock, State,
    },
    rejection::Rejection,
};

/// Names one inbound item, so that whoever sent it in learns its verdict. The network counts from
/// 0; what the node asked for itself has names of its own, so that the two never meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputId(pub u64);

impl InputId {
    const REQUESTED: u64 = 1 << 63;

    /// The name of the `number`th block that the node asked for.
    pub const fn requested(number: u64) -> Self {
        Self(number | Self::REQUESTED)
    }

    /// Whether the node asked for it.
    pub const fn is_requested(self) -> bool {
        self.0 & Self::REQUESTED != 0
    }
}

/// A block arrived.
#[derive(Message, Clone, Debug)]
pub struct BlockReceived {
    /// Names it.
    pub id: InputId,
    /// Its root.
    pub root: Root,
    /// The block.
    pub block: Arc<SignedBlock>,
}

impl BlockReceived {
    /// Computes the root, which is best done where the block was decoded.
    pub fn new(id: InputId, block: Arc<SignedBlock>) -> Self {
        Self { id, root: block.block.tree_hash_root(), block }
    }
}

/// One validator's vote arrived.
#[derive(Message, Clone, Debug)]
pub struct AttestationReceived {
    /// Names it.
    pub id: InputId,
    /// The vote.
    pub attestation: Arc<SignedAttestation>,
}

/// An aggregate arrived.
#[derive(Message, Clone, Debug)]
pub struct AggregateReceived {
    /// Names it.
    pub id: InputId,
    /// The aggregate.
    pub aggregate: Arc<SignedAggregatedAttestation>,
}

/// What became of an inbound item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid and was applied.
    Accepted,
    /// It is known already, or there was no room for it; it says nothing against its sender.
    Ignored(&'static str),
    /// It was refused and changed nothing.
    Rejected(Rejection),
}

/// An inbound item has its verdict.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct InputJudged {
    /// Names it.
    pub id: InputId,
    /// What became of it.
    pub verdict: Verdict,
}

/// A block joined the tree.
#[derive(Message, Clone, Debug)]
pub struct BlockImported {
    /// Its root.
    pub root: Root,
    /// The block.
    pub block: Arc<SignedBlock>,
    /// Its post-state.
    pub state: Arc<State>,
}

/// Fork choice selected another head.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadChanged {
    /// The head before.
    pub old: Checkpoint,
    /// The head now.
    pub new: Checkpoint,
    /// Blocks from the old head back to the two heads' common ancestor; 0 when the new head
    /// extends the old.
    pub reorg_depth: u64,
}

/// The finalized checkpoint advanced.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalizedAdvanced(pub Checkpoint);

/// This node made an aggregate.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct AggregateProduced(pub Arc<SignedAggregatedAttestation>);
