//! Reads whole files into memory that is erased, and writes files completely or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use super::{KeyFileError, MAX_FILE_BYTES};

/// The users that may read a file.
#[derive(Clone, Copy)]
pub(super) enum Access {
    OwnerOnly,
    Everyone,
}

impl Access {
    #[cfg(unix)]
    const fn mode(self) -> u32 {
        match self {
            Self::OwnerOnly => 0o600,
            Self::Everyone => 0o644,
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    // Opening a FIFO would wait for its writer.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a folder, a pipe or a device, and a file is needed here",
        )));
    }
    let file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let too_large = || KeyFileError::TooLarge { path: path.to_owned() };
    if len > MAX_FILE_BYTES {
        return Err(too_large());
    }
    // One byte more than needed: the buffer must not grow, because that would leave copies behind.
    let capacity = usize::try_from(len).map_err(|_| too_large())? + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(capacity as u64).read_to_end(&mut content).map_err(io)?;
    if content.len() == capacity {
        // The file has grown since its length was read.
        return Err(io(io::Error::other("the file is being written")));
    }
    Ok(content)
}

/// Writes a neighbouring file, makes it durable, and renames it over `path`.
pub(super) fn write(path: &Path, content: &[u8], access: Access) -> Result<(), KeyFileError> {
    let temporary = neighbour(path);
    let written = create(&temporary, access)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|source| {
        // If this fails too, the reported error is enough.
        let _ = std::fs::remove_file(&temporary);
        KeyFileError::Io { path: path.to_owned(), source }
    })
}

/// A hidden name in the same folder that only this call of this process uses.
fn neighbour(path: &Path) -> PathBuf {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}.{call}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn create(path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, access.mode());
    #[cfg(not(unix))]
    let _ = access;
    options.open(path)
}

/// Makes a rename durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    Ok(())
}
