//! Generalized XMSS signatures.

pub mod scheme;

mod chain;
mod encoding;
mod field;
mod params;
mod poseidon;
mod tweak;
mod verify;
mod wire;

/// Length in bytes of the messages that are signed.
pub const MESSAGE_LENGTH: usize = 32;
