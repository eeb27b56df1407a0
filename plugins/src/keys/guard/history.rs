//! The signing history as a file, for moving keys to another machine.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use quintet_components::containers::{PublicKey, Root, Slot};
use serde::{Deserialize, Serialize};

use super::GuardError;
use crate::{keys::durable, text::read_text};

/// The format's name in a file.
const FORMAT: &str = "quintet-signing-history";
/// The format's version.
const VERSION: u32 = 1;
/// The largest history that is read: 8192 keys with 256 slots each.
const MAX_BYTES: u64 = 256 << 20;
/// The slot after the last one that any key can sign for.
const LIFETIME: Slot = 1 << 32;

/// The messages that keys have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningHistory {
    /// The network's genesis.
    pub genesis: Root,
    /// One history per key.
    pub keys: Vec<KeyHistory>,
}

/// The messages that a key has signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "the history of a key")]
pub struct KeyHistory {
    /// The key.
    pub public_key: PublicKey,
    /// For slots before this one, only the entries may be signed again.
    pub floor: Slot,
    /// The slots for which it signed, or was about to sign.
    pub entries: Vec<SignedSlot>,
}

/// A slot that a key has signed a message for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a slot and a message")]
pub struct SignedSlot {
    /// The slot.
    pub slot: Slot,
    /// The message's root.
    pub message: Root,
}

/// The result of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Entries that are new.
    pub added: usize,
    /// Entries that were recorded already.
    pub known: usize,
    /// Entries with another message than the record's. The record's message stays; the key has
    /// signed twice.
    pub conflicts: usize,
    /// Floors that were raised.
    pub floors: usize,
}

/// The reason a history was not read, written or imported.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file system returned an error.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The text is not a history.
    #[error("not a signing history: {0}")]
    Json(#[from] serde_json::Error),
    /// A value is invalid.
    #[error("not a signing history: {place}: {reason}")]
    Place {
        /// The place of the value.
        place: String,
        /// The reason.
        reason: String,
    },
    /// It belongs to another network.
    #[error("the history belongs to the network of genesis {found}, not {expected}")]
    OtherGenesis {
        /// This network's genesis.
        expected: Root,
        /// The history's genesis.
        found: Root,
    },
    /// The record or the mark failed.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with format, version, genesis and keys")]
struct Form {
    format: String,
    version: u32,
    genesis: Root,
    keys: Vec<KeyHistory>,
}

impl SigningHistory {
    /// Reads a history from JSON.
    ///
    /// # Errors
    /// [`HistoryError`], with the place at which the text or a value is wrong.
    pub fn from_json(text: &str) -> Result<Self, HistoryError> {
        let form: Form = serde_json::from_str(text)?;
        let wrong = |place: String, reason: String| Err(HistoryError::Place { place, reason });
        if form.format != FORMAT {
            return wrong("format".into(), format!("expected {FORMAT:?}"));
        }
        if form.version != VERSION {
            return wrong("version".into(), format!("expected {VERSION}, found {}", form.version));
        }
        let mut seen = BTreeSet::new();
        for (at, key) in form.keys.iter().enumerate() {
            if !seen.insert(key.public_key) {
                return wrong(format!("keys[{at}].public_key"), "the key occurs twice".into());
            }
            let past = |slot| format!("slot {slot} is past every key's lifetime");
            if key.floor > LIFETIME {
                return wrong(format!("keys[{at}].floor"), past(key.floor));
            }
            let mut slots = BTreeSet::new();
            for (entry_at, entry) in key.entries.iter().enumerate() {
                let place = format!("keys[{at}].entries[{entry_at}].slot");
                if entry.slot >= LIFETIME {
                    return wrong(place, past(entry.slot));
                }
                if !slots.insert(entry.slot) {
                    return wrong(place, format!("slot {} occurs twice", entry.slot));
                }
            }
        }
        Ok(Self { genesis: form.genesis, keys: form.keys })
    }

    /// The history as JSON.
    ///
    /// # Errors
    /// [`HistoryError::Json`].
    pub fn to_json(&self) -> Result<String, HistoryError> {
        let form = Form {
            format: FORMAT.into(),
            version: VERSION,
            genesis: self.genesis,
            keys: self.keys.clone(),
        };
        Ok(serde_json::to_string_pretty(&form)? + "\n")
    }

    /// Reads a history's file.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        let io = |source| HistoryError::Io { path: path.to_owned(), source };
        Self::from_json(&read_text(path, MAX_BYTES).map_err(io)?)
    }

    /// Writes a history's file, completely or not at all.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn write(&self, path: &Path) -> Result<(), HistoryError> {
        durable::replace(path, self.to_json()?.as_bytes())
            .map_err(|source| HistoryError::Io { path: path.to_owned(), source })
    }
}
