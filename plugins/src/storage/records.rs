//! Keys and values. Keys sort by slot; every value begins with its version.

use quintet_components::{
    containers::{
        AggregationBits, AttestationData, BlockHeader, Checkpoint, Root, Slot, decode_failure,
    },
    storage::{ForkChoiceFacts, LatestVoteRecord},
    tree::BlockNode,
};
use ssz::{Decode, Encode};
use ssz_derive::{Decode, Encode};

/// The version at the beginning of every value. Other versions are from other releases.
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
    /// The latest votes.
    pub(in crate::storage) const VOTES: &[u8] = b"latest_votes";
    /// The slot back to which the canonical chain is stored.
    pub(in crate::storage) const HISTORY: &[u8] = b"history";
    /// The slots up to which the columns are pruned.
    pub(in crate::storage) const FLOORS: &[u8] = b"floors";
    /// Written to test whether writes succeed.
    pub(in crate::storage) const PROBE: &[u8] = b"probe";
}

/// The key of data that belongs to a block: big-endian slot, then root.
pub(super) fn slot_key(block: Checkpoint) -> Vec<u8> {
    [block.slot.to_be_bytes().as_slice(), block.root.as_slice()].concat()
}

/// The key before all keys of this slot.
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

/// A block in the headers column: the data that the tree needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct HeaderRecord {
    /// The block without its body.
    pub(super) header: BlockHeader,
    /// The parent's slot; the block's own if the parent is not stored.
    pub(super) parent_slot: Slot,
    /// The justified checkpoint of the post-state.
    pub(super) justified: Checkpoint,
    /// The finalized slot of the post-state.
    pub(super) finalized_slot: Slot,
}

impl HeaderRecord {
    /// The parent, if it is stored.
    pub(super) fn parent(&self) -> Option<Checkpoint> {
        (self.parent_slot < self.header.slot)
            .then_some(Checkpoint { root: self.header.parent_root, slot: self.parent_slot })
    }

    /// The block for the tree.
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

/// [`ForkChoiceFacts`] in the store.
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

/// A [`LatestVoteRecord`] in the store.
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

/// The slots up to which the columns are pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Floors {
    /// Every block before this slot was examined.
    pub(super) blocks: Slot,
    /// Every state before this slot was examined.
    pub(super) states: Slot,
}

/// The canonical blocks from before the anchor that are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct HistoryRecord {
    /// No block is missing from this slot on, up to the anchor.
    pub(super) from: Slot,
    /// The blocks of an earlier anchor's chain: none is missing from this slot on …
    pub(super) island_from: Slot,
    /// … up to and including this block, if it is on the chain.
    pub(super) island_to: Checkpoint,
}
