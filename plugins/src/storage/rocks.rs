//! Columns in `RocksDB`.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use quintet_components::storage::StorageError;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    Direction, ErrorKind, IteratorMode, Options, WriteBatch, WriteOptions,
};

use super::backend::{Backend, Batch, Column, Durability, Visit};

// Sizes for a node with 1 GiB of memory. The store uses at most about 160 MiB of it.

/// The cache of uncompressed blocks, indices and filters, for all columns together.
const BLOCK_CACHE_BYTES: usize = 64 << 20;
/// Data that is written and not yet in a table, for all columns together.
const WRITE_BUFFERS_BYTES: usize = 48 << 20;
/// The part of it that a column may use before it becomes a table.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// The size of the write-ahead log at which the oldest buffers become tables. It limits what a
/// start has to read again.
const MAX_WAL_BYTES: u64 = 64 << 20;
/// Tables that are open at once.
const MAX_OPEN_FILES: i32 = 256;
/// Threads that make and merge tables.
const BACKGROUND_JOBS: i32 = 2;
/// The number of written bytes after which the kernel is asked to start writing them to the disk.
const BYTES_PER_SYNC: u64 = 1 << 20;
/// `RocksDB`'s own log: two files of this size.
const LOG_FILE_BYTES: usize = 1 << 20;

/// Columns in a `RocksDB` database.
pub(super) struct RocksBackend {
    path: PathBuf,
    /// `None` only after a failed attempt to open it again.
    db: RwLock<Option<DB>>,
}

impl std::fmt::Debug for RocksBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksBackend").field("path", &self.path).finish_non_exhaustive()
    }
}

fn options(may_create: bool) -> Options {
    let mut options = Options::default();
    options.create_if_missing(may_create);
    // The process may have ended while they were created.
    options.create_missing_column_families(true);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(MAX_WAL_BYTES);
    options.set_max_open_files(MAX_OPEN_FILES);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    // Not for the log: a page that the kernel is writing blocks further appends to it.
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(LOG_FILE_BYTES);
    options.set_skip_stats_update_on_db_open(true);
    // A record that is cut off at the end was never acknowledged. Damage before the log's end is an
    // error: ignoring what follows would lose signatures.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options
}

fn column_options(column: Column, cache: &Cache) -> Options {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(cache);
    tables.set_cache_index_and_filter_blocks(true);
    tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
    tables.set_block_size(16 << 10);
    if matches!(column, Column::Slots | Column::Signing) {
        // Most requested keys are absent.
        tables.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&tables);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    // Old data is read rarely and kept long. Proofs look random and cannot be compressed.
    options.set_bottommost_compression_type(match column {
        Column::Proofs => DBCompressionType::Lz4,
        _ => DBCompressionType::Zstd,
    });
    options
}

fn open(path: &Path, may_create: bool) -> Result<DB, rocksdb::Error> {
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let columns = Column::ALL
        .map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(column, &cache)));
    DB::open_cf_descriptors(&options(may_create), path, columns)
}

impl RocksBackend {
    /// Opens a database, and creates it if there is none and `may_create` is true.
    pub(super) fn open(path: &Path, may_create: bool) -> Result<Self, rocksdb::Error> {
        let db = open(path, may_create)?;
        Ok(Self { path: path.to_owned(), db: RwLock::new(Some(db)) })
    }

    fn with<T>(
        &self,
        run: impl FnOnce(&DB) -> Result<T, rocksdb::Error>,
    ) -> Result<T, StorageError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| {
            StorageError(format!("the database {} is closed after a fault", self.path.display()))
        })?;
        run(db).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &rocksdb::Error) -> StorageError {
        StorageError(format!("{error} in {}; {}", self.path.display(), remedy(error)))
    }
}

/// Advice for the operator about an error.
pub(super) fn remedy(error: &rocksdb::Error) -> &'static str {
    let text = error.to_string();
    if text.contains("No space left") || text.contains("Disk quota") {
        "free space on that disk: the node then continues by itself"
    } else if error.kind() == ErrorKind::Corruption {
        "the files are damaged: check the disk, keep the signing history with an export if it can \
         still be read, remove the directory and sync again"
    } else if text.contains("Permission denied") || text.contains("Read-only file system") {
        "make the directory writable for the node's user"
    } else if text.contains("Too many open files") {
        "raise the limit of open files (ulimit -n)"
    } else {
        "check the disk"
    }
}

fn family(db: &DB, column: Column) -> &rocksdb::ColumnFamily {
    db.cf_handle(column.name()).expect("every column family is opened")
}

impl Backend for RocksBackend {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.with(|db| db.get_cf(family(db, column), key))
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        self.with(|db| {
            let mode = IteratorMode::From(from, Direction::Forward);
            for entry in db.iterator_cf(family(db, column), mode) {
                let (key, value) = entry?;
                if to.is_some_and(|to| &*key >= to) || visit(&key, &value) == ControlFlow::Break(())
                {
                    break;
                }
            }
            Ok(())
        })
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        self.with(|db| {
            let mut writes = WriteBatch::default();
            for change in &batch.0 {
                let family = family(db, change.column);
                match &change.value {
                    Some(value) => writes.put_cf(family, &change.key, value),
                    None => writes.delete_cf(family, &change.key),
                }
            }
            let mut options = WriteOptions::default();
            options.set_sync(durability == Durability::Power);
            db.write_opt(writes, &options)
        })
    }

    /// After some faults `RocksDB` accepts no more writes, so the database is opened again.
    fn recover(&self) -> Result<(), StorageError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // The lock has to be free before the directory can be opened again.
        drop(db.take());
        *db = Some(open(&self.path, false).map_err(|error| self.failure(&error))?);
        Ok(())
    }
}
