//! Nodes and raw peers over QUIC on loopback, in one process.

mod anchor;
mod backfill;
mod dropped;
mod early;
mod following;
mod gossip;
mod hostile;
mod impostor;
mod keyless;
mod log;
mod node;
mod peers;
mod raw;
mod requests;
mod samples;
