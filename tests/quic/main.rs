//! Nodes and raw peers over QUIC on loopback, in one process.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod backfill;
mod following;
mod gossip;
mod hostile;
mod node;
mod peers;
mod raw;
mod requests;
mod samples;
