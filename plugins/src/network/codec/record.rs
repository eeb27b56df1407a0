//! Node records (ENR): where a node is and who it is, signed by itself.

use std::net::IpAddr;

use enr::{Enr, EnrPublicKey, k256::ecdsa::SigningKey};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use super::identity::{KeyType, peer_id};

/// Bytes of a record at most, by the records' specification.
const MAX_RECORD_BYTES: usize = 300;
/// Characters of a record's text at most: `enr:` and base64 without padding.
const MAX_TEXT_CHARS: usize = 4 + (MAX_RECORD_BYTES * 4).div_ceil(3);

/// A text is no node record, or not one that says where to find its node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("node record: {0}")]
pub struct RecordError(pub String);

/// A node record with a valid signature.
#[derive(Clone, Debug)]
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
        text.parse().map(Self).map_err(RecordError)
    }

    /// Makes a record for a node at this address.
    ///
    /// # Errors
    /// [`RecordError`] when the secret is no key.
    pub fn build(secret: &[u8; 32], ip: IpAddr, quic_port: u16) -> Result<Self, RecordError> {
        let key = SigningKey::from_slice(secret).map_err(|error| RecordError(error.to_string()))?;
        let quic = if ip.is_ipv4() { "quic" } else { "quic6" };
        Enr::builder()
            .ip(ip)
            .add_value(quic, &quic_port)
            .build(&key)
            .map(Self)
            .map_err(|error| RecordError(error.to_string()))
    }

    /// Its text.
    pub fn text(&self) -> String {
        self.0.to_base64()
    }

    /// Its sequence number.
    pub fn seq(&self) -> u64 {
        self.0.seq()
    }

    /// The node's public key, compressed.
    pub fn public_key(&self) -> Vec<u8> {
        self.0.public_key().encode().to_vec()
    }

    /// The node's id among records.
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

    /// The UDP port of discovery.
    pub fn udp_port(&self) -> Option<u16> {
        self.0.udp4()
    }

    /// A value as it stands in the record, in RLP.
    pub fn raw_value(&self, key: &str) -> Option<&[u8]> {
        self.0.get_raw_rlp(key)
    }

    /// The node's peer id.
    pub fn peer_id(&self) -> PeerId {
        peer_id(KeyType::Secp256k1, &self.public_key())
    }

    /// Where QUIC reaches the node: its `quic` port, or else its `udp` port.
    ///
    /// # Errors
    /// [`RecordError`] when the record says no address or no port.
    pub fn multiaddr(&self) -> Result<Multiaddr, RecordError> {
        let port = |key: &str| self.0.get_decodable::<u16>(key).and_then(Result::ok);
        let (ip, port): (Protocol<'_>, _) = if let Some(ip) = self.0.ip4() {
            (ip.into(), port("quic").or_else(|| self.0.udp4()))
        } else if let Some(ip) = self.0.ip6() {
            (ip.into(), port("quic6").or_else(|| self.0.udp6()))
        } else {
            return Err(RecordError("no ip".into()));
        };
        let port = port.ok_or_else(|| RecordError("no quic port".into()))?;
        Ok(Multiaddr::empty().with(ip).with(Protocol::Udp(port)).with(Protocol::QuicV1))
    }
}
