//! Reads JSON in the format of the vectors.

use quintet_components::json;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// JSON that does not have the expected form. The text names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// A field of an object, decoded with the node's own decoder.
///
/// # Errors
/// The field is missing, or is not a `T`.
pub fn field<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T, ReadError> {
    let field = value.get(name).ok_or_else(|| ReadError(format!("no field {name}")))?;
    json::from_value(field.clone()).map_err(|error| {
        // For the field itself the path is a dot.
        let path = error.path.trim_start_matches('.');
        let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
        ReadError(format!("{name}{dot}{path}: {}", error.source))
    })
}

/// A field that may be missing or null.
///
/// # Errors
/// The field exists and is not a `T`.
pub fn optional<T: DeserializeOwned>(value: &Value, name: &str) -> Result<Option<T>, ReadError> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => field(value, name).map(Some),
    }
}
