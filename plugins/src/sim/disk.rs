//! The storage device of a simulated machine, and the file of its mark.
//!
//! The device keeps the contract of [`Backend`]: batches are atomic and survive in the order of
//! their writes. The end of the process loses nothing. A loss of power loses some of the newest
//! batches since the last synced one.

use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use quintet_components::storage::StorageError;

use super::random::Random;
use crate::{
    keys::MarkPlace,
    storage::{Backend, Batch, Column, Durability, Visit},
};

/// The largest number of unsynced batches that a device holds back. When there are more, the oldest
/// one is written to the disk.
const MAX_UNSYNCED: usize = 256;

type Entries = BTreeMap<(Column, Vec<u8>), Vec<u8>>;
/// The values that a batch's keys had before it.
type Undo = Vec<((Column, Vec<u8>), Option<Vec<u8>>)>;

/// The switch of one life of a node. Once it is off, nothing is written, as after a process was
/// killed.
#[derive(Clone)]
pub(super) struct Plug(Arc<AtomicBool>);

impl Default for Plug {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Plug {
    /// Ends the life.
    pub(super) fn pull(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_in(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A device. Clones share the same device. It outlives the node.
#[derive(Clone, Default)]
pub(super) struct SimDisk {
    content: Arc<Mutex<Content>>,
    plug: Plug,
}

#[derive(Default)]
struct Content {
    entries: Entries,
    unsynced: std::collections::VecDeque<Undo>,
    is_full: bool,
    copy: Option<Entries>,
    batches: u64,
}

impl Content {
    fn set(&mut self, key: (Column, Vec<u8>), value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        match value {
            Some(value) => self.entries.insert(key, value),
            None => self.entries.remove(&key),
        }
    }
}

impl SimDisk {
    /// Returns the same device for a life with this plug.
    pub(super) fn plugged(&self, plug: &Plug) -> Self {
        Self { content: Arc::clone(&self.content), plug: plug.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes writes fail if `is_full` is true.
    pub(super) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// Returns true if writes fail.
    pub(super) fn is_full(&self) -> bool {
        self.lock().is_full
    }

    /// Keeps a copy of everything, for [`roll_back`](Self::roll_back).
    pub(super) fn copy(&self) {
        let mut content = self.lock();
        content.copy = Some(content.entries.clone());
    }

    /// Puts the copy back, if there is one.
    pub(super) fn roll_back(&self) {
        let mut content = self.lock();
        if let Some(copy) = content.copy.take() {
            content.entries = copy;
            content.unsynced.clear();
        }
    }

    /// Loses some of the newest unsynced batches, as when power is lost. Returns their number.
    pub(super) fn lose_power(&self, random: &mut Random) -> usize {
        let mut content = self.lock();
        let lost = random.place(content.unsynced.len() + 1);
        for _ in 0..lost {
            let undo = content.unsynced.pop_back().expect("no more than there are");
            for (key, before) in undo.into_iter().rev() {
                content.set(key, before);
            }
        }
        content.unsynced.clear();
        lost
    }

    /// Batches written so far.
    pub(super) fn batches(&self) -> u64 {
        self.lock().batches
    }
}

impl Backend for SimDisk {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.lock().entries.get(&(column, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        column: Column,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StorageError> {
        let content = self.lock();
        let range = (Bound::Included((column, from.to_vec())), Bound::Unbounded);
        let is_within = |of: Column, key: &[u8]| of == column && to.is_none_or(|to| key < to);
        let entries = content.entries.range(range);
        for ((_, key), value) in entries.take_while(|((of, key), _)| is_within(*of, key)) {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, batch: &Batch, durability: Durability) -> Result<(), StorageError> {
        let mut content = self.lock();
        if !self.plug.is_in() {
            return Err(StorageError("the simulated machine is off; start the node anew".into()));
        }
        if content.is_full {
            return Err(StorageError(
                "the simulated disk is full; wait for the fault's end".into(),
            ));
        }
        content.batches += 1;
        let mut undo = Undo::new();
        for change in &batch.0 {
            let key = (change.column, change.key.clone());
            let before = content.set(key.clone(), change.value.clone());
            undo.push((key, before));
        }
        match durability {
            Durability::Power => content.unsynced.clear(),
            Durability::Process => {
                content.unsynced.push_back(undo);
                if content.unsynced.len() > MAX_UNSYNCED {
                    content.unsynced.pop_front();
                }
            }
        }
        Ok(())
    }
}

/// The file of a mark. It is on another device than the record, so a rollback does not change it.
#[derive(Clone, Default)]
pub(super) struct SimMark {
    content: Arc<Mutex<MarkContent>>,
    plug: Plug,
}

#[derive(Default)]
struct MarkContent {
    bytes: Option<Vec<u8>>,
    /// The place of the newest write, and the bytes that it replaced.
    newest: Option<(usize, Vec<u8>)>,
}

impl SimMark {
    /// Returns the same file for a life with this plug.
    pub(super) fn plugged(&self, plug: &Plug) -> Self {
        Self { content: Arc::clone(&self.content), plug: plug.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, MarkContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> io::Result<()> {
        self.plug.is_in().then_some(()).ok_or_else(|| io::Error::other("the machine is off"))
    }

    /// Restores some of the bytes from before the newest write, as if a crash had interrupted it.
    pub(super) fn tear(&self, random: &mut Random) {
        let mut content = self.lock();
        let Some((at, before)) = content.newest.take() else { return };
        let torn = random.place(before.len() + 1);
        if let Some(bytes) = &mut content.bytes {
            bytes[at + torn..at + before.len()].copy_from_slice(&before[torn..]);
        }
    }
}

impl MarkPlace for SimMark {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.lock().bytes.clone())
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        *self.lock() = MarkContent { bytes: Some(bytes.to_vec()), newest: None };
        Ok(())
    }

    fn write_over(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.check()?;
        let mut content = self.lock();
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let there = content.bytes.as_mut().and_then(|all| all.get_mut(at..at + bytes.len()));
        let there = there.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let before = there.to_vec();
        there.copy_from_slice(bytes);
        content.newest = Some((at, before));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(value: u8) -> Batch {
        let mut batch = Batch::default();
        batch.put(Column::Metadata, b"key".as_slice(), vec![value]);
        batch
    }

    fn value(disk: &SimDisk) -> u8 {
        disk.get(Column::Metadata, b"key").expect("readable").expect("written")[0]
    }

    #[test]
    fn a_loss_of_power_takes_the_newest_unsynced_batches_and_no_synced_one() {
        let mut seen = [false; 4];
        for seed in 0..64 {
            let disk = SimDisk::default();
            disk.write(&batch(0), Durability::Process).expect("room");
            disk.write(&batch(1), Durability::Power).expect("room");
            disk.write(&batch(2), Durability::Process).expect("room");
            disk.write(&batch(3), Durability::Process).expect("room");
            let lost = disk.lose_power(&mut Random::new(seed));
            assert_eq!(usize::from(value(&disk)), 3 - lost);
            seen[usize::from(value(&disk))] = true;
        }
        assert_eq!(seen, [false, true, true, true]);
    }

    #[test]
    fn a_full_disk_refuses_and_a_rolled_back_one_is_as_it_was() {
        let disk = SimDisk::default();
        disk.write(&batch(1), Durability::Power).expect("room");
        disk.copy();
        disk.write(&batch(2), Durability::Power).expect("room");
        disk.set_full(true);
        assert!(disk.write(&batch(3), Durability::Power).is_err());
        assert_eq!(value(&disk), 2);
        disk.roll_back();
        assert_eq!(value(&disk), 1);
    }

    #[test]
    fn a_torn_write_of_the_mark_leaves_a_beginning_of_it() {
        let mark = SimMark::default();
        mark.replace(&[1; 8]).expect("written");
        mark.write_over(&[2; 4], 4).expect("written");
        mark.tear(&mut Random::new(3));
        let bytes = mark.read().expect("readable").expect("there");
        assert_eq!(bytes[..4], [1; 4]);
        assert!(bytes[4..].windows(2).all(|pair| pair[0] >= pair[1]), "{bytes:?}");
        assert!(mark.write_over(&[0; 9], 0).is_err());
    }
}
