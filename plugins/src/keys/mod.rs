//! Keys: the only code that sees a secret key.

mod memory;

pub use memory::{KeyPair, MemoryKeys};
