//! Keys and values: keys sort by slot, every value begins with its version.

use quintet_components::{
    containers::{
        AggregationBits, AttestationData, BlockHeader, Checkpoint, Root, Slot, decode_failure,
    },
    storage::{ForkChoiceFacts, LatestVoteRecord},
    tree::BlockNode,
};
use ssz::{Decode, Encode};
use ssz_derive::{Decode, Encode};

/// The version that every value begins with. Another one was written by another release.
pub(super) const VALUE_VERSION: u8 = 1;

/// Names in the metadata column.
pub(super) mod names {
    /// The identity as JSON.
    pub(in crate::storage) const IDENTITY: &[u8] = b"identity";
    /// Configuration and registry, the same in every state.
    pub(in crate::storage) const FRAME: &[u8] = b"frame";
    /// The block that the database began with.
    pub(in crate::storage) const ANCHOR: &[u8] = b"anchor";
    /// The checkpoints.
    pub(in crate::storage) const FACTS: &[u8] = b"fork_choice";
    /// The newest counted votes.
    pub(in crate::storage) const VOTES: &[u8] = b"latest_votes";
    /// How far back the canonical chain is stored.
    pub(in crate::storage) const HISTORY: &[u8] = b"history";
    /// How far has been pruned.
    pub(in crate::storage) const FLOORS: &[u8] = b"floors";
    /// Written to see whether writes succeed.
    pub(in crate::storage) const PROBE: &[u8] = b"probe";
}

/// The key of what belongs to a block: big-endian slot, then root.
pub(super) fn slot_key(block: Checkpoint) -> Vec<u8> {
    [block.slot.to_be_bytes().as_slice(), block.root.as_slice()].concat()
}

/// The key before everything of this slot.
pub(super) fn slot_start(slot: Slot) -> Vec<u8> {
    slot.to_be_bytes().to_vec()
}

/// The block that a key belongs to.
pub(super) fn parse_slot_key(key: &[u8]) -> Result<Checkpoint, String> {
    let (slot, root) = key.split_at_checked(8).ok_or("a key without a slot")?;
    let slot = slot.try_into().map_err(|_| "a key without a slot")?;
    let root = Root::try_from(root).map_err(|_| format!("a key with {} bytes", key.len()))?;
    Ok(Checkpoint { root, slot: Slot::from_be_bytes(slot) })
}

/// A value with its version.
pub(super) fn encode(value: &impl Encode) -> Vec<u8> {
    let mut bytes = vec![VALUE_VERSION];
    value.ssz_append(&mut bytes);
    bytes
}

/// The content of a value of this version.
pub(super) fn content(bytes: &[u8]) -> Result<&[u8], String> {
    match bytes.split_first() {
        Some((&VALUE_VERSION, content)) => Ok(content),
        Some((version, _)) => {
            Err(format!("a value of version {version}, this release reads {VALUE_VERSION}"))
        }
        None => Err("an empty value".into()),
    }
}

/// A value of this version.
pub(super) fn decode<T: Decode>(bytes: &[u8]) -> Result<T, String> {
    T::from_ssz_bytes(content(bytes)?).map_err(|error| decode_failure(&error))
}

/// A block in the headers column: what the tree needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct HeaderRecord {
    /// The block without its body.
    pub(super) header: BlockHeader,
    /// The parent's slot; the block's own where the store does not have the parent.
    pub(super) parent_slot: Slot,
    /// What the post-state holds justified.
    pub(super) justified: Checkpoint,
    /// The slot that the post-state holds finalized.
    pub(super) finalized_slot: Slot,
}

impl HeaderRecord {
    /// The parent, where the store has it.
    pub(super) fn parent(&self) -> Option<Checkpoint> {
        (self.parent_slot < self.header.slot)
            .then_some(Checkpoint { root: self.header.parent_root, slot: self.parent_slot })
    }

    /// The block as the tree has it.
    pub(super) fn node(&self, root: Root) -> BlockNode {
        BlockNode {
            root,
            parent_root: self.header.parent_root,
            slot: self.header.slot,
            proposer_index: self.header.proposer_index,
            state_root: self.header.state_root,
            justified: self.justified,
            finalized_slot: self.finalized_slot,
        }
    }
}

/// [`ForkChoiceFacts`] as they are stored.
#[derive(Clone, Copy, Encode, Decode)]
pub(super) struct FactsRecord {
    head: Checkpoint,
    safe_target: Checkpoint,
    justified: Checkpoint,
    finalized: Checkpoint,
}

impl From<ForkChoiceFacts> for FactsRecord {
    fn from(facts: ForkChoiceFacts) -> Self {
        let ForkChoiceFacts { head, safe_target, justified, finalized } = facts;
        Self { head, safe_target, justified, finalized }
    }
}

impl From<FactsRecord> for ForkChoiceFacts {
    fn from(facts: FactsRecord) -> Self {
        let FactsRecord { head, safe_target, justified, finalized } = facts;
        Self { head, safe_target, justified, finalized }
    }
}

/// A [`LatestVoteRecord`] as it is stored.
#[derive(Clone, Encode, Decode)]
pub(super) struct VoteRecord {
    data: AttestationData,
    participants: AggregationBits,
}

impl From<&LatestVoteRecord> for VoteRecord {
    fn from(vote: &LatestVoteRecord) -> Self {
        Self { data: vote.data, participants: vote.participants.clone() }
    }
}

impl From<VoteRecord> for LatestVoteRecord {
    fn from(vote: VoteRecord) -> Self {
        Self { data: vote.data, participants: vote.participants }
    }
}

/// How far the columns have been pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Floors {
    /// Every block before this slot has been looked at.
    pub(super) blocks: Slot,
    /// Every state before this slot has been looked at.
    pub(super) states: Slot,
}

/// Which canonical blocks from before the anchor are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct HistoryRecord {
    /// From this slot on up to the anchor nothing is missing.
    pub(super) from: Slot,
    /// What an earlier anchor's chain left: nothing is missing from this slot on …
    pub(super) island_from: Slot,
    /// … up to and with this block, if it is on the chain.
    pub(super) island_to: Checkpoint,
}
