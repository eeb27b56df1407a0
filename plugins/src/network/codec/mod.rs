//! The network's encodings: pure functions without sockets. Every decoder checks its limits before
//! it allocates.

pub mod identity;
pub mod key;
pub mod message_id;
pub mod record;
pub mod snappy;
pub mod topic;
pub mod varint;
pub mod wire;

/// The largest payload in bytes before compression: 10 MiB.
pub const MAX_PAYLOAD_BYTES: usize = 10 * 1024 * 1024;
/// The largest error text in bytes.
pub const MAX_ERROR_BYTES: usize = 256;
