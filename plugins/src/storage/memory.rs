//! Columns in memory, with a limit.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{PoisonError, RwLock},
};

use quintet_components::storage::StorageError;

use super::backend::{Backend, Batch, Column, Durability, Visit};

/// The default capacity of a store in memory, for keys and values: 512 MiB.
pub const MEMORY_LIMIT_BYTES: usize = 512 << 20;

/// Columns in memory. They end with the process, whatever durability was requested.
#[derive(Debug)]
pub struct MemoryBackend {
    content: RwLock<Content>,
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct Content {
    entries: BTreeMap<(Column, Vec<u8>), Vec<u8>>,
    bytes: usize,
}

impl MemoryBackend {
    /// Columns with at most this many bytes of keys and values.
    pub fn new(limit_bytes: usize) -> Self {
        Self { content: RwLock::default(), limit_bytes }
    }

    /// The size of all keys and values in bytes.
    pub fn bytes(&self) -> usize {
        self.content.read().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new(MEMORY_LIMIT_BYTES)
    }
}

impl Content {
    fn set(&mut self, key: (Column, Vec<u8>), value: Option<Vec<u8>>) {
        let key_bytes = key.1.len();
        let before = match value {
            Some(value) => {
                self.bytes += key_bytes + value.len();
                self.entries.insert(key, value)
            }
            None => self.entries.remove(&key),
        };
        self.bytes -= before.map_or(0, |value| key_bytes + value.len());
    }
}

impl Backend for MemoryBackend {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        Ok(content.entries.get(&(column, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        let content = self.content.read().unwrap_or_else(PoisonError::into_inner);
        let range = (Bound::Included((column, from.to_vec())), Bound::Unbounded);
        for ((_, key), value) in content
            .entries
            .range(range)
            .take_while(|((of, key), _)| *of == column && to.is_none_or(|to| key.as_slice() < to))
        {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, _: Durability) -> Result<(), StorageError> {
        let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
        let grows = batch.0.iter().any(|change| change.value.is_some());
        if grows && content.bytes.saturating_add(batch.bytes()) > self.limit_bytes {
            return Err(StorageError(format!(
                "the store in memory is full at {} of {} bytes; keep the chain on disk, or wait \
                 for finality",
                content.bytes, self.limit_bytes
            )));
        }
        for change in &batch.0 {
            content.set((change.column, change.key.clone()), change.value.clone());
        }
        Ok(())
    }

    fn is_crowded(&self) -> bool {
        self.bytes() > self.limit_bytes / 4 * 3
    }
}
