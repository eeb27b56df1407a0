//! Networks as an operator runs them: real processes of the binary, real QUIC on loopback, slots of
//! four seconds. Each network has an address of its own in 127.0.0.0/8.
//!
//! Assertions about slots read the nodes' logs, which have every slot, also one in which a node
//! could not be asked.

mod client;
mod clock;
mod command;
mod lifecycle;
pub mod network;
pub mod node;
mod pauses;
mod relay;
mod restart;
mod start;
mod steady;
