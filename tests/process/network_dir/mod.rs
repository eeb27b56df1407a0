//! A network's folder: every spelling is read, hostile files are refused with the place, and what
//! is written is read again.

mod commands;
mod contradictions;
mod create;
mod hostile;
mod provers;
mod records;
mod spellings;
mod texts;

use std::path::PathBuf;

use crate::folder::Folder;
use quintet::network_dir::NetworkFileError;

/// A file of this text.
fn file(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the folder is writable");
    path
}

/// A refusal's message, which names the file.
fn refusal<T: std::fmt::Debug>(outcome: Result<T, NetworkFileError>, name: &str) -> String {
    let text = outcome.expect_err("it is wrong").to_string();
    assert!(text.contains(name), "{text}");
    text
}

/// A public key whose digits are all decimal, as hex.
fn key_hex(digit: u8) -> String {
    format!("{digit:02}").repeat(52)
}
