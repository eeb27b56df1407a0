//! The formats of a key file's content.

use serde::Deserialize;

use super::{KeyError, PublicKeyBytes, Role};
use crate::array::FieldArray;
use crate::hex;
use crate::scheme::{Scheme, SecretKey, WireError};
use crate::signing_key::SigningKeyForm;
use crate::wire::{PUBLIC_KEY_BYTES, PublicKeyParts};

/// The start of a text, for errors about the text as a whole.
const START: KeyError = KeyError::Text { line: 1, column: 1 };

/// A pair in leanSpec's format: SSZ bytes in hex, borrowed so that no copies of a secret are made.
#[derive(Deserialize)]
struct Pair<'a> {
    public_key: &'a str,
    secret_key: &'a str,
}

/// Both pairs of a validator.
#[derive(Deserialize)]
struct Pairs<'a> {
    #[serde(borrow)]
    attestation_keypair: Pair<'a>,
    proposal_keypair: Pair<'a>,
}

/// A public key in upstream's format.
#[derive(Deserialize)]
struct PublicKeyForm {
    root: FieldArray<8>,
    parameter: FieldArray<5>,
}

/// A file's content: SSZ bytes or a text.
enum Content<'a> {
    Bytes(&'a [u8]),
    Hex(&'a str),
    Json(&'a str),
}

impl<'a> Content<'a> {
    /// Distinguishes SSZ keys from texts: the epochs of every secret key contain zero bytes, and a
    /// public key has a length that no text has.
    fn of(content: &'a [u8]) -> Result<Self, KeyError> {
        if content.len() == PUBLIC_KEY_BYTES || content.contains(&0) {
            return Ok(Self::Bytes(content));
        }
        // Some editors put a byte order mark before a text.
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let text = std::str::from_utf8(content).map_err(|_| START)?;
        let is_json = text.trim_start().starts_with(['{', '"']);
        Ok(if is_json { Self::Json(text) } else { Self::Hex(text) })
    }
}

/// One of a file's pairs, if it is a file of pairs.
fn pair<'a>(json: &'a str, role: Option<Role>) -> Option<Result<Pair<'a>, KeyError>> {
    if let Ok(pairs) = serde_json::from_str::<Pairs<'a>>(json) {
        return Some(match role {
            Some(Role::Attestation) => Ok(pairs.attestation_keypair),
            Some(Role::Proposal) => Ok(pairs.proposal_keypair),
            None => Err(KeyError::RoleNeeded),
        });
    }
    serde_json::from_str(json).ok().map(Ok)
}

/// Reads a public key in hex, with or without `0x`, as in configuration files.
///
/// # Errors
/// If the text is not the hex of a public key.
pub fn public_key_from_hex(text: &str) -> Result<PublicKeyBytes, KeyError> {
    public_key_from_bytes(&hex::decode(text).ok_or(START)?)
}

fn public_key_from_bytes(bytes: &[u8]) -> Result<PublicKeyBytes, KeyError> {
    PublicKeyParts::decode(bytes)?;
    let found = bytes.len();
    bytes.try_into().map_err(|_| WireError::Length { expected: PUBLIC_KEY_BYTES, found }.into())
}

/// Reads the content of a public key's file. `role` chooses from pairs of keys.
///
/// # Errors
/// If it is not a public key.
pub fn parse_public_key(content: &[u8], role: Option<Role>) -> Result<PublicKeyBytes, KeyError> {
    let json = match Content::of(content)? {
        Content::Bytes(bytes) => return public_key_from_bytes(bytes),
        Content::Hex(text) => return public_key_from_hex(text),
        Content::Json(json) => json,
    };
    if let Ok(text) = serde_json::from_str::<&str>(json) {
        return public_key_from_hex(text);
    }
    if let Some(pair) = pair(json, role) {
        return public_key_from_hex(pair?.public_key);
    }
    let form: PublicKeyForm = serde_json::from_str(json)?;
    let parts = PublicKeyParts { root: form.root.0, parameter: form.parameter.0 };
    let mut bytes = Vec::with_capacity(PUBLIC_KEY_BYTES);
    parts.encode(&mut bytes);
    public_key_from_bytes(&bytes)
}

/// Reads the content of a secret key's file. `role` chooses from pairs of keys.
///
/// # Errors
/// If it is not a secret key of the scheme.
pub fn parse_secret_key(
    scheme: Scheme,
    content: &[u8],
    role: Option<Role>,
) -> Result<SecretKey, KeyError> {
    let from_hex = |text: &str| -> Result<SecretKey, KeyError> {
        let bytes = hex::decode(text).ok_or(START)?;
        Ok(SecretKey::from_bytes(scheme, &bytes)?)
    };
    let json = match Content::of(content)? {
        Content::Bytes(bytes) => return Ok(SecretKey::from_bytes(scheme, bytes)?),
        Content::Hex(text) => return from_hex(text),
        Content::Json(json) => json,
    };
    if let Ok(text) = serde_json::from_str::<&str>(json) {
        return from_hex(text);
    }
    if let Some(pair) = pair(json, role) {
        return from_hex(pair?.secret_key);
    }
    let form: SigningKeyForm = serde_json::from_str(json)?;
    Ok(SecretKey::from_key(scheme, form.into_key(scheme.params())?))
}
