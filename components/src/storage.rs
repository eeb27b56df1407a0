//! What was imported, kept beyond the world's caches.

use std::sync::Arc;

use bevy_ecs::prelude::Resource;

use crate::containers::{Root, SignedBlock};

/// Why a store could not read or write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage: {0}")]
pub struct StorageError(pub String);

/// Reads imported blocks. Called off the loop; may take as long as a disk does.
pub trait BlockSource: Send + Sync + 'static {
    /// The block of this root with its proof; `None` when it was never imported, or pruned.
    ///
    /// # Errors
    /// [`StorageError`] when the store cannot say.
    fn signed_block(&self, root: &Root) -> Result<Option<Arc<SignedBlock>>, StorageError>;
}

/// The node's store of blocks.
#[derive(Resource, Clone)]
pub struct Blocks(pub Arc<dyn BlockSource>);
