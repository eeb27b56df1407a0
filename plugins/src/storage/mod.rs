//! Storage: the chain on disk or in memory, and the record of signatures.
//!
//! # The contract
//!
//! A [`Store`] keeps one chain in a [`Backend`]. `RocksDbPlugin` and [`MemoryStoragePlugin`]
//! follow the same contract, and so does any store with a backend that follows [`Backend`]'s.
//!
//! - **One batch per update.** The changes of an update (blocks with post-states, checkpoints) are
//!   written together or not at all. A batch is *acknowledged* when its write has returned: from
//!   then on it survives every end of the process. Batches are not synced one by one; a power
//!   failure may lose the newest ones, and then all later ones too. The signing record is synced
//!   before a write returns, and loses nothing even then.
//! - **Always consistent.** Every stored block's parent is stored, back to the window's beginning
//!   or the anchor, and so is every block that a checkpoint names. A block that would break this is
//!   left out and counted.
//! - **States.** The post-state of every kept block can be rebuilt; its root is checked each time.
//! - **Before the anchor** canonical blocks without states may be added, newest first. The slot
//!   back to which no block is missing is stored with them.
//! - **Pruning** keeps, with all forks, everything from the window's first slot on: 3600 slots
//!   behind the finalized one. Archive mode also keeps the canonical chain since the anchor. States
//!   from which a kept state is rebuilt stay as long as they are needed.
//! - **The world never waits.** The writer thread takes what waits; if it is behind, updates are
//!   merged. From 256 waiting blocks on,
//!   [`StorageHealth`](quintet_components::storage::StorageHealth) says that the store is behind,
//!   so that import stops; past 1024 blocks or 128 MiB new blocks are not kept.
//! - **Faults.** While writes fail, the health has the reason, the signing record refuses requests,
//!   reads continue, and the writer tries again. After that everything that waited is written, in
//!   order.
//! - **Errors** name the place and say what to do. Invalid bytes on the disk never cause a panic.

mod anchor;
mod append;
mod backend;
mod canonical;
mod memory;
#[cfg(feature = "rocksdb")]
mod open;
mod plugin;
mod prune;
mod records;
#[cfg(feature = "rocksdb")]
mod resources;
mod resume;
#[cfg(feature = "rocksdb")]
mod rocks;
mod signing;
mod state_records;
mod states;
mod store;
#[cfg(feature = "rocksdb")]
mod unused;
mod writer;

pub use append::{ImportedBlock, Update, Written};
pub use backend::{Backend, Batch, Change, Column, Durability, Visit};
pub use memory::{MEMORY_LIMIT_BYTES, MemoryBackend};
#[cfg(feature = "rocksdb")]
pub use open::{MARKER_FILE, OpenError, RocksDbConfig, SCHEMA_VERSION};
#[cfg(feature = "rocksdb")]
pub use plugin::RocksDbPlugin;
pub use plugin::{MAX_SAVED_VOTES, MemoryStoragePlugin, SteppedStoragePlugin, StorageWriter};
pub use prune::PRUNE_STEP_SLOTS;
#[cfg(feature = "rocksdb")]
pub use resources::Lack;
pub use store::{HISTORY_CHUNK_ROOTS, Retention, SNAPSHOT_EVERY, Store, WINDOW_SLOTS};
pub use writer::{
    BEHIND_BLOCKS, MAX_HISTORY_BATCHES, MAX_WAITING_BLOCKS, MAX_WAITING_BYTES, Writer, WriterThread,
};
