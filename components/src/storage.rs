//! Access to stored blocks, states and signatures.

mod health;
mod history;
mod resume;

use std::sync::Arc;

use bevy_ecs::prelude::Resource;

pub use health::{StorageHealth, StorageStatus};
pub use history::{HistoryBatch, StoredHistory};
pub use resume::{ChainIdentity, ForkChoiceFacts, LatestVoteRecord, ResumeData};

use crate::containers::{Block, PublicKey, Root, Signature, SignedBlock, Slot, State};

/// The reason a store could not read or write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage: {0}")]
pub struct StorageError(pub String);

/// Reads imported blocks. Used only in tasks; may take as long as a disk does.
pub trait BlockSource: Send + Sync + 'static {
    /// The block with this root, with its proof; `None` if it was never imported, or was pruned.
    /// Genesis, the start of the chain, has an empty proof.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn signed_block(&self, root: &Root) -> Result<Option<Arc<SignedBlock>>, StorageError>;
}

/// The node's store of blocks.
#[derive(Resource, Clone)]
pub struct Blocks(pub Arc<dyn BlockSource>);

/// Rebuilds post-states that the world no longer caches. Used only in tasks; may take as long as a
/// disk does.
pub trait StateSource: Send + Sync + 'static {
    /// The post-state of this block; `None` if it was never imported, or was pruned.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn state(&self, root: &Root) -> Result<Option<Arc<State>>, StorageError>;
}

/// The node's store of post-states.
#[derive(Resource, Clone)]
pub struct StoredStates(pub Arc<dyn StateSource>);

/// Reads the canonical chain by slot, and blocks that have no proof. Used only in tasks; may take
/// as long as a disk does.
pub trait ChainSource: Send + Sync + 'static {
    /// The root of the canonical block of this slot, according to the newest head in the store;
    /// `None` for an empty slot and for a slot after the head. The chain's history has the roots of
    /// all slots since genesis: the block itself may be pruned, or from before the anchor.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, StorageError>;

    /// The block with this root, with or without a proof: an anchor such as genesis has none.
    /// `None` if it was never imported, or was pruned.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read.
    fn block(&self, root: &Root) -> Result<Option<Block>, StorageError>;
}

/// The node's store of the canonical chain. To get a state by slot, use
/// [`ChainSource::canonical_root`], then [`StateSource::state`].
#[derive(Resource, Clone)]
pub struct StoredChain(pub Arc<dyn ChainSource>);

/// An entry of the record: a key has signed, or is about to sign, a message for a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningEntry {
    /// The key.
    pub public_key: PublicKey,
    /// The slot.
    pub slot: Slot,
    /// The message.
    pub message: Root,
    /// The signature, once it is made.
    pub signature: Option<Signature>,
}

/// The record of what the node's keys have signed. It prevents a one-time key from signing twice.
/// Used only in tasks.
pub trait SigningRecord: Send + Sync + 'static {
    /// Returns the entry of this key for this slot.
    ///
    /// # Errors
    /// [`StorageError`] if the record cannot be read; then nothing may be signed.
    fn find(&self, key: &PublicKey, slot: Slot) -> Result<Option<SigningEntry>, StorageError>;

    /// Writes all of these entries or none. Each replaces the key's entry for its slot. When this
    /// returns, they are on the disk and synced.
    ///
    /// # Errors
    /// [`StorageError`] if they may not be on the disk.
    fn write(&self, entries: &[SigningEntry]) -> Result<(), StorageError>;

    /// The entries after this key and slot, sorted by key and slot, at most `limit` of them. `None`
    /// starts with the first entry.
    ///
    /// # Errors
    /// [`StorageError`].
    fn after(
        &self,
        position: Option<(&PublicKey, Slot)>,
        limit: usize,
    ) -> Result<Vec<SigningEntry>, StorageError>;

    /// Drops a key's entries before this slot. The caller must remember the slot in another way.
    ///
    /// # Errors
    /// [`StorageError`].
    fn prune(&self, key: &PublicKey, before: Slot) -> Result<(), StorageError>;
}
