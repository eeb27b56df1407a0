//! A node's secret key, and the record that it signs.

use std::{
    fmt, io,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use enr::k256::ecdsa::SigningKey;
use quintet_components::network;

use super::{
    identity::{self, KeyError},
    record::{NodeRecord, RecordError},
};
use crate::text::read_text;

/// The largest key file that is read: 64 digits and white space.
const MAX_FILE_BYTES: u64 = 1024;

/// A node's secp256k1 secret key, from which its peer id is derived. Its `Debug` output does not
/// show it.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeKey([u8; 32]);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(…)")
    }
}

/// The reason a file has no valid key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read the node key {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// The content is not a key.
    #[error("the node key {} has no valid key: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The error.
        error: KeyError,
    },
}

impl NodeKey {
    /// A key with these bytes.
    ///
    /// # Errors
    /// [`KeyError`] for zero and for numbers beyond the curve's order.
    pub fn new(bytes: [u8; 32]) -> Result<Self, KeyError> {
        SigningKey::from_slice(&bytes).map_err(|_| KeyError)?;
        Ok(Self(bytes))
    }

    /// Reads a key's file: 64 hex digits, with or without `0x`, and white space around them.
    ///
    /// # Errors
    /// [`KeyFileError`], which names the file.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let failed = |error| KeyFileError::Io { path: path.into(), error };
        let text = read_text(path, MAX_FILE_BYTES).map_err(failed)?;
        text.parse().map_err(|error| KeyFileError::Content { path: path.into(), error })
    }

    /// The node's peer id.
    pub fn peer_id(&self) -> network::PeerId {
        let key = identity::keypair(self.0).expect("it was checked when it was made");
        network::PeerId(key.public().to_peer_id().to_base58().into())
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its hex digits without `0x`, as in its file.
    pub fn to_hex(&self) -> String {
        alloy_primitives::hex::encode(self.0)
    }

    /// The record of a node at this address. The same address always gives the same record.
    ///
    /// # Errors
    /// [`RecordError`] if it cannot be signed.
    pub fn record(&self, ip: IpAddr, quic_port: u16) -> Result<NodeRecord, RecordError> {
        NodeRecord::build(&self.0, ip, quic_port)
    }
}

impl FromStr for NodeKey {
    type Err = KeyError;

    /// Reads a key's hex digits.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(identity::parse_secret(text)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_file_is_read_or_named_in_the_error() {
        let path = std::env::temp_dir().join(format!("quintet-node-key-{}", std::process::id()));
        let missing = NodeKey::read(&path).expect_err("not there");
        assert!(missing.to_string().contains(&path.display().to_string()), "{missing}");
        let key = NodeKey::new([10; 32]).expect("a key");
        fs::write(&path, format!("0x{}\n", key.to_hex())).expect("writes");
        assert_eq!(NodeKey::read(&path).ok(), Some(key));
        for text in ["0a", &"00".repeat(32), &"ff".repeat(32)] {
            fs::write(&path, text).expect("writes");
            let wrong = NodeKey::read(&path).expect_err("no key").to_string();
            assert!(wrong.contains("64 hex digits"), "{wrong}");
        }
        fs::remove_file(&path).expect("removes");
    }
}
