//! A trait for everything that is encoded.

use serde::{Serialize, de::DeserializeOwned};
use ssz::{Decode, DecodeError, Encode};

/// A value with a canonical encoding (SSZ) and a serde format.
pub trait Serializable: Serialize + DeserializeOwned + Encode + Decode + Sized {
    /// The canonical bytes: SSZ, field elements as little-endian 32-bit integers below p.
    fn to_bytes(&self) -> Vec<u8> {
        self.as_ssz_bytes()
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// If the bytes are not the encoding of a value; never panics.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_ssz_bytes(bytes)
    }
}
