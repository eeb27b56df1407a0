//! JSON in leanSpec's format: camelCase fields, lists as `{"data": […]}`, bytes as `0x` hex.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// A JSON text that is not a value of the expected type.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct JsonError {
    /// The path of the field at which reading stopped.
    pub path: String,
    /// The error there.
    pub source: serde_json::Error,
}

/// Reads a value; an error names the field.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| JsonError {
        path: error.path().to_string(),
        source: error.into_inner(),
    })?;
    reader.end().map_err(|source| JsonError { path: "(after the value)".into(), source })?;
    Ok(value)
}

/// Reads a value that was already parsed; an error names the field.
pub fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, JsonError> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| JsonError { path: error.path().to_string(), source: error.into_inner() })
}

/// leanSpec's wrapper of every list.
#[derive(Serialize, Deserialize)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

/// Writes a list as `{"data": […]}`.
pub(crate) fn write_list<S, T>(
    items: impl ExactSizeIterator<Item = T>,
    serializer: S,
) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    T: Serialize,
{
    Data { data: items.collect::<Vec<_>>() }.serialize(serializer)
}

/// Reads `{"data": […]}`.
pub(crate) fn read_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Data::<Vec<T>>::deserialize(deserializer)?.data)
}

/// Writes bytes as `0x` hex.
pub(crate) fn write_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&alloy_primitives::hex::encode_prefixed(bytes))
}

/// Reads hex, with or without `0x`.
pub(crate) fn read_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    alloy_primitives::hex::decode(text.as_bytes()).map_err(serde::de::Error::custom)
}
