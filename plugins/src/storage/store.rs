//! The store: blocks, post-states and checkpoints over a [`Backend`].

use std::{
    collections::{HashMap, VecDeque},
    fs::{File, Metadata},
    io::ErrorKind,
    ops::ControlFlow,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use quintet_components::{
    containers::{
        Block, BlockBody, Checkpoint, MultiMessageAggregate, ProofBytes, Root, RootList,
        SignedBlock, Slot, State,
    },
    storage::{BlockSource, ChainIdentity, ForkChoiceFacts, StorageError, StorageHealth},
};
use ssz::Decode;

use super::{
    backend::{Backend, Batch, Column, Durability, try_scan},
    memory::MemoryBackend,
    records::{self, FactsRecord, HeaderRecord, names, parse_slot_key, slot_key, slot_start},
    state_records::{Frame, HistoryLink, StoredState},
};

/// The number of slots behind the finalized one that are kept: peers may request them, and forks
/// from there need their states.
pub const WINDOW_SLOTS: u64 = 3600;
/// The number of diffs from a snapshot to the next.
pub const SNAPSHOT_EVERY: u64 = 128;
/// The number of roots in a history chunk.
pub const HISTORY_CHUNK_ROOTS: usize = 1024;
/// The number of post-states that the writer remembers, so that it need not rebuild the parents of
/// new blocks.
const RECENT_STATES: usize = 64;

/// The range of slots for which data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// True to keep canonical blocks and states since genesis.
    pub archive: bool,
    /// The number of slots behind the finalized one that are kept with all their forks.
    pub window_slots: u64,
    /// Diffs from a snapshot to the next.
    pub snapshot_every: u64,
    /// Roots in a history chunk.
    pub history_chunk_roots: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            archive: false,
            window_slots: WINDOW_SLOTS,
            snapshot_every: SNAPSHOT_EVERY,
            history_chunk_roots: HISTORY_CHUNK_ROOTS,
        }
    }
}

impl Retention {
    /// Keeps all canonical blocks and states since genesis.
    pub fn archive() -> Self {
        Self { archive: true, ..Self::default() }
    }
}

/// Blocks, post-states, checkpoints and the signing record of one chain.
///
/// Its guarantees are the contract in the documentation of [`crate::storage`].
pub struct Store {
    pub(super) backend: Box<dyn Backend>,
    /// Its name in error messages.
    place: String,
    /// Its directory, if it has one; locked, to keep other processes out.
    pub(super) lock: Option<(PathBuf, File)>,
    pub(super) retention: Retention,
    pub(super) health: StorageHealth,
    pub(super) writer: Mutex<WriterState>,
    pub(super) frame: OnceLock<Arc<Frame>>,
    pub(super) histories: Mutex<HashMap<HistoryLink, RootList>>,
    /// The newest head with its post-state, whose history has the roots of the canonical blocks.
    pub(super) head: Mutex<Option<(Checkpoint, Arc<State>)>>,
}

/// The state that only the writer needs.
#[derive(Default)]
pub(super) struct WriterState {
    recent: VecDeque<(Root, StoredState)>,
    pub(super) facts: Option<ForkChoiceFacts>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("place", &self.place).finish_non_exhaustive()
    }
}

impl WriterState {
    pub(super) fn find(&self, root: &Root) -> Option<&StoredState> {
        self.recent.iter().rev().find(|(known, _)| known == root).map(|(_, stored)| stored)
    }

    pub(super) fn remember(&mut self, root: Root, stored: StoredState) {
        if self.recent.len() >= RECENT_STATES {
            self.recent.pop_front();
        }
        self.recent.push_back((root, stored));
    }
}

impl Store {
    /// A store with this backend, which must be empty or have the same chain.
    ///
    /// # Errors
    /// The backend has another chain, or cannot be read.
    pub fn new(
        backend: impl Backend,
        place: impl Into<String>,
        identity: &ChainIdentity,
        retention: Retention,
    ) -> Result<Self, StorageError> {
        let store = Self {
            backend: Box::new(backend),
            place: place.into(),
            lock: None,
            retention,
            health: StorageHealth::default(),
            writer: Mutex::default(),
            frame: OnceLock::new(),
            histories: Mutex::default(),
            head: Mutex::default(),
        };
        let text = serde_json::to_vec(identity).expect("an identity has only text and numbers");
        match store.metadata(names::IDENTITY)? {
            Some(bytes) => {
                let known: ChainIdentity = records::content(&bytes)
                    .and_then(|json| serde_json::from_slice(json).map_err(|e| e.to_string()))
                    .map_err(|detail| store.damaged(Column::Metadata, &detail))?;
                if known != *identity {
                    return Err(StorageError(format!(
                        "{} holds another chain: {}; use another directory, or remove this one to \
                         start anew",
                        store.place,
                        ChainIdentity::differences(&known, identity)
                    )));
                }
            }
            None => {
                let value = [&[records::VALUE_VERSION], text.as_slice()].concat();
                let mut batch = Batch::default();
                batch.put(Column::Metadata, names::IDENTITY, value);
                store.backend.write(&batch, Durability::Power)?;
            }
        }
        store.lock_writer().facts = store.facts()?;
        Ok(store)
    }

    /// A store in memory of the default size.
    pub fn in_memory(identity: &ChainIdentity, retention: Retention) -> Self {
        Self::new(MemoryBackend::default(), "memory", identity, retention)
            .expect("a new store in memory is empty")
    }

    /// The place of the store, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The status of the store.
    pub fn health(&self) -> &StorageHealth {
        &self.health
    }

    pub(super) fn lock_writer(&self) -> MutexGuard<'_, WriterState> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error for stored data that cannot be what was written.
    pub(super) fn damaged(&self, column: Column, detail: &str) -> StorageError {
        StorageError(format!(
            "damaged data in {} ({}): {detail}; check the disk, export the signing history, \
             remove the directory and sync again",
            self.place,
            column.name()
        ))
    }

    pub(super) fn read<T: Decode>(
        &self,
        column: Column,
        key: &[u8],
    ) -> Result<Option<T>, StorageError> {
        let Some(bytes) = self.backend.get(column, key)? else { return Ok(None) };
        records::decode(&bytes).map(Some).map_err(|detail| self.damaged(column, &detail))
    }

    pub(super) fn metadata(&self, name: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.backend.get(Column::Metadata, name)
    }

    /// The checkpoints of the last batch; `None` in an empty store.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn facts(&self) -> Result<Option<ForkChoiceFacts>, StorageError> {
        Ok(self.read::<FactsRecord>(Column::Metadata, names::FACTS)?.map(Into::into))
    }

    /// The block that the store began with.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn anchor(&self) -> Result<Option<Checkpoint>, StorageError> {
        self.read(Column::Metadata, names::ANCHOR)
    }

    /// The slot of a stored block.
    pub(super) fn slot_of(&self, root: &Root) -> Result<Option<Slot>, StorageError> {
        self.read(Column::Slots, root.as_slice())
    }

    /// Visits the stored blocks of these slots, ascending.
    pub(super) fn scan_headers(
        &self,
        from: Slot,
        to: Option<Slot>,
        mut visit: impl FnMut(Checkpoint, HeaderRecord),
    ) -> Result<(), StorageError> {
        let damaged = |detail: String| self.damaged(Column::Headers, &detail);
        let to = to.map(slot_start);
        try_scan(&*self.backend, Column::Headers, &slot_start(from), to.as_deref(), |key, value| {
            let block = parse_slot_key(key).map_err(damaged)?;
            visit(block, records::decode(value).map_err(damaged)?);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// A stored block without its proof.
    pub(super) fn block_at(&self, at: Checkpoint) -> Result<Option<Block>, StorageError> {
        let key = slot_key(at);
        let (Some(HeaderRecord { header, .. }), Some(body)) = (
            self.read::<HeaderRecord>(Column::Headers, &key)?,
            self.read::<BlockBody>(Column::Bodies, &key)?,
        ) else {
            return Ok(None);
        };
        Ok(Some(Block {
            slot: header.slot,
            proposer_index: header.proposer_index,
            parent_root: header.parent_root,
            state_root: header.state_root,
            body,
        }))
    }

    /// Writes a value that is never read, synced, as a test.
    ///
    /// # Errors
    /// [`StorageError`] if writes fail.
    pub(super) fn probe(&self) -> Result<(), StorageError> {
        self.check_place()?;
        let mut batch = Batch::default();
        batch.put(Column::Metadata, names::PROBE, vec![records::VALUE_VERSION]);
        self.backend.write(&batch, Durability::Power)
    }
}

impl Store {
    /// Checks that the store's directory is still at its path. The files of a directory that was
    /// removed can still be written, and are lost when the process ends.
    pub(super) fn check_place(&self) -> Result<(), StorageError> {
        let Some((path, directory)) = &self.lock else { return Ok(()) };
        let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
        match (std::fs::metadata(path).map(id), directory.metadata().map(id)) {
            (Ok(there), Ok(own)) if there != own => self.displaced("another directory is there"),
            (Err(error), _) if error.kind() == ErrorKind::NotFound => self.displaced("it is gone"),
            // What else may be wrong is found by reads and writes.
            _ => Ok(()),
        }
    }

    fn displaced(&self, what: &str) -> Result<(), StorageError> {
        Err(StorageError(format!(
            "the directory {} was removed or moved while the node runs: {what}; put it back, or \
             stop the node and restore the newest data directory",
            self.place
        )))
    }
}

impl BlockSource for Store {
    fn signed_block(&self, root: &Root) -> Result<Option<Arc<SignedBlock>>, StorageError> {
        let Some(slot) = self.slot_of(root)? else { return Ok(None) };
        let at = Checkpoint { root: *root, slot };
        // Data that was pruned between two reads is absent.
        let Some(block) = self.block_at(at)? else { return Ok(None) };
        let proof = match self.read::<ProofBytes>(Column::Proofs, &slot_key(at))? {
            Some(proof) => MultiMessageAggregate { proof },
            // Nobody signs genesis: as in all clients, its proof is empty.
            None if self.anchor()? == Some(at) => MultiMessageAggregate::default(),
            None => return Ok(None),
        };
        Ok(Some(Arc::new(SignedBlock { block, proof })))
    }
}
