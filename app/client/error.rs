//! The errors of building a client.

use std::{io, path::PathBuf};

use quintet_components::storage::StorageError;
use quintet_plugins::{
    MissingPiece,
    checkpoint::CheckpointSyncError,
    keys::{GuardError, KeyLoadErrors},
    network::KeyFileError,
    storage::OpenError,
};

use crate::network_dir::NetworkFileError;

/// The reason a client was not built. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A setting has a value that cannot be used.
    #[error("{setting}: {reason}")]
    Setting {
        /// The name of the setting: a flag of `quintet node` without its dashes.
        setting: &'static str,
        /// The reason the value cannot be used.
        reason: String,
    },
    /// The settings, or the network's files, lack something or name what cannot be.
    #[error("{0}")]
    Network(String),
    /// A file of the network was not read.
    #[error(transparent)]
    File(#[from] NetworkFileError),
    /// The node's own key was not read.
    #[error(transparent)]
    NodeKey(#[from] KeyFileError),
    /// A validator's key was not loaded.
    #[error(transparent)]
    Keys(#[from] KeyLoadErrors),
    /// The record of signatures was not opened.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The database was not opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The database was not read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No checkpoint was found.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointSyncError),
    /// A folder was not made.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A plugin that another plugin needs was left out.
    #[error(transparent)]
    Missing(#[from] MissingPiece),
    /// A plugin did not start.
    #[error("{0}")]
    Boot(String),
    /// The handler of signals was not installed.
    #[error("signals cannot be handled: {0}")]
    Signals(#[source] io::Error),
}

impl ClientError {
    pub(super) fn setting(setting: &'static str, reason: impl ToString) -> Self {
        Self::Setting { setting, reason: reason.to_string() }
    }
}
