//! Aggregate proofs on the wire: participants and opaque proof bytes.

use std::{fmt, sync::Arc};

use super::{
    AggregationBits,
    macros::{containers, tree_hash_root},
};
use crate::constants::MAX_PROOF_BYTES;

/// Up to `MAX` bytes, shared when cloned.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteList<const MAX: usize>(Arc<[u8]>);

/// The bytes of an aggregate proof: at most 512 KiB.
pub type ProofBytes = ByteList<MAX_PROOF_BYTES>;

impl<const MAX: usize> ByteList<MAX> {
    /// Makes a list of these bytes; `None` above the limit.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Option<Self> {
        let bytes = bytes.into();
        (bytes.len() <= MAX).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for ByteList<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ByteList({} bytes)", self.0.len())
    }
}

impl<const MAX: usize> ssz::Encode for ByteList<MAX> {
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

impl<const MAX: usize> ssz::Decode for ByteList<MAX> {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
        // The length is checked before anything is copied.
        if bytes.len() > MAX {
            return Err(ssz::DecodeError::BytesInvalid(format!(
                "{} bytes, the limit is {MAX}",
                bytes.len()
            )));
        }
        Ok(Self(bytes.into()))
    }
}

tree_hash_root!(List, [const MAX: usize] ByteList<MAX>, |this| {
    let root = tree_hash::merkle_root(&this.0, MAX.div_ceil(tree_hash::BYTES_PER_CHUNK));
    tree_hash::mix_in_length(&root, this.0.len())
});

/// `{"data": "0x…"}`
#[derive(serde::Serialize, serde::Deserialize)]
struct HexData {
    #[serde(serialize_with = "write_data", deserialize_with = "crate::json::read_hex")]
    data: Vec<u8>,
}

fn write_data<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    crate::json::write_hex(bytes, serializer)
}

impl<const MAX: usize> serde::Serialize for ByteList<MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        HexData { data: self.0.to_vec() }.serialize(serializer)
    }
}

impl<'de, const MAX: usize> serde::Deserialize<'de> for ByteList<MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let HexData { data } = HexData::deserialize(deserializer)?;
        Self::new(data).ok_or_else(|| serde::de::Error::custom(format!("more than {MAX} bytes")))
    }
}

containers! {
    /// A proof that its participants signed one message for one slot. Message and slot are not part
    /// of it.
    #[derive(Default, Hash)]
    pub struct SingleMessageAggregate {
        /// The validators that signed.
        pub participants: AggregationBits,
        /// The proof.
        pub proof: ProofBytes,
    }

    /// A proof over several messages, each with its own signers.
    #[derive(Default, Hash)]
    pub struct MultiMessageAggregate {
        /// The proof.
        pub proof: ProofBytes,
    }
}
