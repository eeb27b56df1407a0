//! Small files, and locks that keep a second process out.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

pub(super) use crate::files::replace;
use crate::{
    files::folder_of,
    text::{make_folder, open_file},
};

/// The largest small file that is read: marks and locks have a few hundred bytes.
const MAX_SMALL_FILE_BYTES: u64 = 64 * 1024;

/// A small file's bytes; `None` if there is no file.
pub(super) fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_SMALL_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SMALL_FILE_BYTES {
        return Err(io::Error::other("the file is too large to be what it should be"));
    }
    Ok(Some(bytes))
}

/// The path with a suffix after its last name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(suffix);
    path.with_file_name(name)
}

/// The reason a lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process holds it; with its id, if that could be read.
    Held(String),
    /// The file system refused.
    Io(io::Error),
}

/// An advisory lock on a file. It is held until it is dropped or the process ends in any way.
#[derive(Debug)]
pub(super) struct FileLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl FileLock {
    /// Takes the lock, or returns an error if another process holds it; never waits. Creates the
    /// folder if it is missing.
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        make_folder(folder_of(path)).map_err(LockError::Io)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder is only used for the message.
                let _ = (&file).take(32).read_to_string(&mut holder);
                return Err(LockError::Held(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(LockError::Io)?;
        Ok(Self(file))
    }
}
