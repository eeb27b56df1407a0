//! What arrives, and what became of it.

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

/// Who handed an inbound item to this node. What is held unchecked is bounded for each source.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Nobody on the network: this node's own API or the program that drives it.
    #[default]
    Local,
    /// The peer that passed it on by gossip, or that this node asked for it.
    Peer(PeerId),
}

impl Source {
    /// The peer that sent it, if one did.
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
    /// Names it.
    pub id: InputId,
    /// Who sent it.
    pub source: Source,
    /// Its root.
    pub root: Root,
    /// The block.
    pub block: Arc<SignedBlock>,
}

impl BlockReceived {
    /// A block that no peer sent. Computes the root, which is best done where the block was decoded.
    pub fn new(id: InputId, block: Arc<SignedBlock>) -> Self {
        Self { id, source: Source::Local, root: block.block.tree_hash_root(), block }
    }

    /// The same block, sent by a peer.
    pub fn sent_by(self, peer: PeerId) -> Self {
        Self { source: Source::Peer(peer), ..self }
    }
}

/// A block arrived whose parent is neither known nor on its way. Written instead of a refusal while
/// [`Orphans`](crate::sync::Orphans) is in the world; the orphan policy holds or judges it.
#[derive(Message, Clone, Debug)]
pub struct BlockOrphaned(pub BlockReceived);

/// A block was refused, before its transition or by it.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRefused {
    /// The block's root.
    pub root: Root,
    /// Why.
    pub reason: RejectionReason,
}

/// One validator's attestation arrived.
#[derive(Message, Clone, Debug)]
pub struct AttestationReceived {
    /// Names it.
    pub id: InputId,
    /// Who sent it.
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
    /// Names it.
    pub id: InputId,
    /// Who sent it.
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

/// What became of an inbound item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is valid and was applied.
    Accepted,
    /// It is known already, or there was no room for it; it says nothing against its sender.
    Ignored(IgnoreReason),
    /// It was refused and changed nothing.
    Rejected(Rejection),
}

/// Why an inbound item was left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IgnoreReason {
    /// The block is in the tree or on its way there.
    KnownBlock,
    /// The validator gave the same attestation before, with whatever signature.
    KnownAttestation,
    /// Every participant of the aggregate is known to support its attestation.
    AddsNoVoter,
    /// The validator has two different attestations of this slot already.
    Equivocation,
    /// A bounded place for what waits had no room for it.
    NoRoom,
    /// Its sender has as much waiting as one sender may have.
    SenderFull,
    /// Its parent is unknown, and its slot is too far from the head to wait for it.
    FarFromHead,
    /// Its parent cannot be had.
    ParentUnavailable,
    /// What it waited for did not come in time.
    Expired,
    /// It starts too far ahead of this node's clock, and there was no room to keep it until then.
    Early,
    /// The storage's writer is behind.
    StorageBehind,
    /// The storage could not be read.
    StorageError,
    /// This node failed while it checked it.
    InternalError,
}

impl IgnoreReason {
    /// The reason in words, for logs and metrics.
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
            Self::Expired => "expired",
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
    /// What is attested.
    pub data: AttestationData,
    /// Who attested.
    pub validator: ValidatorIndex,
    /// True if its signature joined the pool, which an aggregator's does.
    pub pooled: bool,
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

/// The pools have dropped every attestation whose head does not descend from this finalized block.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttestationsPruned(pub Checkpoint);

/// This node made an aggregate.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct AggregateProduced(pub Arc<SignedAggregatedAttestation>);
