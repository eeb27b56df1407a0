//! The place of the mark: outside the data directory, however their paths are written.
//!
//! The data directory remembers the last place of its mark. This distinguishes a directory that was
//! moved from one whose mark was lost.

use std::{
    ffi::OsString,
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
};

use super::{GuardError, GuardOptions, HistoryLoss};
use crate::keys::durable;

/// The file in the data directory that has the place.
const FILE: &str = "signing-mark-place";
/// The suffix that makes the name of the mark's folder from that of the data directory.
const SUFFIX: &str = ".signing";

/// The default folder of a data directory's mark: beside the directory after links and dots are
/// resolved. If the directory does not exist, it is not created.
///
/// # Errors
/// The path cannot be resolved, or it is the root of the file system, which has nothing beside it.
pub fn mark_folder(data_dir: &Path) -> Result<PathBuf, GuardError> {
    let resolved = resolve(data_dir)?;
    if resolved.file_name().is_none() {
        return Err(GuardError::NothingBeside { data_dir: resolved });
    }
    Ok(durable::with_suffix(&resolved, SUFFIX))
}

/// The path without links and dots. Parts that do not exist yet are kept as they are.
fn resolve(path: &Path) -> Result<PathBuf, GuardError> {
    let failed = |source| GuardError::Place { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        match component {
            // The parent of a link's target, as in the operating system.
            Component::ParentDir => _ = resolved.pop(),
            component => resolved.push(component),
        }
        match resolved.canonicalize() {
            Ok(canonical) => resolved = canonical,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(resolved)
}

/// The options with resolved paths.
pub(super) fn resolved(options: &GuardOptions) -> Result<GuardOptions, GuardError> {
    let data_dir = resolve(&options.data_dir)?;
    let mark = resolve(&options.mark)?;
    if mark.starts_with(&data_dir) {
        return Err(GuardError::MarkInside { mark, data_dir });
    }
    Ok(GuardOptions { data_dir, mark, ..options.clone() })
}

/// Stores the place of the mark.
pub(super) fn remember(options: &GuardOptions) -> Result<(), GuardError> {
    let path = options.data_dir.join(FILE);
    let bytes = options.mark.as_os_str().as_bytes();
    let failed = |source| GuardError::Place { path: path.clone(), source };
    if durable::read_small(&path).map_err(failed)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    durable::replace(&path, bytes).map_err(failed)
}

/// Adds the last place of the mark, if it is known, to the error for a missing mark. `spelt` is the
/// data directory as the operator wrote it.
pub(super) fn explained(error: GuardError, options: &GuardOptions, spelt: &Path) -> GuardError {
    let GuardError::HistoryLoss { loss, .. } = &error else { return error };
    if !matches!(loss, HistoryLoss::MarkMissing { .. } | HistoryLoss::OtherRecord { .. }) {
        return error;
    }
    match former(options, spelt) {
        Some(was) if was != options.mark => GuardError::Moved {
            is_there: was.exists(),
            was,
            data_dir: options.data_dir.clone(),
            mark: options.mark.clone(),
        },
        _ => error,
    }
}

/// The last place of the mark.
fn former(options: &GuardOptions, spelt: &Path) -> Option<PathBuf> {
    if let Ok(Some(bytes)) = durable::read_small(&options.data_dir.join(FILE)) {
        return Some(OsString::from_vec(bytes).into());
    }
    // In older releases the mark's place followed from how the path was written.
    let name = options.mark.file_name()?;
    let mut glued = spelt.as_os_str().to_owned();
    glued.push(SUFFIX);
    let folders = [
        PathBuf::from(glued),
        options.data_dir.join(SUFFIX),
        options.data_dir.join(format!(".{SUFFIX}")),
    ];
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists())
}
