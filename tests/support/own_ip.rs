//! Addresses for nodes of tests.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
};

/// A loopback address that no other process has, and this one only every fourth time: its ports are
/// free, whatever runs beside. A process's id has 22 bits at most.
pub fn own_ip() -> Ipv4Addr {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed) % 4;
    let [_, low @ ..] = (std::process::id() << 2 | call).to_be_bytes();
    Ipv4Addr::new(127, low[0], low[1], low[2])
}
