//! Nodes and raw peers over QUIC on loopback, in one process.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod gossip;
mod node;
mod raw;
mod samples;
