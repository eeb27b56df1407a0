//! Reads files that people write: refuses what is not a regular file at once, and accepts a byte
//! order mark.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use rustix::fs::{Mode, OFlags};

/// Opens a file for reading. Everything that is not a regular file is refused at once: a FIFO would
/// block until another process writes to it.
///
/// # Errors
/// It does not exist, cannot be read, or is a folder, a FIFO or a device.
pub fn open_file(path: &Path) -> io::Result<File> {
    // Without `NONBLOCK` the open itself would wait for a FIFO's writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    let what = if kind.is_dir() { "a folder" } else { "a pipe or a device" };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}, and a file is needed here"),
    ))
}

/// Makes a folder, and those above it, if they are missing.
///
/// # Errors
/// Something else is there, or a folder cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(
            io::ErrorKind::NotADirectory,
            "it is a file, or a link that leads nowhere, and a folder is needed here",
        ),
        _ => error,
    })
}

/// The text of a file of at most `limit` bytes, without a byte order mark.
///
/// # Errors
/// Those of [`open_file`]; `FileTooLarge`; and `InvalidData` for text that is not UTF-8. The error
/// for UTF-16 says so.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    open_file(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let reason = format!("larger than {limit} bytes: this is not the expected file");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    text_of(bytes).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// Converts bytes to text, without a byte order mark.
fn text_of(mut bytes: Vec<u8>) -> Result<String, String> {
    if is_utf16(&bytes) {
        return Err("it is UTF-16 text: save it as UTF-8".into());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("it is not UTF-8 text (line {line}): save it as UTF-8")
    })
}

/// Returns true if it has UTF-16's byte order mark, or a zero beside its first letter.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
        || matches!(bytes, [0, letter, 0, other, ..] | [letter, 0, other, 0, ..] if *letter > 0 && *other > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_no_mark_and_utf_16_is_called_so() {
        assert_eq!(text_of(b"a: 1".to_vec()), Ok("a: 1".into()));
        assert_eq!(text_of(b"\xef\xbb\xbfa: 1".to_vec()), Ok("a: 1".into()));
        assert_eq!(text_of(Vec::new()), Ok(String::new()));
        let wide = |order: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
            format!("{mark}a: 1").encode_utf16().flat_map(order).collect()
        };
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            for mark in ["\u{feff}", ""] {
                let error = text_of(wide(order, mark)).expect_err("two bytes a letter");
                assert!(error.contains("UTF-16") && error.contains("UTF-8"), "{error}");
            }
        }
        let error = text_of(b"a: 1\nb: \xe4".to_vec()).expect_err("latin-1");
        assert!(error.contains("not UTF-8") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn what_is_no_folder_is_called_so() {
        let folder = std::env::temp_dir().join(format!("quintet-folder-{}", std::process::id()));
        make_folder(&folder.join("deep/er")).expect("writable");
        make_folder(&folder.join("deep")).expect("it is there");
        std::fs::write(folder.join("file"), "").expect("writable");
        std::os::unix::fs::symlink("nowhere", folder.join("link")).expect("writable");
        for name in ["file", "link"] {
            let error = make_folder(&folder.join(name)).expect_err("no folder").to_string();
            assert!(error.contains("a folder is needed here"), "{name}: {error}");
        }
        std::fs::remove_dir_all(folder).expect("it is there");
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let folder = std::env::temp_dir().join(format!("quintet-text-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("writable");
        let fifo = folder.join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .expect("a FIFO can be made");
        for (path, what) in [(&folder, "a folder"), (&fifo, "a pipe")] {
            let error = read_text(path, 10).expect_err(what).to_string();
            assert!(error.contains(what), "{error}");
        }
        let file = folder.join("file");
        std::fs::write(&file, "0123456789").expect("writable");
        assert_eq!(read_text(&file, 10).expect("small enough"), "0123456789");
        let error = read_text(&file, 9).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        std::fs::remove_dir_all(folder).expect("it is there");
    }
}
