//! Where the mark is: outside the data directory, whatever spelling names either of them.
//!
//! The data directory remembers where its mark was last, so that one that was moved is told from one
//! whose mark was lost.

use std::{
    ffi::OsString,
    io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Component, Path, PathBuf},
};

use super::{GuardError, GuardOptions, HistoryLoss};
use crate::keys::durable;

/// The file in the data directory that remembers it.
const FILE: &str = "signing-mark-place";
/// What follows the data directory's name in that of the mark's folder.
const SUFFIX: &str = ".signing";

/// The folder of the mark of a data directory unless another is chosen: beside the directory that
/// the path leads to, whatever links and dots are in it. A directory that is not there yet is not
/// made.
///
/// # Errors
/// The path cannot be followed, or it is the file system's root, beside which nothing is.
pub fn mark_folder(data_dir: &Path) -> Result<PathBuf, GuardError> {
    let resolved = resolve(data_dir)?;
    if resolved.file_name().is_none() {
        return Err(GuardError::NothingBeside { data_dir: resolved });
    }
    Ok(durable::with_suffix(&resolved, SUFFIX))
}

/// The place that a path leads to, without links and dots; what is not there yet is taken as it is
/// written.
fn resolve(path: &Path) -> Result<PathBuf, GuardError> {
    let failed = |source| GuardError::Place { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(failed)?;
    let mut resolved = PathBuf::new();
    for component in absolute.components() {
        match component {
            // The parent of what a link leads to, as the system itself goes.
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

/// The options with resolved places.
pub(super) fn resolved(options: &GuardOptions) -> Result<GuardOptions, GuardError> {
    let data_dir = resolve(&options.data_dir)?;
    let mark = resolve(&options.mark)?;
    if mark.starts_with(&data_dir) {
        return Err(GuardError::MarkInside { mark, data_dir });
    }
    Ok(GuardOptions { data_dir, mark, ..options.clone() })
}

/// Remembers where the mark is.
pub(super) fn remember(options: &GuardOptions) -> Result<(), GuardError> {
    let path = options.data_dir.join(FILE);
    let bytes = options.mark.as_os_str().as_bytes();
    let failed = |source| GuardError::Place { path: path.clone(), source };
    if durable::read_small(&path).map_err(failed)?.as_deref() == Some(bytes) {
        return Ok(());
    }
    durable::replace(&path, bytes).map_err(failed)
}

/// An error of a record without its mark says where the mark is, if that is known: `spelt` is the
/// data directory as the operator names it.
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

/// Where the mark was.
fn former(options: &GuardOptions, spelt: &Path) -> Option<PathBuf> {
    if let Ok(Some(bytes)) = durable::read_small(&options.data_dir.join(FILE)) {
        return Some(OsString::from_vec(bytes).into());
    }
    // Before the directory remembered it, the mark was where the directory's spelling led to.
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
