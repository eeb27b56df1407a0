//! The mark: the progress of a record of signatures, kept outside the record.
//!
//! The file has two places of 4096 bytes. A new mark is written over the place that does not have
//! the current one, and synced: this is one write of one block and does not change a folder. If a
//! crash interrupts the write, the other place is intact. Each place has one line of JSON with its
//! checksum, padded with blanks.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use alloy_primitives::hex;
use quintet_components::containers::{Root, Slot};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::GuardError;
use crate::keys::durable;

const VERSION: u32 = 2;
/// Disks write at least this much at a time, so that an interrupted write does not damage the other
/// place.
const PLACE_BYTES: usize = 4096;

/// The progress of the record. It only increases, and is raised before a signature is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    version: u32,
    /// The network's genesis.
    pub(super) genesis: Root,
    /// The record's id in hex.
    pub(super) record: String,
    /// The number of batches in the record.
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
}

/// The content of a place.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The number of the write.
    sequence: u64,
    mark: Mark,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    entry: Entry,
    /// The first half of the entry's SHA-256, in hex.
    checksum: String,
}

/// An entry of any version.
#[derive(Deserialize)]
struct AnyLine {
    entry: AnyEntry,
}

#[derive(Deserialize)]
struct AnyEntry {
    mark: AnyMark,
}

#[derive(Deserialize)]
struct AnyMark {
    version: u32,
}

/// The place of a mark's bytes: a file of two blocks, or a substitute for it. When a write returns,
/// it is synced. A write that a crash interrupts changes no byte outside its range.
pub trait MarkPlace: Send + Sync + 'static {
    /// The bytes; `None` when there are none yet.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&self) -> io::Result<Option<Vec<u8>>>;

    /// Puts these bytes in place of all others, as a whole or not at all.
    ///
    /// # Errors
    /// They cannot be written.
    fn replace(&self, bytes: &[u8]) -> io::Result<()>;

    /// Writes over what is there, from this byte on.
    ///
    /// # Errors
    /// There is nothing, or it cannot be written.
    fn write_over(&self, bytes: &[u8], at: u64) -> io::Result<()>;
}

/// A file on the disk.
struct DiskFile {
    path: PathBuf,
    /// It stays open, so that signing goes on when the process may open no more files.
    open: Mutex<Option<File>>,
}

impl DiskFile {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: Mutex::default() }
    }

    /// Does something with the file at the path. It is opened again if another one is there now,
    /// and not made again if it is gone.
    fn with<T>(&self, run: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let there = std::fs::metadata(&self.path)?;
        let file = match open.take() {
            Some(file) if is_same(&file, &there)? => file,
            _ => OpenOptions::new().write(true).open(&self.path)?,
        };
        run(open.insert(file))
    }
}

fn is_same(file: &File, there: &std::fs::Metadata) -> io::Result<bool> {
    let own = file.metadata()?;
    Ok((own.dev(), own.ino()) == (there.dev(), there.ino()))
}

impl MarkPlace for DiskFile {
    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        durable::read_small(&self.path)
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        durable::replace(&self.path, bytes)?;
        self.with(|_| Ok(()))
    }

    fn write_over(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.with(|file| {
            file.write_all_at(bytes, at)?;
            file.sync_data()
        })
    }
}

/// The mark's file.
pub(super) struct MarkFile {
    /// For messages.
    path: PathBuf,
    place: Box<dyn MarkPlace>,
    /// The number of the newest entry; `None` if there is no file.
    sequence: Option<u64>,
}

impl MarkFile {
    /// Opens the file, with the mark in it, if there is one.
    pub(super) fn open(path: &Path) -> Result<(Self, Option<Mark>), GuardError> {
        Self::open_at(path, Box::new(DiskFile::new(path)))
    }

    /// The same at a place that messages call by this path.
    pub(super) fn open_at(
        path: &Path,
        place: Box<dyn MarkPlace>,
    ) -> Result<(Self, Option<Mark>), GuardError> {
        let mut file = Self { path: path.to_owned(), place, sequence: None };
        let bytes = file.place.read().map_err(|error| file.failed(&error))?;
        let Some(bytes) = bytes else { return Ok((file, None)) };
        let Entry { sequence, mark } = newest(&bytes).map_err(|reason| file.failed(&reason))?;
        file.sequence = Some(sequence);
        Ok((file, Some(mark)))
    }

    /// Writes a newer mark. When this returns, the mark is on the disk and synced.
    pub(super) fn write(&mut self, mark: &Mark) -> Result<(), GuardError> {
        let sequence = self.sequence.map_or(0, |sequence| sequence + 1);
        let line = line(sequence, mark);
        let written = match self.sequence {
            None => self.place.replace(&line.repeat(2)),
            Some(_) => self.place.write_over(&line, sequence % 2 * PLACE_BYTES as u64),
        };
        written.map_err(|error| self.failed(&error))?;
        self.sequence = Some(sequence);
        Ok(())
    }

    fn failed(&self, reason: &impl ToString) -> GuardError {
        GuardError::Mark { path: self.path.clone(), reason: reason.to_string() }
    }
}

fn checksum(entry: &Entry) -> String {
    let text = serde_json::to_vec(entry).expect("text and numbers");
    hex::encode(&Sha256::digest(text)[..16])
}

/// A place's content.
fn line(sequence: u64, mark: &Mark) -> Vec<u8> {
    let entry = Entry { sequence, mark: mark.clone() };
    let checksum = checksum(&entry);
    let mut line = serde_json::to_vec(&Line { entry, checksum }).expect("text and numbers");
    // A mark has about 300 bytes.
    line.resize(PLACE_BYTES - 1, b' ');
    line.push(b'\n');
    line
}

/// The newest intact entry.
fn newest(bytes: &[u8]) -> Result<Entry, String> {
    let read = |place: &[u8]| {
        let line: Line = serde_json::from_slice(place).map_err(|error| error.to_string())?;
        if line.checksum != checksum(&line.entry) {
            return Err("its checksum is wrong".to_owned());
        }
        if line.entry.mark.version != VERSION {
            return Err(other_version(line.entry.mark.version));
        }
        Ok(line.entry)
    };
    let mut outcomes = bytes.chunks(PLACE_BYTES).take(2).map(|place| {
        let known: Result<AnyLine, _> = serde_json::from_slice(place);
        match known.map(|line| line.entry.mark.version) {
            Ok(version) if version != VERSION => Err(other_version(version)),
            _ => read(place),
        }
    });
    let empty = || Err("it is empty".to_owned());
    let first = outcomes.next().unwrap_or_else(empty);
    let second = outcomes.next().unwrap_or_else(empty);
    match (first, second) {
        (Ok(first), Ok(second)) if second.sequence > first.sequence => Ok(second),
        (Ok(entry), _) | (Err(_), Ok(entry)) => Ok(entry),
        (Err(error), Err(_)) => Err(error),
    }
}

fn other_version(version: u32) -> String {
    format!("it has version {version}, and this build reads version {VERSION}")
}

/// The usual path of a node's mark: in a folder outside its data directory, with the node's name
/// and the network's genesis, so that nodes that share a folder have separate marks.
pub fn mark_path(folder: &Path, node: &str, genesis: &Root) -> PathBuf {
    let node: String = node
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
        .collect();
    let genesis: String = format!("{genesis:x}").chars().take(8).collect();
    folder.join(format!("signing-mark-{node}-{genesis}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(generation: u64) -> Mark {
        let mut mark = Mark::new(Root::repeat_byte(9), "ab".repeat(16));
        mark.generation = generation;
        mark.highest_slot = Some(u64::MAX - generation);
        mark
    }

    /// The file after this many writes.
    fn written(writes: u64) -> Vec<u8> {
        let mut bytes = line(0, &mark(0)).repeat(2);
        for sequence in 1..writes {
            put(&mut bytes, sequence, &line(sequence, &mark(sequence)));
        }
        bytes
    }

    fn put(bytes: &mut [u8], sequence: u64, part: &[u8]) {
        let start = usize::try_from(sequence % 2).expect("0 or 1") * PLACE_BYTES;
        bytes[start..start + part.len()].copy_from_slice(part);
    }

    #[test]
    fn the_newest_mark_is_read() {
        for writes in 1..6 {
            let Entry { sequence, mark: found } = newest(&written(writes)).expect("is whole");
            assert_eq!((sequence, found), (writes - 1, mark(writes - 1)));
        }
        let highest = Mark { generation: u64::MAX, floor: u64::MAX, ..mark(u64::MAX) };
        assert_eq!(line(u64::MAX, &highest).len(), PLACE_BYTES);
    }

    #[test]
    fn a_torn_write_leaves_the_mark_before_it_or_the_new_one() {
        for writes in 1..4 {
            let before = written(writes);
            let new = line(writes, &mark(writes));
            for torn in 0..=PLACE_BYTES {
                // A disk may write any part of a block first, the end as well as the beginning.
                for part in [0..torn, torn..PLACE_BYTES] {
                    let mut bytes = before.clone();
                    let start = usize::try_from(writes % 2).expect("0 or 1") * PLACE_BYTES;
                    bytes[start..][part.clone()].copy_from_slice(&new[part]);
                    let found = newest(&bytes).expect("one place is whole").mark.generation;
                    assert!(found == writes || found == writes - 1, "{writes}, {torn}: {found}");
                }
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_never_taken_for_a_mark() {
        let bytes = written(3);
        let length = bytes[..PLACE_BYTES].iter().rposition(|byte| *byte == b'}').expect("JSON");
        for place in [0, PLACE_BYTES] {
            for at in 0..=length {
                for bit in 0..8 {
                    let mut harmed = bytes.clone();
                    harmed[place + at] ^= 1 << bit;
                    let found = newest(&harmed).map(|entry| entry.mark);
                    assert!(
                        found.is_ok_and(|found| found == mark(1) || found == mark(2)),
                        "byte {at} of {place}, bit {bit}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_gone_is_not_made_again_and_one_that_is_put_back_is_used() {
        let folder = std::env::temp_dir().join(format!("quintet-mark-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("writable");
        let path = folder.join("mark");
        let (mut file, _) = MarkFile::open(&path).expect("none yet");
        file.write(&mark(1)).expect("writable");
        file.write(&mark(2)).expect("writable");
        let bytes = std::fs::read(&path).expect("it was written");
        std::fs::remove_file(&path).expect("it is there");
        file.write(&mark(3)).expect_err("it is gone");
        assert!(!path.exists());
        std::fs::write(&path, bytes).expect("writable");
        file.write(&mark(3)).expect("it was put back");
        let (_, found) = MarkFile::open(&path).expect("it is good");
        assert_eq!(found, Some(mark(3)));
        std::fs::remove_dir_all(folder).expect("it is there");
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        let newer = written(2);
        let text =
            String::from_utf8(newer).expect("text").replace("\"version\":2", "\"version\":7");
        for (bytes, reason) in [
            (&b""[..], "empty"),
            (&[0; 2 * PLACE_BYTES][..], "expected value"),
            (&b"[]"[..], "invalid"),
            (text.as_bytes(), "version 7"),
        ] {
            let error = newest(bytes).map(|entry| entry.mark).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }
}
