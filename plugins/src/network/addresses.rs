//! Limits per address: of connections, and of banned peers before the address is refused. A new
//! identity costs nothing, but an address does. Loopback and outbound connections are exempt.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv6Addr},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
    },
};

/// If an address has this many banned peers, nobody is let in from it.
pub(super) const MAX_BANS: usize = 4;
/// The number of addresses with bans that are remembered. Beyond that, the one whose bans end first
/// is dropped.
const MAX_ADDRESSES: usize = 1024;

/// Counts inbound connections and bans by address.
#[derive(Debug)]
pub(super) struct Addresses {
    /// The number of inbound connections that an address may have.
    limit: usize,
    open: HashMap<ConnectionId, IpAddr>,
    counts: HashMap<IpAddr, usize>,
    /// The times at which the bans of each address's peers end.
    bans: HashMap<IpAddr, Vec<Instant>>,
}

/// The reason connections from an address are refused.
#[derive(Debug)]
pub(super) enum Refused {
    TooMany(IpAddr),
    Banned(IpAddr),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(ip) => write!(f, "{ip} has the largest allowed number of connections"),
            Self::Banned(ip) => write!(f, "too many peers of {ip} are banned"),
        }
    }
}

impl std::error::Error for Refused {}

impl Addresses {
    /// Allows up to `limit` connections per address.
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self { limit, open: HashMap::new(), counts: HashMap::new(), bans: HashMap::new() }
    }

    /// Notes that a peer at this address is banned for this long.
    pub(super) fn ban(&mut self, address: &Multiaddr, time: Duration, now: Instant) {
        let Some(ip) = ip_of(address) else { return };
        let bans = self.bans.entry(ip).or_default();
        bans.retain(|until| *until > now);
        if bans.len() < MAX_BANS {
            bans.push(now + time);
        }
        if self.bans.len() > MAX_ADDRESSES {
            self.bans.retain(|_, bans| bans.iter().any(|until| *until > now));
            let last_end = |bans: &[Instant]| bans.iter().max().copied();
            let first = self.bans.iter().min_by_key(|(ip, bans)| (last_end(bans), **ip));
            if let (true, Some(first)) = (self.bans.len() > MAX_ADDRESSES, first.map(|(ip, _)| *ip))
            {
                self.bans.remove(&first);
            }
        }
    }

    fn check(&self, address: &Multiaddr, now: Instant) -> Result<Option<IpAddr>, Refused> {
        let Some(ip) = ip_of(address) else { return Ok(None) };
        let bans =
            self.bans.get(&ip).map_or(0, |bans| bans.iter().filter(|until| **until > now).count());
        if bans >= MAX_BANS {
            Err(Refused::Banned(ip))
        } else if self.counts.get(&ip).is_some_and(|count| *count >= self.limit) {
            Err(Refused::TooMany(ip))
        } else {
            Ok(Some(ip))
        }
    }

    fn opened(&mut self, id: ConnectionId, ip: IpAddr) {
        if self.open.insert(id, ip).is_none() {
            *self.counts.entry(ip).or_default() += 1;
        }
    }

    fn closed(&mut self, id: ConnectionId) {
        let Some(ip) = self.open.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&ip);
            }
        }
    }
}

/// The address that is counted. For IPv6 it is the first half, because one host has the rest.
/// `None` for loopback, on which whole devnets run.
fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    let ip = address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    })?;
    (!ip.is_loopback()).then(|| match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    })
}

impl NetworkBehaviour for Addresses {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.check(remote, Instant::now()).map(|_| ()).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // It is counted already here. If another behaviour refuses it, the failure removes it
        // again.
        if let Some(ip) = self.check(remote, Instant::now()).map_err(ConnectionDenied::new)? {
            self.opened(id, ip);
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.closed(connection_id);
            }
            FromSwarm::ListenFailure(failure) => self.closed(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    fn connect(addresses: &mut Addresses, id: usize, from: &str) -> bool {
        let (local, remote) = (address("/ip4/10.0.0.1/udp/1/quic-v1"), address(from));
        let id = ConnectionId::new_unchecked(id);
        addresses.handle_pending_inbound_connection(id, &local, &remote).is_ok()
            && addresses
                .handle_established_inbound_connection(id, PeerId::random(), &local, &remote)
                .is_ok()
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more_whatever_the_port() {
        let mut addresses = Addresses::new(2);
        assert!(connect(&mut addresses, 1, "/ip4/192.0.2.1/udp/1/quic-v1"));
        assert!(connect(&mut addresses, 2, "/ip6/::ffff:192.0.2.1/udp/2/quic-v1"));
        assert!(!connect(&mut addresses, 3, "/ip4/192.0.2.1/udp/3/quic-v1"));
        assert!(connect(&mut addresses, 4, "/ip4/192.0.2.2/udp/3/quic-v1"), "another address");
        addresses.closed(ConnectionId::new_unchecked(1));
        addresses.closed(ConnectionId::new_unchecked(1));
        assert!(connect(&mut addresses, 5, "/ip4/192.0.2.1/udp/4/quic-v1"));
        assert!(!connect(&mut addresses, 6, "/ip4/192.0.2.1/udp/4/quic-v1"));
        for id in [2, 4, 5] {
            addresses.closed(ConnectionId::new_unchecked(id));
        }
        assert!(addresses.counts.is_empty() && addresses.open.is_empty());
    }

    #[test]
    fn of_an_ipv6_address_the_first_half_counts() {
        let mut addresses = Addresses::new(1);
        assert!(connect(&mut addresses, 1, "/ip6/2001:db8:0:1::1/udp/1/quic-v1"));
        assert!(!connect(&mut addresses, 2, "/ip6/2001:db8:0:1:ffff::2/udp/1/quic-v1"));
        assert!(connect(&mut addresses, 3, "/ip6/2001:db8:0:2::1/udp/1/quic-v1"));
    }

    #[test]
    fn devnets_on_loopback_are_not_limited() {
        let mut addresses = Addresses::new(1);
        for id in 0..9 {
            assert!(connect(&mut addresses, id, "/ip4/127.0.0.1/udp/1/quic-v1"));
            assert!(connect(&mut addresses, 10 + id, "/ip6/::1/udp/1/quic-v1"));
            addresses.ban(
                &address("/ip4/127.0.0.1/udp/1/quic-v1"),
                Duration::from_secs(9),
                Instant::now(),
            );
        }
        assert!(addresses.bans.is_empty());
    }

    #[test]
    fn an_address_with_four_banned_peers_is_refused_until_a_ban_ends() {
        let mut addresses = Addresses::new(9);
        let from = address("/ip4/192.0.2.1/udp/1/quic-v1");
        let now = Instant::now();
        for seconds in 1..=4 {
            assert!(addresses.check(&from, now).is_ok());
            addresses.ban(&from, Duration::from_secs(seconds), now);
        }
        assert!(matches!(addresses.check(&from, now), Err(Refused::Banned(_))));
        assert!(addresses.check(&from, now + Duration::from_secs(1)).is_ok());
        assert!(addresses.check(&address("/ip4/192.0.2.2/udp/1/quic-v1"), now).is_ok());
    }

    #[test]
    fn no_more_addresses_are_remembered_than_the_limit() {
        let mut addresses = Addresses::new(9);
        let now = Instant::now();
        for index in 0..=MAX_ADDRESSES {
            let (high, low) = (index / 256, index % 256);
            let from = address(&format!("/ip4/192.0.{high}.{low}/udp/1/quic-v1"));
            addresses.ban(&from, Duration::from_secs(60 + index as u64), now);
        }
        assert_eq!(addresses.bans.len(), MAX_ADDRESSES);
        assert!(!addresses.bans.contains_key(&IpAddr::from([192, 0, 0, 0])));
    }
}
