//! Reads and writes key files, and knows their names.
//!
//! Several tools generate networks, and they name and encode key files differently. This module
//! reads every format that they are known to write. A file has one key: as SSZ bytes, as hex of
//! these, or as JSON, which is either upstream's object of field names and numbers or a string with
//! the SSZ bytes in hex. A JSON file may also have leanSpec's pairs: both keys of both roles of a
//! validator. The content decides which format a file has.

mod content;
mod file;
mod names;

use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

pub use content::{parse_public_key, parse_secret_key, public_key_from_hex};
pub use names::{KeyKind, Role, file_names, find_file};

use crate::hex;
use crate::scheme::{Scheme, SecretKey, WireError};
use crate::wire::PUBLIC_KEY_BYTES;

/// An encoded public key.
pub type PublicKeyBytes = [u8; PUBLIC_KEY_BYTES];

/// The largest key file that is read. A production key takes 8 to 13 MB, in JSON three times as
/// much.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// The reason a key file was not read or written. Messages never contain parts of the file.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file system returned an error.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The file is larger than any key.
    #[error("{}: larger than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The content is not a key.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: KeyError,
    },
}

/// The reason a text or bytes are not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The bytes are not the encoding of a key of the scheme.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The text is neither hex nor JSON of a known form.
    #[error("neither hex nor JSON of a key (line {line}, column {column})")]
    Text {
        /// Line at which reading stopped, from 1.
        line: usize,
        /// Column at which reading stopped.
        column: usize,
    },
    /// The file has pairs of keys, and the caller named no role.
    #[error("the file holds keys of both roles; say which")]
    RoleNeeded,
}

impl From<serde_json::Error> for KeyError {
    fn from(error: serde_json::Error) -> Self {
        // The error itself may quote the content.
        Self::Text { line: error.line(), column: error.column() }
    }
}

/// Reads a public key from a file. `role` chooses from a file that holds pairs of keys.
///
/// # Errors
/// If the file cannot be read or does not hold a public key.
pub fn read_public_key(path: &Path, role: Option<Role>) -> Result<PublicKeyBytes, KeyFileError> {
    let content = file::read(path)?;
    parse_public_key(&content, role)
        .map_err(|source| KeyFileError::Content { path: path.to_owned(), source })
}

/// Reads a secret key from a file. `role` chooses from a file that holds pairs of keys.
///
/// # Errors
/// If the file cannot be read or does not hold a secret key of the scheme.
pub fn read_secret_key(
    scheme: Scheme,
    path: &Path,
    role: Option<Role>,
) -> Result<SecretKey, KeyFileError> {
    let content = file::read(path)?;
    parse_secret_key(scheme, &content, role)
        .map_err(|source| KeyFileError::Content { path: path.to_owned(), source })
}

/// Writes a secret key as SSZ, readable only by its owner.
///
/// The file appears completely or not at all, and replaces an older one.
///
/// # Errors
/// If the file cannot be written.
pub fn write_secret_key(path: &Path, key: &SecretKey) -> Result<(), KeyFileError> {
    file::write(path, &key.to_bytes(), file::Access::OwnerOnly)
}

/// Writes a public key as SSZ.
///
/// # Errors
/// If the file cannot be written.
pub fn write_public_key(path: &Path, key: &PublicKeyBytes) -> Result<(), KeyFileError> {
    file::write(path, key, file::Access::Everyone)
}

/// Writes both pairs of a validator as leanSpec's JSON, readable only by its owner.
///
/// # Errors
/// If the file cannot be written.
pub fn write_pairs(
    path: &Path,
    attestation: &SecretKey,
    proposal: &SecretKey,
) -> Result<(), KeyFileError> {
    let mut json = Zeroizing::new(String::new());
    let pairs = [(Role::Attestation, attestation), (Role::Proposal, proposal)];
    let bytes = pairs.map(|(role, key)| (role, key.public_key(), key.to_bytes()));
    json.reserve_exact(bytes.iter().map(|(_, _, secret)| 2 * secret.len() + 256).sum());
    for (index, (role, public, secret)) in bytes.iter().enumerate() {
        json.push(if index == 0 { '{' } else { ',' });
        json.push_str("\n  \"");
        json.push_str(role.pair_field());
        json.push_str("\": {\n    \"public_key\": \"");
        hex::append(&mut json, public);
        json.push_str("\",\n    \"secret_key\": \"");
        hex::append(&mut json, secret);
        json.push_str("\"\n  }");
    }
    json.push_str("\n}\n");
    file::write(path, json.as_bytes(), file::Access::OwnerOnly)
}
