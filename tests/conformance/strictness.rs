//! The suite itself: a field that it does not know fails the test of a vector, wherever it is.

use std::{collections::BTreeSet, path::PathBuf};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::{Run, vectors};

/// An object that is sent to the node as it is, whatever its fields are.
const SENT: &str = "/requestBody";
/// A field that no vector has.
const UNKNOWN: &str = "aFieldThatNobodyKnows";

/// Puts an unknown field into each kind of object of the category's smallest file.
pub fn check(category: &str, files: &[PathBuf], run: Run) -> Result<(), Failed> {
    let size = |file: &&PathBuf| file.metadata().map_or(u64::MAX, |data| data.len());
    let file = files.iter().min_by_key(size).ok_or("no file")?;
    let cases = vectors::cases(file)?;
    let case = cases.values().next().ok_or("no case")?;
    let (mut objects, mut kinds) = (Vec::new(), BTreeSet::new());
    find_objects(case, "", "", &mut kinds, &mut objects);
    for place in objects.into_iter().filter(|place| !place.starts_with(SENT)) {
        let mut case = case.clone();
        let object = case.pointer_mut(&place).and_then(Value::as_object_mut).ok_or("no object")?;
        object.insert(UNKNOWN.into(), 1.into());
        if vectors::run_whole(category, &case, run).is_ok() {
            return Err(format!("{}: unknown, and not noticed in {place:?}", file.display()).into());
        }
    }
    Ok(())
}

/// The first object of each kind, that is of each path without the indices of lists.
fn find_objects(
    value: &Value,
    place: &str,
    kind: &str,
    kinds: &mut BTreeSet<String>,
    found: &mut Vec<String>,
) {
    match value {
        Value::Object(fields) => {
            if kinds.insert(kind.to_owned()) {
                found.push(place.to_owned());
            }
            for (name, value) in fields {
                // The names of topics have slashes.
                let name = name.replace('~', "~0").replace('/', "~1");
                let (place, kind) = (format!("{place}/{name}"), format!("{kind}/{name}"));
                find_objects(value, &place, &kind, kinds, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                find_objects(value, &format!("{place}/{index}"), kind, kinds, found);
            }
        }
        _ => {}
    }
}
