//! Finding and reading vector files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use libtest_mimic::Failed;
pub use quintet_plugins::driver::{field, optional};
use serde_json::Value;

pub fn folder() -> PathBuf {
    std::env::var_os("LEANSPEC_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/leanspec-vectors"),
        PathBuf::from,
    )
}

/// Every vector file below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// `category::file::test`, from `category/fork/group/file/test.json`.
pub fn name(folder: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(folder).unwrap_or(file).with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    match parts.as_slice() {
        [category, .., group, test] => format!("{category}::{group}::{test}"),
        parts => parts.join("::"),
    }
}

/// Runs every case of a file: usually one, several for a parametrized test.
pub fn run_file(file: &Path, run: impl Fn(&Value) -> Result<(), Failed>) -> Result<(), Failed> {
    let text = fs::read_to_string(file)?;
    let cases: serde_json::Map<String, Value> = serde_json::from_str(&text)?;
    if cases.is_empty() {
        return Err("the file holds no case".into());
    }
    for (name, case) in cases {
        run(&case).map_err(|failed| {
            Failed::from(format!("{name}: {}", failed.message().unwrap_or("failed")))
        })?;
    }
    Ok(())
}

/// Equal, or a failure that names what differs.
pub fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    actual: &T,
    expected: &T,
) -> Result<(), Failed> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: {actual:?}, expected {expected:?}").into())
    }
}

/// A field of hex digits after `0x`.
pub fn bytes(value: &Value, name: &str) -> Result<Vec<u8>, Failed> {
    let text: String = field(value, name)?;
    let digits = text.strip_prefix("0x").ok_or_else(|| Failed::from(format!("{name}: no 0x")))?;
    (0..digits.len())
        .step_by(2)
        .map(|at| {
            let pair = digits.get(at..at + 2).unwrap_or_default();
            u8::from_str_radix(pair, 16).map_err(|_| format!("{name}: {pair:?} is no byte").into())
        })
        .collect()
}
