//! Files that survive a crash whole.

use std::{
    fs::{File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

/// Replaces a file: a neighbouring file is written and synced, renamed over it, and the folder is
/// synced. After a crash there is the old file or the new one, and perhaps a neighbour whose name
/// begins with the file's.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default();
    let mut file = tempfile::Builder::new()
        .prefix(name)
        .suffix(".new")
        // As of any file; the process's mask takes its part away.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_leaves_no_neighbour() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("mark.json");
        for content in [&b"one"[..], b"another"] {
            replace(&path, content).expect("writable");
            assert_eq!(fs::read(&path).expect("it is there"), content);
        }
        assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 1);
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o400, 0o400, "{mode:o}");
        let missing = folder.path().join("none").join("mark.json");
        assert_eq!(replace(&missing, b"").expect_err("none").kind(), io::ErrorKind::NotFound);
    }
}
