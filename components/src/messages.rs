//! Inbound items, and their verdicts.

use std::{fmt, sync::Arc};

use bevy_ecs::prelude::Message;
use tree_hash::TreeHash;

use crate::{
    containers::{
        AttestationData, Checkpoint, Root, SignedAggregatedAttestation, SignedAttestation,
        SignedBlock, State, ValidatorIndex,
    },
    network::PeerId,
    rejection::{Rejection, RejectionReason},
};

/// Identifies one inbound item, so that its sender can be told the verdict. The network counts from
/// zero. Items that the node itself requested have a separate range of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputId(pub u64);

impl InputId {
    const REQUESTED: u64 = 1 << 63;

    /// The id of the `number`th block that the node requested.
    pub const fn requested(number: u64) -> Self {
        Self(number | Self::REQUESTED)
    }

    /// Returns true if the node requested it.
    pub const fn is_requested(self) -> bool {
        self.0 & Self::REQUESTED != 0
    }
}

/// The source of an inbound item. Each source has a limit for unchecked items.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Not the network: this node's own API, or the program that drives it.
    #[default]
    Local,
    /// The peer that forwarded it by gossip, or that answered this node's request with it.
    Peer(PeerId),
}

impl Source {
    /// The peer that sent it, if any.
    pub const fn peer(&self) -> Option<&PeerId> {
        match self {
            Self::Local => None,
            Self::Peer(peer) => Some(peer),
        }
    }
}

/// A block arrived.
#[derive(Message, Clone, Debug)]
pub struct BlockReceived {
    /// Its id.
    pub id: InputId,
    /// Its source.
    pub source: Source,
    /// Its root.
    pub root: Root,
    /// The block.
    pub block: Arc<SignedBlock>,
}

impl BlockReceived {
    /// A block that no peer sent. Computes the root; the decoder of a block is a better place for
    /// that.
    pub fn new(id: InputId, block: Arc<SignedBlock>) -> Self {
        Self { id, source: Source::Local, root: block.block.tree_hash_root(), block }
    }

    /// The same block, sent by a peer.
    pub fn sent_by(self, peer: PeerId) -> Self {
        Self { source: Source::Peer(peer), ..self }
    }
}

/// A block arrived whose parent is neither known nor queued. Written instead of a refusal while
/// [`Orphans`](crate::sync::Orphans) is in the world. The orphan policy then holds or judges it.
#[derive(Message, Clone, Debug)]
pub struct BlockOrphaned(pub BlockReceived);

/// A block was refused, by a check before its transition or by the transition.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRefused {
    /// The block's root.
    pub root: Root,
    /// The reason.
    pub reason: RejectionReason,
}

/// One validator's attestation arrived.
#[derive(Message, Clone, Debug)]
pub struct AttestationReceived {
    /// Its id.
    pub id: InputId,
    /// Its source.
    pub source: Source,
    /// The attestation.
    pub attestation: Arc<SignedAttestation>,
}

impl AttestationReceived {
    /// An attestation that no peer sent.
    pub const fn new(id: InputId, attestation: Arc<SignedAttestation>) -> Self {
        Self { id, source: Source::Local, attestation }
    }

    /// The same attestation, sent by a peer.
    pub fn sent_by(self, peer: PeerId) -> Self {
        Self { source: Source::Peer(peer), ..self }
    }
}

/// An aggregate arrived.
#[derive(Message, Clone, Debug)]
pub struct AggregateReceived {
    /// Its id.
    pub id: InputId,
    /// Its source.
    pub source: Source,
    /// The aggregate.
    pub aggregate: Arc<SignedAggregatedAttestation>,
}

impl AggregateReceived {
    /// An aggregate that no peer sent.
    pub const fn new(id: InputId, aggregate: Arc<SignedAggregatedAttestation>) -> Self {
        Self { id, source: Source::Local, aggregate }
    }

    /// The same aggregate, sent by a peer.
    pub fn sent_by(self, peer: PeerId) -> Self {
        Self { source: Source::Peer(peer), ..self }
    }
}

/// The verdict on an inbound item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid and was applied.
    Accepted,
    /// It is known already, or there was no room for it. Its sender is not blamed.
    Ignored(IgnoreReason),
    /// It was refused and changed nothing.
    Rejected(Rejection),
}

/// The reason an inbound item was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IgnoreReason {
    /// The block is in the tree or queued for import.
    KnownBlock,
    /// The validator has sent the same attestation before, with this or another signature.
    KnownAttestation,
    /// Every participant of the aggregate is known to support its attestation.
    AddsNoVoter,
    /// The validator has already sent two different attestations for this slot.
    Equivocation,
    /// There was no room for it in the queue in which it would have waited.
    NoRoom,
    /// Its sender already has as many waiting items as one sender may have.
    SenderFull,
    /// Its parent is unknown, and its slot is too far from the head to wait for it.
    FarFromHead,
    /// Its parent could not be fetched.
    ParentUnavailable,
    /// It starts too far ahead of this node's clock, and there was no room to keep it until then.
    Early,
    /// The storage's writer is behind.
    StorageBehind,
    /// The storage could not be read.
    StorageError,
    /// This node failed while checking it.
    InternalError,
}

impl IgnoreReason {
    /// The reason as text, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KnownBlock => "known block",
            Self::KnownAttestation => "known attestation",
            Self::AddsNoVoter => "adds no voter",
            Self::Equivocation => "validator equivocates",
            Self::NoRoom => "no room",
            Self::SenderFull => "sender has too much waiting",
            Self::FarFromHead => "too far from the head",
            Self::ParentUnavailable => "its parent cannot be had",
            Self::Early => "too early",
            Self::StorageBehind => "storage is behind",
            Self::StorageError => "storage error",
            Self::InternalError => "internal error",
        }
    }
}

impl fmt::Display for IgnoreReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An attestation passed every check.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestationAccepted {
    /// The attestation data.
    pub data: AttestationData,
    /// The validator.
    pub validator: ValidatorIndex,
    /// True if its signature was added to the pool, as it is at an aggregator.
    pub pooled: bool,
}

/// An inbound item got its verdict.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct InputJudged {
    /// The item.
    pub id: InputId,
    /// Its verdict.
    pub verdict: Verdict,
}

/// A block was added to the tree.
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
    /// The previous head.
    pub old: Checkpoint,
    /// The new head.
    pub new: Checkpoint,
    /// The number of blocks from the old head back to the common ancestor of both heads; 0 if the
    /// new head extends the old one.
    pub reorg_depth: u64,
}

/// The finalized checkpoint advanced.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalizedAdvanced(pub Checkpoint);

/// The pools have dropped every attestation whose head does not descend from this finalized block.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestationsPruned(pub Checkpoint);

/// This node made an aggregate.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct AggregateProduced(pub Arc<SignedAggregatedAttestation>);
