//! A node's identity, and the record that others find it by.

use std::{fmt, net::IpAddr, path::Path, str::FromStr};

use alloy_primitives::{hex, keccak256};
use enr::{
    Enr, NodeId,
    k256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner},
};

use super::yaml::{NetworkFileError, read_text};

/// A node's secp256k1 secret key.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeKey([u8; 32]);

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey")
    }
}

impl NodeKey {
    /// A key of these bytes.
    ///
    /// # Errors
    /// They are zero, or not below the curve's order.
    pub fn new(bytes: [u8; 32]) -> Result<Self, String> {
        SigningKey::from_slice(&bytes).map_err(|_| "not a secp256k1 secret key".to_owned())?;
        Ok(Self(bytes))
    }

    /// A key in hex, with or without `0x`, with white space around it.
    ///
    /// # Errors
    /// It is not 32 bytes in hex, or no key. The message does not repeat the text.
    pub fn from_hex(text: &str) -> Result<Self, String> {
        let bytes: Vec<u8> = hex::decode(text.trim())
            .map_err(|_| "expected a secret key of 32 bytes in hex".to_owned())?;
        let found = bytes.len();
        Self::new(bytes.try_into().map_err(|_| format!("expected 32 bytes in hex, found {found}"))?)
    }

    /// Reads a key's file.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn read(path: &Path) -> Result<Self, NetworkFileError> {
        Self::from_hex(&read_text(path)?).map_err(|reason| NetworkFileError::content(path, reason))
    }

    /// The bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key in hex without `0x`, as its file has it.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The node's record; the same for the same key, address and sequence number.
    ///
    /// # Errors
    /// It does not fit into a record.
    pub fn record(&self, ip: IpAddr, quic_port: u16) -> Result<NodeRecord, String> {
        // The crate that reads records signs them with chance in it; the same network is to be
        // written again byte for byte.
        let key = SigningKey::from_slice(&self.0).map_err(|error| error.to_string())?;
        let public = key.verifying_key().to_sec1_point(true);
        let (ip_name, ip) = match ip {
            IpAddr::V4(ip) => ("ip", ip.octets().to_vec()),
            IpAddr::V6(ip) => ("ip6", ip.octets().to_vec()),
        };
        let port = quic_port.to_be_bytes();
        let port = if port[0] == 0 { &port[1..] } else { &port };
        let mut content = Vec::new();
        for item in [
            &[1],
            "id".as_bytes(),
            b"v4",
            ip_name.as_bytes(),
            &ip,
            b"quic",
            port,
            b"secp256k1",
            public.as_bytes(),
        ] {
            rlp_string(&mut content, item);
        }
        let hash = keccak256(rlp_list(&content));
        let signature: Signature =
            key.sign_prehash(hash.as_slice()).map_err(|error| error.to_string())?;
        let mut signed = Vec::new();
        rlp_string(&mut signed, &signature.to_bytes());
        signed.extend_from_slice(&content);
        format!("enr:{}", base64(&rlp_list(&signed))).parse()
    }
}

/// A byte string in RLP; the strings of a record are short.
fn rlp_string(out: &mut Vec<u8>, bytes: &[u8]) {
    match (bytes, u8::try_from(bytes.len())) {
        ([byte], _) if *byte < 0x80 => out.push(*byte),
        (_, Ok(length @ ..=55)) => {
            out.push(0x80 + length);
            out.extend_from_slice(bytes);
        }
        (_, Ok(length)) => {
            out.extend([0xb8, length]);
            out.extend_from_slice(bytes);
        }
        _ => unreachable!("no part of a record has 256 bytes"),
    }
}

/// A list in RLP of items that are encoded already.
fn rlp_list(items: &[u8]) -> Vec<u8> {
    let length = u8::try_from(items.len()).expect("a record's items have less than 256 bytes");
    let mut list = if length <= 55 { vec![0xc0 + length] } else { vec![0xf8, length] };
    list.extend_from_slice(items);
    list
}

/// Base64 in the alphabet of addresses, without padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=chunk.len() {
            let digit = word >> (18 - 6 * at) & 63;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

/// A node's signed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord(Enr<SigningKey>);

impl NodeRecord {
    /// Where the node is reached.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.ip4().map(IpAddr::V4).or_else(|| self.0.ip6().map(IpAddr::V6))
    }

    /// Its QUIC port.
    pub fn quic_port(&self) -> Option<u16> {
        self.0.get_decodable("quic")?.ok()
    }

    /// Its identity.
    pub fn node_id(&self) -> NodeId {
        self.0.node_id()
    }
}

impl fmt::Display for NodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_base64())
    }
}

impl FromStr for NodeRecord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|error: String| format!("not a node record: {error}"))
    }
}
