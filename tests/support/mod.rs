//! What the tests share: a node without clock and network, placeholder proofs, and a chain to
//! grow.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod mocked;
pub mod node;
