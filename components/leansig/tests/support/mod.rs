//! Finds and reads the reference data.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use serde_json::Value;

/// A folder of reference data: the one that the variable names, or `name` beside the workspace.
///
/// # Panics
/// If there is none and the variable `CI` is set, because the data is required there.
pub(crate) fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name),
        PathBuf::from,
    );
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "no reference data at {}; set {variable}",
        path.display()
    );
    eprintln!("skipped: no reference data at {}; set {variable}", path.display());
    None
}

/// Reads a JSON file.
pub(crate) fn json(path: &Path) -> Result<Value, Failed> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// All JSON files below a folder, in order.
pub(crate) fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is readable") {
            let path = entry.expect("the folder is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A field that holds bytes in hex, with or without `0x`.
pub(crate) fn bytes(value: &Value, field: &str) -> Result<Vec<u8>, Failed> {
    let text = string(value, field)?;
    unhex(text).ok_or_else(|| format!("{field} is not hex").into())
}

/// A field that holds a string.
pub(crate) fn string<'a>(value: &'a Value, field: &str) -> Result<&'a str, Failed> {
    value[field].as_str().ok_or_else(|| format!("no string {field}").into())
}

/// A field that holds an integer.
pub(crate) fn integer(value: &Value, field: &str) -> Result<u64, Failed> {
    value[field].as_u64().ok_or_else(|| format!("no integer {field}").into())
}

/// A field that holds a list.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> Result<&'a [Value], Failed> {
    Ok(value[field].as_array().ok_or_else(|| format!("no list {field}"))?)
}

/// Bytes from hex.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Fails with both values unless they are equal.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    left: &T,
    right: &T,
) -> Result<(), Failed> {
    if left == right { Ok(()) } else { Err(format!("{what}: {left:?} is not {right:?}").into()) }
}

/// Hex from bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
