//! Nodes and raw peers over QUIC on loopback, in one process.

mod anchor;
mod backfill;
mod following;
mod gossip;
mod hostile;
mod node;
mod peers;
mod raw;
mod requests;
mod samples;
