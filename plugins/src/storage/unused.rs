//! Databases of another chain in which nothing has happened.
//!
//! A start with wrong settings may make a database before it is refused. With the right settings,
//! this database belongs to another chain, although nothing is in it but genesis.

use std::{ops::ControlFlow, path::Path};

use quintet_components::storage::{ChainIdentity, SigningRecord, StorageError};

use super::{
    backend::{Batch, Column, Durability, try_scan},
    open::OpenError,
    rocks::RocksBackend,
    store::{Retention, Store},
};

/// The number of signing entries that are read at a time.
const CHUNK: usize = 256;

/// Empties a database of the chain `found` in which nothing has happened, so that it can be that of
/// the chain `expected`. Its record of signatures stays as it is. Returns true if it did.
///
/// # Errors
/// [`OpenError`].
pub(super) fn empty(
    path: &Path,
    found: &ChainIdentity,
    expected: &ChainIdentity,
) -> Result<bool, OpenError> {
    if !path.join("CURRENT").exists() {
        return Ok(false);
    }
    let backend =
        RocksBackend::open(path, false).map_err(|error| super::open::refusal(path, &error))?;
    let store = Store::new(backend, path.display().to_string(), found, Retention::default())?;
    if store.facts()?.is_some_and(|facts| facts.head.slot > 0) {
        return Ok(false);
    }
    let is_same_genesis = found.genesis_time == expected.genesis_time
        && found.validators_root == expected.validators_root;
    if !may_keep_record(&store, is_same_genesis)? {
        return Ok(false);
    }
    let mut batch = Batch::default();
    for column in Column::ALL.into_iter().filter(|column| *column != Column::Signing) {
        try_scan(&*store.backend, column, &[], None, |key, _| {
            batch.delete(column, key);
            Ok(ControlFlow::Continue(()))
        })?;
    }
    store.backend.write(&batch, Durability::Power)?;
    Ok(true)
}

/// Returns true if no signature is recorded, and whatever else is in the record holds for the other
/// chain too.
fn may_keep_record(store: &Store, is_same_genesis: bool) -> Result<bool, StorageError> {
    let mut position = None;
    loop {
        let at = position.as_ref().map(|(key, slot)| (key, *slot));
        let entries = store.after(at, CHUNK)?;
        let Some(last) = entries.last() else { return Ok(true) };
        if !is_same_genesis || entries.iter().any(|entry| entry.signature.is_some()) {
            return Ok(false);
        }
        position = Some((last.public_key, last.slot));
    }
}
