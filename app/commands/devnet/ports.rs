//! Free ports on loopback.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket},
};

/// The ports of a first node, where launchers have them; the next nodes' follow.
const BASES: Bases = Bases { quic: 9001, metrics: 8081, api: 5051 };
/// Other addresses of loopback that are tried.
const MAX_ADDRESSES: usize = 16;
/// Other ports that are tried, on systems where loopback is one address.
const MAX_OFFSETS: u16 = 64;

/// The first node's ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bases {
    pub(super) quic: u16,
    pub(super) metrics: u16,
    pub(super) api: u16,
}

impl Bases {
    /// So many ports further.
    fn after(self, offset: u16) -> Self {
        Self { quic: self.quic + offset, metrics: self.metrics + offset, api: self.api + offset }
    }
}

/// A node's ports. No other process can bind them until this is dropped.
#[derive(Debug)]
pub(super) struct HeldPorts {
    _quic: UdpSocket,
    _http: [TcpListener; 2],
}

/// Ports for all nodes of a network.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) ip: IpAddr,
    pub(super) bases: Bases,
    /// Those of each node.
    pub(super) held: Vec<HeldPorts>,
}

/// Finds ports for this many nodes, at the given address or at an unused loopback address.
pub(super) fn find(nodes: u16, asked: Option<Ipv4Addr>) -> io::Result<Ports> {
    let first = asked.unwrap_or(Ipv4Addr::LOCALHOST);
    let mut error = match hold(nodes, first, BASES) {
        Ok(ports) => return Ok(ports),
        Err(error) => error,
    };
    if asked.is_none() {
        for _ in 0..MAX_ADDRESSES {
            let [a, b, c, _] = rand::random::<u32>().to_be_bytes();
            if let Ok(ports) = hold(nodes, Ipv4Addr::new(127, a, b, c.clamp(1, 254)), BASES) {
                return Ok(ports);
            }
        }
    }
    for offset in (1..=MAX_OFFSETS).map(|count| count * 100) {
        match hold(nodes, first, BASES.after(offset)) {
            Ok(ports) => return Ok(ports),
            Err(other) => error = other,
        }
    }
    Err(error)
}

fn hold(nodes: u16, ip: Ipv4Addr, bases: Bases) -> io::Result<Ports> {
    let one = |at: u16| {
        let bases = bases.after(at);
        Ok(HeldPorts {
            _quic: UdpSocket::bind((ip, bases.quic))?,
            _http: [TcpListener::bind((ip, bases.metrics))?, TcpListener::bind((ip, bases.api))?],
        })
    };
    let held = (0..nodes).map(one).collect::<io::Result<_>>()?;
    Ok(Ports { ip: ip.into(), bases, held })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_look_at_once_get_ports_of_their_own() {
        let ip = Ipv4Addr::new(127, 66, 1, 9);
        let first = find(64, Some(ip)).expect("nobody else is there");
        assert_eq!((first.ip, first.bases), (ip.into(), BASES));
        let second = find(64, Some(ip)).expect("there are more ports");
        assert_eq!((second.ip, second.bases), (ip.into(), BASES.after(100)));
        drop(first);
        assert_eq!(find(64, Some(ip)).expect("they are free again").bases, BASES);
    }
}
