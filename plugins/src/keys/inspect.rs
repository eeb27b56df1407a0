//! Shows what is in a key file.

use std::{ops::Range, path::Path};

use leansig::{
    keys::{self, KeyError, KeyFileError},
    scheme::{Scheme, SecretKey},
};
use quintet_components::{
    containers::{PublicKey, Slot},
    duties::Role,
    preset::SignaturePreset,
};

/// A key in a file, without its secret parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyContent {
    /// A public key.
    Public(PublicKey),
    /// A secret key.
    Secret {
        /// The role, if the file has both keys of a validator.
        role: Option<Role>,
        /// The preset.
        preset: SignaturePreset,
        /// The public key.
        public_key: PublicKey,
        /// The slots that the key can sign for.
        lifetime: Range<Slot>,
        /// The slots that it can sign for now.
        prepared: Range<Slot>,
        /// The memory that it takes, in bytes.
        memory_bytes: usize,
    },
}

/// Reads the keys in a file, of any preset and in any format.
///
/// # Errors
/// The file cannot be read, or has no key. The message names the file.
pub fn inspect_file(path: &Path) -> Result<Vec<KeyContent>, KeyFileError> {
    let presets = [
        (SignaturePreset::Test, Scheme::Lifetime8),
        (SignaturePreset::Short, Scheme::Lifetime18),
        (SignaturePreset::Production, Scheme::Lifetime32),
    ];
    let mut refusal = None;
    for (preset, scheme) in presets {
        let content = |role, key: &SecretKey| KeyContent::Secret {
            role,
            preset,
            public_key: PublicKey::from(key.public_key()),
            lifetime: key.activation(),
            prepared: key.prepared(),
            memory_bytes: key.memory_bytes(),
        };
        match keys::read_secret_key(scheme, path, None) {
            Ok(key) => return Ok(vec![content(None, &key)]),
            Err(KeyFileError::Content { source: KeyError::RoleNeeded, .. }) => {
                let pair = [
                    (Role::Attester, keys::Role::Attestation),
                    (Role::Proposer, keys::Role::Proposal),
                ]
                .map(|(role, file_role)| {
                    keys::read_secret_key(scheme, path, Some(file_role))
                        .map(|key| content(Some(role), &key))
                });
                match pair.into_iter().collect() {
                    Ok(contents) => return Ok(contents),
                    Err(error) => refusal = Some(error),
                }
            }
            Err(error @ KeyFileError::Content { .. }) => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    match keys::read_public_key(path, None) {
        Ok(key) => Ok(vec![KeyContent::Public(PublicKey::from(key))]),
        Err(error) => Err(refusal.unwrap_or(error)),
    }
}
