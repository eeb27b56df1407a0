//! What was imported, kept beyond the world's caches.

mod health;
mod history;
mod resume;

use std::sync::Arc;

use bevy_ecs::prelude::Resource;

pub use health::{StorageHealth, StorageStatus};
pub use history::{HistoryBatch, StoredHistory};
pub use resume::{ChainIdentity, ForkChoiceFacts, LatestVoteRecord, ResumeData};

use crate::containers::{Block, PublicKey, Root, Signature, SignedBlock, Slot, State};

/// Why a store could not read or write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage: {0}")]
pub struct StorageError(pub String);

/// Reads imported blocks. Called off the loop; may take as long as a disk does.
pub trait BlockSource: Send + Sync + 'static {
    /// The block of this root with its proof; `None` when it was never imported, or pruned. The
    /// proof of genesis, with which the chain began, is empty.
    ///
    /// # Errors
    /// [`StorageError`] when the store cannot say.
    fn signed_block(&self, root: &Root) -> Result<Option<Arc<SignedBlock>>, StorageError>;
}

/// The node's store of blocks.
#[derive(Resource, Clone)]
pub struct Blocks(pub Arc<dyn BlockSource>);

/// Rebuilds post-states that the world no longer caches. Called off the loop; may take as long as a
/// disk does.
pub trait StateSource: Send + Sync + 'static {
    /// The post-state of this block; `None` when it was never imported, or pruned.
    ///
    /// # Errors
    /// [`StorageError`] when the store cannot say.
    fn state(&self, root: &Root) -> Result<Option<Arc<State>>, StorageError>;
}

/// The node's store of post-states.
#[derive(Resource, Clone)]
pub struct StoredStates(pub Arc<dyn StateSource>);

/// Reads the canonical chain by slot, and blocks that have no proof. Called off the loop; may take
/// as long as a disk does.
pub trait ChainSource: Send + Sync + 'static {
    /// The root of the canonical block of this slot, by the newest head that was handed to the
    /// store; `None` for an empty slot and for one after the head. The chain's history names roots
    /// since genesis: the block itself may be pruned, or from before the anchor.
    ///
    /// # Errors
    /// [`StorageError`] when the store cannot say.
    fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, StorageError>;

    /// The block of this root, with or without a proof: an anchor such as genesis has none. `None`
    /// when it was never imported, or pruned.
    ///
    /// # Errors
    /// [`StorageError`] when the store cannot say.
    fn block(&self, root: &Root) -> Result<Option<Block>, StorageError>;
}

/// The node's store of the canonical chain. States by slot: [`ChainSource::canonical_root`], then
/// [`StateSource::state`].
#[derive(Resource, Clone)]
pub struct StoredChain(pub Arc<dyn ChainSource>);

/// That a key has signed, or is about to sign, a message for a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningEntry {
    /// The key.
    pub public_key: PublicKey,
    /// The slot.
    pub slot: Slot,
    /// The message.
    pub message: Root,
    /// The signature once it is made.
    pub signature: Option<Signature>,
}

/// What the node's keys have signed: the record that keeps a one-time key from signing twice.
/// Called off the loop.
pub trait SigningRecord: Send + Sync + 'static {
    /// What this key signed for this slot.
    ///
    /// # Errors
    /// [`StorageError`] when the record cannot say; nobody may sign then.
    fn find(&self, key: &PublicKey, slot: Slot) -> Result<Option<SigningEntry>, StorageError>;

    /// Writes all of these entries, each in place of the key's entry for its slot, or none. They
    /// are on the disk, synced, when this returns.
    ///
    /// # Errors
    /// [`StorageError`] when they may not be on the disk.
    fn write(&self, entries: &[SigningEntry]) -> Result<(), StorageError>;

    /// The entries after this key and slot, by key and slot, at most `limit` of them; all from the
    /// first for `None`.
    ///
    /// # Errors
    /// [`StorageError`].
    fn after(
        &self,
        position: Option<(&PublicKey, Slot)>,
        limit: usize,
    ) -> Result<Vec<SigningEntry>, StorageError>;

    /// Drops a key's entries before this slot, which the caller remembers by other means.
    ///
    /// # Errors
    /// [`StorageError`].
    fn prune(&self, key: &PublicKey, before: Slot) -> Result<(), StorageError>;
}
