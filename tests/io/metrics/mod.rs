//! Metrics of a node: against the list that all clients share, in a small network, over QUIC; the
//! warnings; and the dashboards.

mod contract;
mod dashboards;
mod faults;
mod network;
mod quic;
mod shared_list;
mod warnings;
