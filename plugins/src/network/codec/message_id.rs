//! The id of a gossip message.

use sha2::{Digest, Sha256};

use super::{MAX_PAYLOAD_BYTES, snappy};

/// The prefix for a message that cannot be decompressed.
pub const INVALID_SNAPPY: [u8; 4] = [0; 4];
/// The prefix for a message that can be decompressed.
pub const VALID_SNAPPY: [u8; 4] = [1, 0, 0, 0];

/// The id of a message: from its decompressed data, or from the data itself if it cannot be
/// decompressed.
pub fn of_message(topic: &str, data: &[u8]) -> [u8; 20] {
    match snappy::decompress(data, MAX_PAYLOAD_BYTES) {
        Ok(decompressed) => of_parts(VALID_SNAPPY, topic.as_bytes(), &decompressed),
        Err(_) => of_parts(INVALID_SNAPPY, topic.as_bytes(), data),
    }
}

/// The id of these parts.
pub fn of_parts(domain: [u8; 4], topic: &[u8], data: &[u8]) -> [u8; 20] {
    let mut hasher = Sha256::new();
    hasher.update(domain);
    hasher.update((topic.len() as u64).to_le_bytes());
    hasher.update(topic);
    hasher.update(data);
    let mut id = [0; 20];
    id.copy_from_slice(&hasher.finalize()[..20]);
    id
}
