//! Opens a database, and checks that it belongs to this chain and that this release can read it.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use quintet_components::storage::{ChainIdentity, StorageError};
use rocksdb::ErrorKind;

use super::{
    resources::{self, Lack},
    rocks::{self, RocksBackend},
    store::{Retention, Store},
    unused,
};
use crate::{
    files,
    text::{make_folder, open_file},
};

/// The version of the database's layout. A release reads only its own.
pub const SCHEMA_VERSION: u32 = 1;
/// The file that says which chain a directory belongs to.
pub const MARKER_FILE: &str = "quintet-database.json";

/// The largest marker that is read.
const MAX_MARKER_BYTES: u64 = 64 << 10;

/// A database that `RocksDB` keeps in a directory.
#[derive(Clone, Debug)]
pub struct RocksDbConfig {
    /// The directory; it is made when it is missing.
    pub path: PathBuf,
    /// The data that is kept, and for how long.
    pub retention: Retention,
}

/// The reason a database was not opened. Nothing was changed, and every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is a file where the directory should be.
    #[error("{0} is not a directory; give the path of a directory for the database")]
    NotADirectory(PathBuf),
    /// The directory cannot be made, read or written.
    #[error("{path}: {error}; make it a directory that the node's user can read and write")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The directory has files but no marker.
    #[error(
        "{path} holds files of another program (for example {found}); give an empty directory or \
         one that this node made"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// The marker cannot be read.
    #[error(
        "{path} is damaged: {detail}; restore it from a backup, or remove the directory and sync \
         again"
    )]
    Marker {
        /// The marker.
        path: PathBuf,
        /// The reason.
        detail: String,
    },
    /// A newer release made it.
    #[error(
        "{path} has schema version {found}, this release knows {SCHEMA_VERSION}; run the newer \
         release that made it, or give another directory"
    )]
    Schema {
        /// The directory.
        path: PathBuf,
        /// Its schema version.
        found: u32,
    },
    /// It belongs to another chain.
    #[error(
        "{path} belongs to another chain: {}; use another directory, or remove this one to start \
         anew",
        ChainIdentity::differences(found, expected)
    )]
    Chain {
        /// The directory.
        path: PathBuf,
        /// The chain of the directory.
        found: Box<ChainIdentity>,
        /// The chain of this node.
        expected: Box<ChainIdentity>,
    },
    /// Another process has it open.
    #[error(
        "{0} is in use by another process; stop the other node first: two nodes must never share \
         a database"
    )]
    Locked(PathBuf),
    /// `RocksDB` cannot open it.
    #[error("{path} cannot be opened: {detail}; {remedy}")]
    Database {
        /// The directory.
        path: PathBuf,
        /// The error of `RocksDB`.
        detail: String,
        /// Advice for the operator.
        remedy: &'static str,
    },
    /// There are too few threads or too little memory for `RocksDB`, which would end the process.
    #[error("{path} cannot be opened: {lack}")]
    Resources {
        /// The directory.
        path: PathBuf,
        /// The resource that is too scarce, and advice for the operator.
        lack: Lack,
    },
    /// It was opened but cannot be read.
    #[error(transparent)]
    Content(#[from] StorageError),
}

/// The content of the marker file.
#[derive(serde::Serialize, serde::Deserialize)]
struct Marker {
    schema: u32,
    chain: ChainIdentity,
}

/// The part of the marker that every release can read.
#[derive(serde::Deserialize)]
struct AnyMarker {
    schema: u32,
}

impl Store {
    /// Opens the database of this chain, or creates it if the directory is empty.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: &RocksDbConfig, identity: &ChainIdentity) -> Result<Self, OpenError> {
        let path = &config.path;
        if path.exists() && !path.is_dir() {
            return Err(OpenError::NotADirectory(path.clone()));
        }
        make_folder(path).map_err(io_error(path))?;
        let lock = lock(path)?;
        resources::check().map_err(|lack| OpenError::Resources { path: path.clone(), lack })?;
        match prepare(path, identity) {
            Err(OpenError::Chain { found, .. }) if unused::empty(path, &found, identity)? => {
                write_marker(&path.join(MARKER_FILE), identity)?;
                tracing::warn!(
                    "{} was made for other settings, and nothing has happened in it: it is made \
                     anew ({})",
                    path.display(),
                    ChainIdentity::differences(&found, identity)
                );
            }
            outcome => outcome?,
        }
        // If a directory has its marker but no database, its creation was interrupted. If it has
        // tables but no list of them, it is damaged and must not be created again.
        let is_new = !path.join("CURRENT").exists() && !has_tables(path)?;
        let backend = RocksBackend::open(path, is_new).map_err(|error| refusal(path, &error))?;
        let mut store = Self::new(backend, path.display().to_string(), identity, config.retention)?;
        store.lock = lock.map(|directory| (path.clone(), directory));
        Ok(store)
    }
}

/// Locks the directory before it is read, because `RocksDB`'s own lock is in a file that is created
/// later. `None` if directories cannot be locked, as on some network shares.
fn lock(path: &Path) -> Result<Option<fs::File>, OpenError> {
    let directory = fs::File::open(path).map_err(io_error(path))?;
    match directory.try_lock() {
        Ok(()) => Ok(Some(directory)),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(fs::TryLockError::Error(_)) => Ok(None),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |error| OpenError::Io { path, error }
}

/// Creates or checks the directory's marker.
fn prepare(path: &Path, identity: &ChainIdentity) -> Result<(), OpenError> {
    let marker = path.join(MARKER_FILE);
    let read = |file: fs::File| {
        let mut bytes = Vec::new();
        file.take(MAX_MARKER_BYTES).read_to_end(&mut bytes).map(|_| bytes)
    };
    match open_file(&marker).and_then(read) {
        Ok(bytes) => check_marker(path, &marker, &bytes, identity),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for entry in fs::read_dir(path).map_err(io_error(path))? {
                let entry = entry.map_err(io_error(path))?;
                let found = entry.file_name().to_string_lossy().into_owned();
                // A marker whose writing a crash ended.
                if !found.starts_with(MARKER_FILE) {
                    return Err(OpenError::Foreign { path: path.to_owned(), found });
                }
            }
            write_marker(&marker, identity)
        }
        Err(error) => Err(OpenError::Io { path: marker, error }),
    }
}

/// Writes the marker, completely or not at all.
fn write_marker(marker: &Path, identity: &ChainIdentity) -> Result<(), OpenError> {
    let content = Marker { schema: SCHEMA_VERSION, chain: identity.clone() };
    let text = serde_json::to_string_pretty(&content).expect("text and numbers");
    files::replace(marker, (text + "\n").as_bytes()).map_err(io_error(marker))
}

fn check_marker(
    path: &Path,
    marker: &Path,
    bytes: &[u8],
    identity: &ChainIdentity,
) -> Result<(), OpenError> {
    let damaged = |error: serde_json::Error| OpenError::Marker {
        path: marker.to_owned(),
        detail: error.to_string(),
    };
    let AnyMarker { schema } = serde_json::from_slice(bytes).map_err(damaged)?;
    if schema != SCHEMA_VERSION {
        return Err(OpenError::Schema { path: path.to_owned(), found: schema });
    }
    let Marker { chain, .. } = serde_json::from_slice(bytes).map_err(damaged)?;
    if chain != *identity {
        return Err(OpenError::Chain {
            path: path.to_owned(),
            found: Box::new(chain),
            expected: Box::new(identity.clone()),
        });
    }
    Ok(())
}

/// Returns true if there are tables or logs of a database.
fn has_tables(path: &Path) -> Result<bool, OpenError> {
    let mut entries = fs::read_dir(path).map_err(io_error(path))?;
    Ok(entries.any(|entry| {
        entry.is_ok_and(|entry| {
            entry.path().extension().is_some_and(|end| end == "sst" || end == "log")
        })
    }))
}

pub(super) fn refusal(path: &Path, error: &rocksdb::Error) -> OpenError {
    let detail = error.to_string();
    let path = path.to_owned();
    if error.kind() == ErrorKind::IOError && detail.to_lowercase().contains("lock") {
        return OpenError::Locked(path);
    }
    OpenError::Database { path, detail, remedy: rocks::remedy(error) }
}
