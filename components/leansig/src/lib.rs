//! Generalized XMSS signatures.

pub mod array;
pub mod packing;
pub mod poseidon;
pub mod scheme;
pub mod serialization;
pub mod signature;
pub mod tree;

mod chain;
mod encoding;
mod field;
mod hex;
mod key_gen;
mod leaf;
mod params;
mod prf;
mod signing_key;
mod tweak;
mod verify;
mod wire;

pub use key_gen::{KeyGenError, KeyGenOptions, Progress};
pub use signing_key::NextBottomTree;

/// Length in bytes of the messages that are signed.
pub const MESSAGE_LENGTH: usize = 32;
