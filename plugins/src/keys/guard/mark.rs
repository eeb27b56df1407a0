//! The mark: how far a record of signatures has come, kept outside the record.

use std::path::{Path, PathBuf};

use quintet_components::containers::{Root, Slot};
use serde::{Deserialize, Serialize};

use super::GuardError;
use crate::keys::durable;

const VERSION: u32 = 1;

/// How far the record has come. It only ever rises, and no signature leaves before it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    version: u32,
    /// The network's genesis.
    pub(super) genesis: Root,
    /// The record's id in hex.
    pub(super) record: String,
    /// Batches that the record has taken.
    pub(super) generation: u64,
    /// The highest slot that was signed.
    pub(super) highest_slot: Option<Slot>,
    /// No key signs for a slot before this one.
    pub(super) floor: Slot,
}

impl Mark {
    pub(super) fn new(genesis: Root, record: String) -> Self {
        Self { version: VERSION, genesis, record, generation: 0, highest_slot: None, floor: 0 }
    }

    pub(super) fn read(path: &Path) -> Result<Option<Self>, GuardError> {
        let damaged = |reason: String| GuardError::Mark { path: path.to_owned(), reason };
        let Some(text) = durable::read_small(path).map_err(|error| damaged(error.to_string()))?
        else {
            return Ok(None);
        };
        let mark: Self = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if mark.version != VERSION {
            return Err(damaged(format!(
                "it has version {}, and this build reads version {VERSION}",
                mark.version
            )));
        }
        Ok(Some(mark))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), GuardError> {
        let failed = |reason: String| GuardError::Mark { path: path.to_owned(), reason };
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| failed(error.to_string()))?;
        text.push(b'\n');
        durable::replace(path, &text).map_err(|error| failed(error.to_string()))
    }
}

/// Where a node's mark is by convention: in a folder outside its data directory, by the node's
/// name and the network's genesis, so that nodes that share a folder of keys do not share a mark.
pub fn mark_path(folder: &Path, node: &str, genesis: &Root) -> PathBuf {
    let node: String = node
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
        .collect();
    let genesis: String = format!("{genesis:x}").chars().take(8).collect();
    folder.join(format!("signing-mark-{node}-{genesis}.json"))
}
