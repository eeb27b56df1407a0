//! Finding vector files, and reading them whole: a field that nobody read is a failure.
//!
//! A test reads a case through the functions here, by reference. They note the place of each value
//! that became a Rust value; [`run_file`] then looks for values that are not noted. A value of one
//! of the node's own types is written again and has to be the same, because those types ignore
//! fields that they do not know.

use std::{
    cell::RefCell,
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use libtest_mimic::Failed;
use quintet_components::json;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

thread_local! {
    /// The values of the case under way that were read.
    static READ: RefCell<HashSet<*const Value>> = RefCell::default();
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

/// The cases of a file: usually one, several for a parametrized test.
pub fn cases(file: &Path) -> Result<Map<String, Value>, Failed> {
    let cases: Map<String, Value> = serde_json::from_str(&fs::read_to_string(file)?)?;
    if cases.is_empty() {
        return Err("the file holds no case".into());
    }
    Ok(cases)
}

/// Runs every case of a file.
pub fn run_file(file: &Path, run: impl Fn(&Value) -> Result<(), Failed>) -> Result<(), Failed> {
    for (name, case) in &cases(file)? {
        run(case).map_err(|failed| within(name, failed))?;
    }
    Ok(())
}

/// Runs a case, its envelope included, and fails if it did not read all of it.
pub fn run_whole(
    category: &str,
    case: &Value,
    run: impl Fn(&Value) -> Result<(), Failed>,
) -> Result<(), Failed> {
    READ.take();
    envelope(category, case)?;
    run(case)?;
    match READ.with_borrow(|read| unread(read, case, String::new())) {
        Some(path) => Err(format!("nobody reads the field {}", &path[1..]).into()),
        None => Ok(()),
    }
}

/// The path of the first value that is neither noted nor made of such, if there is one.
fn unread(read: &HashSet<*const Value>, value: &Value, path: String) -> Option<String> {
    match value {
        _ if read.contains(&std::ptr::from_ref(value)) => None,
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().find_map(|(name, value)| unread(read, value, format!("{path}.{name}")))
        }
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .find_map(|(index, value)| unread(read, value, format!("{path}[{index}]"))),
        _ => Some(path),
    }
}

/// The source of a vector.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    comment: String,
    description: String,
    fixture_format: String,
    hash: String,
    key_set_digest: String,
    test_id: String,
}

/// The facts that every case has. `proofSetting` and `leanEnv` choose how proofs are checked, if
/// there are any.
fn envelope(category: &str, case: &Value) -> Result<(), Failed> {
    let info: Info = field(case, "_info")?;
    same("fixture format", &info.fixture_format, &format!("{category}_test"))?;
    same("fork", &field::<String>(case, "network")?.as_str(), &"Lstar")?;
    let preset: String = field(case, "leanEnv")?;
    same("a known leanEnv", &["test", "prod"].contains(&preset.as_str()), &true)?;
    same("a known proofSetting", &(field::<u8>(case, "proofSetting")? <= 2), &true)
}

/// A failure, and where it happened.
pub fn within(place: &str, failed: Failed) -> Failed {
    format!("{place}: {}", failed.message().unwrap_or("failed")).into()
}

/// Notes a value as read whole.
pub fn note(value: &Value) {
    READ.with_borrow_mut(|read| read.insert(value));
}

/// Notes fields that have no meaning in this case.
pub fn unused(value: &Value, names: &[&str]) {
    names.iter().filter_map(|name| value.get(name)).for_each(note);
}

/// A field, to be read further.
pub fn at<'a>(value: &'a Value, name: &str) -> Result<&'a Value, Failed> {
    value.get(name).ok_or_else(|| format!("no field {name}").into())
}

/// A field, to be read further, that may be missing or null.
pub fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let found = value.get(name)?;
    if found.is_null() {
        note(found);
        return None;
    }
    Some(found)
}

/// The items of a list, to be read further; none for a field that is missing.
pub fn items<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], Failed> {
    let Some(list) = find(value, name) else { return Ok(&[]) };
    let items = list.as_array().ok_or_else(|| format!("{name} is no list"))?;
    if items.is_empty() {
        note(list);
    }
    Ok(items)
}

/// The fields of an object, to be read further; those that are null are left out.
pub fn entries(object: &Value) -> Result<impl Iterator<Item = (&String, &Value)>, Failed> {
    let fields = object.as_object().ok_or("not an object")?;
    if fields.is_empty() {
        note(object);
    }
    fields.values().filter(|value| value.is_null()).for_each(note);
    Ok(fields.iter().filter(|(_, value)| !value.is_null()))
}

/// A value that is written as it was read.
pub fn read<T: DeserializeOwned + Serialize>(value: &Value) -> Result<T, Failed> {
    let read: T = strict(value)?;
    let again = serde_json::to_value(&read)?;
    if again == *value {
        Ok(read)
    } else {
        Err(format!("read as {again}, which is not {value}").into())
    }
}

/// A value of a type that by itself refuses what it does not know.
pub fn strict<T: DeserializeOwned>(value: &Value) -> Result<T, Failed> {
    note(value);
    Ok(json::from_value(value.clone())?)
}

/// A field that is written as it was read.
pub fn field<T: DeserializeOwned + Serialize>(value: &Value, name: &str) -> Result<T, Failed> {
    read(at(value, name)?).map_err(|failed| within(name, failed))
}

/// As [`field`], for one that may be missing or null.
pub fn optional<T: DeserializeOwned + Serialize>(
    value: &Value,
    name: &str,
) -> Result<Option<T>, Failed> {
    find(value, name).map(|found| read(found).map_err(|failed| within(name, failed))).transpose()
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

/// Hex digits after `0x`.
pub fn hex(value: &Value) -> Result<Vec<u8>, Failed> {
    let text: String = read(value)?;
    let digits = text.strip_prefix("0x").ok_or_else(|| format!("{text}: no 0x"))?;
    Ok(alloy_primitives::hex::decode(digits)?)
}

/// A field of hex digits after `0x`.
pub fn bytes(value: &Value, name: &str) -> Result<Vec<u8>, Failed> {
    hex(at(value, name)?).map_err(|failed| within(name, failed))
}
