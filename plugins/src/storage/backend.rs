//! The base of a store: sorted columns of bytes, written in atomic batches.

use std::{ops::ControlFlow, sync::Arc};

use quintet_components::storage::StorageError;

/// A separate sorted map within the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// Slot and root: header, and the justified and finalized checkpoints of the block's
    /// post-state.
    Headers,
    /// Slot and root: the body's SSZ.
    Bodies,
    /// Slot and root: the proof's bytes.
    Proofs,
    /// Root: the block's slot.
    Slots,
    /// Slot and root: a whole post-state, without the registry and without the history in chunks.
    States,
    /// Slot and root: what the block changed in its parent's post-state.
    StateDiffs,
    /// First slot and hash: a chunk of a state's history of block roots.
    History,
    /// A name: identity, registry, anchor, checkpoints, votes.
    Metadata,
    /// Public key and slot: what the key signed.
    Signing,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 9] = [
        Self::Headers,
        Self::Bodies,
        Self::Proofs,
        Self::Slots,
        Self::States,
        Self::StateDiffs,
        Self::History,
        Self::Metadata,
        Self::Signing,
    ];

    /// The name of the column family.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Proofs => "proofs",
            Self::Slots => "slots",
            Self::States => "states",
            Self::StateDiffs => "state_diffs",
            Self::History => "history",
            Self::Metadata => "metadata",
            Self::Signing => "signing",
        }
    }
}

/// A change in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The column.
    pub column: Column,
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` deletes.
    pub value: Option<Vec<u8>>,
}

/// Changes that are written together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch(pub Vec<Change>);

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, column: Column, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.0.push(Change { column, key: key.into(), value: Some(value) });
    }

    /// Deletes a key.
    pub fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        self.0.push(Change { column, key: key.into(), value: None });
    }

    /// Bytes of all keys and values.
    pub fn bytes(&self) -> usize {
        let bytes = |change: &Change| change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        self.0.iter().map(bytes).sum()
    }
}

/// The failures that a written batch survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process at any time. A power failure may lose the newest batches, and then
    /// all later ones too.
    Process,
    /// A power failure too: it is synced when the write returns.
    Power,
}

/// Visits an entry. `Break` ends the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Sorted columns of bytes.
///
/// A batch is atomic, however the process ends. Batches survive in the order of their writes: if
/// one is missing, all later ones are too. Reads see every batch that was written before. The
/// changes of a failed write may still appear, all at once, after the backend has recovered or was
/// opened again; until then no reader sees them. Errors name the place and say what to do. Every
/// method may be called from any thread.
pub trait Backend: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// [`StorageError`].
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Visits the entries from `from` up to but not including `to`, ascending by key; to the
    /// column's end for `None`.
    ///
    /// # Errors
    /// [`StorageError`].
    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError>;

    /// Writes all of a batch or nothing.
    ///
    /// # Errors
    /// [`StorageError`].
    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError>;

    /// Called before a write is tried again after a failure: brings the backend back into a state
    /// in which it can write, if possible.
    ///
    /// # Errors
    /// [`StorageError`] if it cannot; it is called again later.
    fn recover(&self) -> Result<(), StorageError> {
        Ok(())
    }

    /// Returns true if more than three quarters of a fixed capacity are used, so that finalized
    /// blocks should be dropped early.
    fn is_crowded(&self) -> bool {
        false
    }
}

impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        (**self).get(column, key)
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        (**self).scan(column, from, to, visit)
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        (**self).write(batch, durability)
    }

    fn recover(&self) -> Result<(), StorageError> {
        (**self).recover()
    }

    fn is_crowded(&self) -> bool {
        (**self).is_crowded()
    }
}

/// A scan whose visitor may fail.
pub(super) fn try_scan(
    backend: &dyn Backend,
    column: Column,
    from: &[u8],
    to: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageError>,
) -> Result<(), StorageError> {
    let mut failed = Ok(());
    backend.scan(column, from, to, &mut |key, value| match visit(key, value) {
        Ok(flow) => flow,
        Err(error) => {
            failed = Err(error);
            ControlFlow::Break(())
        }
    })?;
    failed
}
