//! What the tests share: a node without clock and network, placeholder proofs, a chain to grow,
//! and tasks that end out of order.

#![allow(dead_code, reason = "every test binary uses its own part")]

pub mod chain;
pub mod mocked;
pub mod node;
pub mod scrambled;
