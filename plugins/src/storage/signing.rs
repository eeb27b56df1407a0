//! The record of signatures: every write is synced before it returns.

use std::{ops::ControlFlow, time::Instant};

use quintet_components::{
    containers::{PublicKey, Root, Signature, Slot},
    planted::{Planted, is_planted},
    storage::{SigningEntry, SigningRecord, StorageError},
};

use super::{
    backend::{Batch, Column, Durability, try_scan},
    records::{VALUE_VERSION, content},
    store::Store,
};

/// The number of entries that one batch of [`SigningRecord::prune`] deletes.
const PRUNE_BATCH: usize = 4096;

fn entry_key(key: &PublicKey, slot: Slot) -> Vec<u8> {
    [key.as_slice(), &slot.to_be_bytes()].concat()
}

fn parse_key(key: &[u8]) -> Option<(PublicKey, Slot)> {
    let (key, slot) = key.split_last_chunk::<8>()?;
    Some((PublicKey::try_from(key).ok()?, Slot::from_be_bytes(*slot)))
}

/// The message, then the signature if there is one.
fn encode(entry: &SigningEntry) -> Vec<u8> {
    let signature = entry.signature.as_ref().map_or(&[][..], Signature::as_bytes);
    [&[VALUE_VERSION], entry.message.as_slice(), signature].concat()
}

fn decode(key: &[u8], value: &[u8]) -> Result<SigningEntry, String> {
    let (public_key, slot) = parse_key(key).ok_or("a key of another length")?;
    let (message, signature) =
        content(value)?.split_first_chunk::<32>().ok_or("no message in an entry")?;
    let signature = (!signature.is_empty())
        .then(|| Signature::new(signature))
        .transpose()
        .map_err(|error| error.to_string())?;
    Ok(SigningEntry { public_key, slot, message: Root::from(*message), signature })
}

impl SigningRecord for Store {
    fn find(&self, key: &PublicKey, slot: Slot) -> Result<Option<SigningEntry>, StorageError> {
        let key = entry_key(key, slot);
        let Some(value) = self.backend.get(Column::Signing, &key)? else { return Ok(None) };
        decode(&key, &value).map(Some).map_err(|detail| self.damaged(Column::Signing, &detail))
    }

    /// Refuses writes while the store is degraded. Threads that write at the same time share a
    /// sync.
    fn write(&self, entries: &[SigningEntry]) -> Result<(), StorageError> {
        if let Some(reason) = self.health.status().fault {
            return Err(StorageError(format!("nothing is signed while the store fails: {reason}")));
        }
        let mut batch = Batch::default();
        for entry in entries {
            batch.put(Column::Signing, entry_key(&entry.public_key, entry.slot), encode(entry));
        }
        let began = Instant::now();
        let is_unsynced = is_planted(Planted::UnsyncedRecord);
        let durability = if is_unsynced { Durability::Process } else { Durability::Power };
        self.backend.write(&batch, durability).inspect_err(|error| {
            self.health.set_fault(Some(error.0.clone()));
        })?;
        self.health.note_batch(0, began.elapsed());
        Ok(())
    }

    fn after(
        &self,
        position: Option<(&PublicKey, Slot)>,
        limit: usize,
    ) -> Result<Vec<SigningEntry>, StorageError> {
        let from = position.map_or(Vec::new(), |(key, slot)| {
            // The smallest larger key.
            [entry_key(key, slot).as_slice(), &[0]].concat()
        });
        let mut entries = Vec::new();
        try_scan(&*self.backend, Column::Signing, &from, None, |key, value| {
            if entries.len() >= limit {
                return Ok(ControlFlow::Break(()));
            }
            let entry =
                decode(key, value).map_err(|detail| self.damaged(Column::Signing, &detail))?;
            entries.push(entry);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(entries)
    }

    fn prune(&self, key: &PublicKey, before: Slot) -> Result<(), StorageError> {
        let (mut from, end) = (entry_key(key, 0), entry_key(key, before));
        loop {
            let mut batch = Batch::default();
            self.backend.scan(Column::Signing, &from, Some(&end), &mut |key, _| {
                batch.delete(Column::Signing, key);
                if batch.0.len() < PRUNE_BATCH {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
            let Some(last) = batch.0.last() else { return Ok(()) };
            from.clone_from(&last.key);
            // If these entries reappear after a power failure, they do no harm, so there is no
            // sync.
            self.backend.write(&batch, Durability::Process)?;
        }
    }
}
