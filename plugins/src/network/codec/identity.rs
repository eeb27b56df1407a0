//! Keys and peer ids.

use libp2p::{
    PeerId,
    identity::{Keypair, secp256k1},
    multihash::Multihash,
};
use sha2::{Digest, Sha256};

use super::varint;

/// Kinds of public keys, with their numbers in libp2p's key message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// Ed25519.
    Ed25519 = 1,
    /// Secp256k1, the kind of every node of this network.
    Secp256k1 = 2,
    /// ECDSA.
    Ecdsa = 3,
}

/// The ids of longer keys are their hash.
const MAX_INLINE_KEY_BYTES: usize = 42;
const IDENTITY_MULTIHASH: u64 = 0x00;
const SHA256_MULTIHASH: u64 = 0x12;

/// Wraps a public key in libp2p's key message.
pub fn encode_public_key(kind: KeyType, key: &[u8]) -> Vec<u8> {
    let mut message = vec![0x08, kind as u8, 0x12];
    varint::append(key.len() as u64, &mut message);
    message.extend_from_slice(key);
    message
}

/// The peer id of a public key.
pub fn peer_id(kind: KeyType, key: &[u8]) -> PeerId {
    let message = encode_public_key(kind, key);
    let hash = if message.len() <= MAX_INLINE_KEY_BYTES {
        Multihash::wrap(IDENTITY_MULTIHASH, &message)
    } else {
        Multihash::wrap(SHA256_MULTIHASH, &Sha256::digest(&message))
    };
    let hash = hash.expect("at most 42 bytes");
    PeerId::from_multihash(hash).expect("one of the two hashes that name peers")
}

/// A text is not a secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the 64 hex digits of a secp256k1 secret key, with or without 0x")]
pub struct KeyError;

/// Reads a secret key: 64 hex digits, with or without `0x` before and white space around them.
///
/// # Errors
/// [`KeyError`].
pub fn parse_secret(text: &str) -> Result<[u8; 32], KeyError> {
    let mut secret = [0; 32];
    alloy_primitives::hex::decode_to_slice(text.trim(), &mut secret).map_err(|_| KeyError)?;
    Ok(secret)
}

/// The key pair of a secret key.
///
/// # Errors
/// [`KeyError`] for zero and for numbers beyond the curve's order.
pub fn keypair(secret: [u8; 32]) -> Result<Keypair, KeyError> {
    let secret = secp256k1::SecretKey::try_from_bytes(secret).map_err(|_| KeyError)?;
    Ok(Keypair::from(secp256k1::Keypair::from(secret)))
}
