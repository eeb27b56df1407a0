//! Node records (ENR): a node's address and identity, signed by the node.

use std::{fmt, net::IpAddr, str::FromStr};

use alloy_primitives::keccak256;
use alloy_rlp::{Decodable, Encodable, Header};
use enr::{
    Enr, EnrPublicKey,
    k256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner},
};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use super::identity::{KeyType, peer_id};

/// The largest record in bytes, by the specification of records.
const MAX_RECORD_BYTES: usize = 300;
/// The largest number of characters of a record's text: `enr:` and base64 without padding.
const MAX_TEXT_CHARS: usize = 4 + (MAX_RECORD_BYTES * 4).div_ceil(3);

/// A text is not a node record, or its record has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node record: {0}")]
pub struct RecordError(pub String);

/// A node record with a valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord(Enr<SigningKey>);

impl NodeRecord {
    /// Reads a record from its text. Its signature is checked.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        let text = text.trim();
        if text.len() > MAX_TEXT_CHARS {
            return Err(RecordError(format!("longer than {MAX_RECORD_BYTES} bytes")));
        }
        if !text.starts_with("enr:") {
            return Err(RecordError("does not begin with enr:".into()));
        }
        text.parse().map(Self).map_err(|error: String| RecordError(in_words(&error).into()))
    }

    /// Makes a record for a node at this address. The same key, address and port give the same
    /// record, so that the files of a network can be written again byte for byte.
    ///
    /// # Errors
    /// [`RecordError`] if the secret is not a valid key.
    pub fn build(secret: &[u8; 32], ip: IpAddr, quic_port: u16) -> Result<Self, RecordError> {
        let wrong = |error: &dyn fmt::Display| RecordError(error.to_string());
        let key = SigningKey::from_slice(secret).map_err(|error| wrong(&error))?;
        let public = key.verifying_key().to_sec1_point(true);
        let (ip_name, ip, quic_name) = match ip {
            IpAddr::V4(ip) => ("ip", ip.octets().to_vec(), "quic"),
            IpAddr::V6(ip) => ("ip6", ip.octets().to_vec(), "quic6"),
        };
        // The signed items, ordered by name. The crate that reads records signs them with
        // randomness.
        let items: [&dyn Encodable; 9] = [
            &1_u64,
            &"id",
            &"v4",
            &ip_name,
            &ip.as_slice(),
            &quic_name,
            &quic_port,
            &"secp256k1",
            &public.as_bytes(),
        ];
        let mut content = Vec::new();
        for item in items {
            item.encode(&mut content);
        }
        let hash = keccak256(list(&content));
        let signature: Signature =
            key.sign_prehash(hash.as_slice()).map_err(|error| wrong(&error))?;
        let mut signed = Vec::new();
        signature.to_bytes().as_slice().encode(&mut signed);
        signed.extend_from_slice(&content);
        Enr::decode(&mut list(&signed).as_slice()).map(Self).map_err(|error| wrong(&error))
    }

    /// Its sequence number.
    pub fn seq(&self) -> u64 {
        self.0.seq()
    }

    /// The node's public key, compressed.
    pub fn public_key(&self) -> Vec<u8> {
        self.0.public_key().encode().to_vec()
    }

    /// The node's id in its record.
    pub fn node_id(&self) -> [u8; 32] {
        self.0.node_id().raw()
    }

    /// The name of the signature scheme.
    pub fn scheme(&self) -> Option<String> {
        self.0.id()
    }

    /// The IPv4 address.
    pub fn ip4(&self) -> Option<std::net::Ipv4Addr> {
        self.0.ip4()
    }

    /// The node's IP address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.ip4().map(IpAddr::V4).or_else(|| self.0.ip6().map(IpAddr::V6))
    }

    /// The node's QUIC port. For an IPv4 address the `quic` port, else the `udp` port. For an IPv6
    /// address `quic6`, else `quic`, which some writers use for both, else `udp6`.
    pub fn quic_port(&self) -> Option<u16> {
        let port = |key: &str| self.0.get_decodable::<u16>(key).and_then(Result::ok);
        if self.0.ip4().is_some() {
            port("quic").or_else(|| self.0.udp4())
        } else {
            port("quic6").or_else(|| port("quic")).or_else(|| self.0.udp6())
        }
    }

    /// The UDP port of discovery.
    pub fn udp_port(&self) -> Option<u16> {
        self.0.udp4()
    }

    /// A value of the record, encoded in RLP.
    pub fn raw_value(&self, key: &str) -> Option<&[u8]> {
        self.0.get_raw_rlp(key)
    }

    /// The node's peer id.
    pub fn peer_id(&self) -> PeerId {
        peer_id(KeyType::Secp256k1, &self.public_key())
    }

    /// The node's QUIC address.
    ///
    /// # Errors
    /// [`RecordError`] if the record has no address or no port.
    pub fn multiaddr(&self) -> Result<Multiaddr, RecordError> {
        let ip = self.ip().ok_or_else(|| RecordError("no ip".into()))?;
        let port = self.quic_port().ok_or_else(|| RecordError("no quic port".into()))?;
        Ok(Multiaddr::from(ip).with(Protocol::Udp(port)).with(Protocol::QuicV1))
    }
}

/// Says what is wrong with a record's text. The library's own words are those of its code.
fn in_words(error: &str) -> &'static str {
    if error.contains("ignature") {
        "its signature is wrong: the text was changed"
    } else {
        "it is cut short, or has letters that do not belong there: copy the whole text again"
    }
}

impl fmt::Display for NodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_base64())
    }
}

impl FromStr for NodeRecord {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        Self::parse(text)
    }
}

/// An RLP list of encoded items.
fn list(items: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    Header { list: true, payload_length: items.len() }.encode(&mut list);
    list.extend_from_slice(items);
    list
}
