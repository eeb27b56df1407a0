//! Reads whole files into memory that is erased, and writes files completely or not at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

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
    let replace = || -> io::Result<()> {
        let mut file = unfinished(access).tempfile_in(folder_of(path))?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_folder(path)
    };
    replace().map_err(|source| KeyFileError::Io { path: path.to_owned(), source })
}

/// A hidden file of a name that no other has; it goes when it is not kept.
fn unfinished(access: Access) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".key-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(access.mode()));
    #[cfg(not(unix))]
    let _ = access;
    builder
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a rename durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder_of(path))?.sync_all()?;
    }
    Ok(())
}
