//! What a node measures: against the list that all clients share, in a small network, over QUIC;
//! the warnings; and what is built upon the metrics.

mod contract;
mod dashboards;
mod faults;
mod network;
mod quic;
mod shared_list;
mod warnings;
