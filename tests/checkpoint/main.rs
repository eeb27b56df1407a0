//! Checkpoint sync: nodes' APIs that answer well, badly or not at all, and the node that asks them.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod agreement;
mod chain;
mod hostile;
mod node;
mod tls;
