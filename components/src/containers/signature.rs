//! An XMSS signature as bytes, of any preset.

use std::{fmt, sync::Arc};

use super::{Root, macros::tree_hash_root};
use crate::preset::SignaturePreset;

/// Size of a digest and of a chunk.
const DIGEST_BYTES: usize = 32;
/// The container of the path siblings has one field before the list: the list's offset.
const PATH_OFFSET_BYTES: usize = 4;
/// Two offsets and the randomness.
const HEAD_BYTES: usize = 4 + RANDOMNESS_BYTES + 4;
const RANDOMNESS_BYTES: usize = 28;

/// The SSZ bytes of a signature: 2536, 2088 or 424 bytes. Only the signature scheme reads its
/// parts; this type measures, hashes and copies it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signature(Arc<[u8]>);

impl Signature {
    /// Makes a signature of bytes that have a preset's length and the only three offsets that such
    /// a signature can have.
    ///
    /// # Errors
    /// The bytes have another length, or another offset.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Result<Self, SignatureError> {
        let bytes = bytes.into();
        let preset = SignaturePreset::from_signature_bytes(bytes.len())
            .ok_or(SignatureError::Length(bytes.len()))?;
        let path_bytes = PATH_OFFSET_BYTES + preset.log_lifetime() * DIGEST_BYTES;
        let expected =
            [(0, HEAD_BYTES), (4 + RANDOMNESS_BYTES, HEAD_BYTES + path_bytes), (HEAD_BYTES, 4)];
        for (at, expected) in expected {
            let offset = ssz::read_offset(&bytes[at..]).expect("a signature is longer than that");
            if offset != expected {
                return Err(SignatureError::Offset { at, offset, expected });
            }
        }
        Ok(Self(bytes))
    }

    /// A signature of zeros with a valid shape. It verifies with no key.
    pub fn placeholder(preset: SignaturePreset) -> Self {
        let mut bytes = vec![0; preset.signature_bytes()];
        let path_bytes = PATH_OFFSET_BYTES + preset.log_lifetime() * DIGEST_BYTES;
        let offset = |value: usize| u32::try_from(value).expect("below 2536").to_le_bytes();
        bytes[..4].copy_from_slice(&offset(HEAD_BYTES));
        bytes[4 + RANDOMNESS_BYTES..HEAD_BYTES].copy_from_slice(&offset(HEAD_BYTES + path_bytes));
        bytes[HEAD_BYTES..HEAD_BYTES + 4].copy_from_slice(&offset(PATH_OFFSET_BYTES));
        Self(bytes.into())
    }

    /// The SSZ bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The root of the container of path, randomness and hashes. A digest fills one chunk, so both
    /// lists are merkleized without packing.
    fn container_root(&self) -> Root {
        let preset = self.preset();
        let (_, body) = self.0.split_at(HEAD_BYTES + PATH_OFFSET_BYTES);
        let (siblings, hashes) = body.split_at(preset.log_lifetime() * DIGEST_BYTES);
        let list_root = |digests: &[u8]| {
            let root = tree_hash::merkle_root(digests, preset.node_list_limit());
            tree_hash::mix_in_length(&root, digests.len() / DIGEST_BYTES)
        };
        let mut fields = [0; 3 * DIGEST_BYTES];
        // The path is a container with one field, and has that field's root.
        fields[..32].copy_from_slice(list_root(siblings).as_slice());
        fields[32..32 + RANDOMNESS_BYTES].copy_from_slice(&self.0[4..4 + RANDOMNESS_BYTES]);
        fields[64..].copy_from_slice(list_root(hashes).as_slice());
        tree_hash::merkle_root(&fields, 3)
    }

    /// The preset whose signatures have this length.
    pub fn preset(&self) -> SignaturePreset {
        SignaturePreset::from_signature_bytes(self.0.len()).expect("checked when it was made")
    }
}

/// The reason bytes are not a signature of any preset.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No preset's signature has this length.
    #[error("{0} bytes: a signature has 2536, 2088 or 424")]
    Length(usize),
    /// A list does not start where it must.
    #[error("offset {offset} at byte {at}: expected {expected}")]
    Offset {
        /// The position of the offset.
        at: usize,
        /// Its value.
        offset: usize,
        /// The value that it must have.
        expected: usize,
    },
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}, {} bytes)", self.preset(), self.0.len())
    }
}

impl ssz::Encode for Signature {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        self.0.len()
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(&self.0);
    }
}

impl ssz::Decode for Signature {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
        Self::new(bytes).map_err(|error| ssz::DecodeError::BytesInvalid(error.to_string()))
    }
}

tree_hash_root!(Container, [] Signature, |this| this.container_root());

impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::json::write_hex(&self.0, serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(crate::json::read_hex(deserializer)?).map_err(serde::de::Error::custom)
    }
}
