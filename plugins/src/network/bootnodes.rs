//! Decides when each bootnode is dialled.

use std::{net::IpAddr, time::Duration};

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::Protocol,
    swarm::{
        ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::time::Instant;

use super::{bootnode::Bootnode, config::Redial};

/// A connection is stable after this many times the first wait.
const STABLE_WAITS: u32 = 10;

/// The peers to stay connected to.
#[derive(Debug)]
pub(super) struct Bootnodes {
    entries: Vec<Entry>,
    redial: Redial,
}

#[derive(Debug)]
struct Entry {
    address: Multiaddr,
    /// The id that the peer must have.
    expected: Option<PeerId>,
    /// The peer that answered there last.
    found: Option<PeerId>,
    calling: Option<ConnectionId>,
    connected_since: Option<Instant>,
    wait: Duration,
    due: Instant,
    /// The reason the last dial failed, as logged. Empty after a successful one.
    failure: String,
}

/// A warning about the bootnodes, if there is a reason.
pub(super) fn warning(listen: IpAddr, nodes: &[Bootnode]) -> Option<String> {
    if nodes.is_empty() {
        return Some(
            "no bootnodes: the node dials nobody and waits for others; name bootnodes with \
             --bootnodes, or in the network's nodes.yaml"
                .into(),
        );
    }
    let reason = |node: &Bootnode| unreachable(listen, ip_of(&node.address)?);
    let reasons: Option<Vec<_>> = nodes.iter().map(reason).collect();
    Some(format!("no bootnode can be dialled from {listen}: {}", reasons?.first()?))
}

/// Returns the reason a node that listens here cannot reach a peer there.
fn unreachable(listen: IpAddr, peer: IpAddr) -> Option<&'static str> {
    match (listen, peer) {
        _ if is_nowhere(peer) => Some(
            "no machine has the address that the bootnodes are named with; name the one at which \
             they are reached",
        ),
        (IpAddr::V4(_), IpAddr::V6(_)) => Some(
            "the bootnodes have IPv6 addresses and the node listens on IPv4: listen with \
             --listen-address ::, or name bootnodes with IPv4 addresses",
        ),
        (IpAddr::V6(_), IpAddr::V4(_)) => Some(
            "the bootnodes have IPv4 addresses and the node listens on IPv6: listen with \
             --listen-address 0.0.0.0, or name bootnodes with IPv6 addresses",
        ),
        _ if listen.is_loopback() && !peer.is_loopback() => Some(
            "the bootnodes are on other machines and the node listens on loopback: listen with \
             --listen-address on an address that they can reach",
        ),
        _ => None,
    }
}

/// Returns true for addresses that stand for any machine, or for many.
fn is_nowhere(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    ip.is_unspecified() || ip.is_multicast() || is_broadcast
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

impl Bootnodes {
    pub(super) fn new(nodes: &[Bootnode], redial: Redial, now: Instant) -> Self {
        let entries = nodes
            .iter()
            .map(|node| Entry {
                address: node.address.clone(),
                expected: node.peer,
                found: node.peer,
                calling: None,
                connected_since: None,
                wait: redial.first,
                due: now,
                failure: String::new(),
            })
            .collect();
        Self { entries, redial }
    }

    /// The bootnodes to dial now, except for banned ones.
    pub(super) fn due(
        &mut self,
        now: Instant,
        is_connected: impl Fn(&PeerId) -> bool,
        is_left_alone: impl Fn(&PeerId) -> bool,
    ) -> Vec<DialOpts> {
        let stable = self.redial.first * STABLE_WAITS;
        let mut calls = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.calling.is_none()) {
            if entry.found.is_some_and(|peer| is_connected(&peer)) {
                let since = *entry.connected_since.get_or_insert(now);
                if now - since >= stable {
                    entry.wait = self.redial.first;
                }
                continue;
            }
            entry.connected_since = None;
            if now < entry.due || entry.found.is_some_and(|peer| is_left_alone(&peer)) {
                continue;
            }
            let options = match entry.expected {
                Some(peer) => DialOpts::peer_id(peer)
                    .addresses(vec![entry.address.clone()])
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .build(),
                None => DialOpts::unknown_peer_id().address(entry.address.clone()).build(),
            };
            entry.calling = Some(options.connection_id());
            // A connection that is closed at once also waits for the next one.
            entry.due = now + entry.wait.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            entry.wait = (entry.wait * 2).min(self.redial.longest);
            calls.push(options);
        }
        calls
    }

    /// Notes that a dial succeeded.
    pub(super) fn reached(&mut self, call: ConnectionId, peer: PeerId) {
        if let Some(entry) = self.by_call(call) {
            entry.calling = None;
            entry.found = Some(peer);
            entry.failure.clear();
        }
    }

    /// Notes that a dial failed, with the peer that answered, if it is known. Returns true if it
    /// was to a bootnode and failed for another reason than the previous dial; `None` if it was not
    /// to a bootnode.
    pub(super) fn missed(
        &mut self,
        call: ConnectionId,
        peer: Option<PeerId>,
        failure: &str,
    ) -> Option<bool> {
        let entry = self.by_call(call)?;
        entry.calling = None;
        if entry.found.is_none() {
            entry.found = peer;
        }
        let is_new = entry.failure != failure;
        if is_new {
            failure.clone_into(&mut entry.failure);
        }
        Some(is_new)
    }

    fn by_call(&mut self, call: ConnectionId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.calling == Some(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(bootnodes: &mut Bootnodes, now: Instant) -> Vec<DialOpts> {
        bootnodes.due(now, |_| false, |_| false)
    }

    fn node(address: &str) -> Bootnode {
        address.parse().expect("an address")
    }

    #[test]
    fn who_is_left_alone_is_not_called_until_it_is_no_longer() {
        let peer = PeerId::random();
        let named = node(&format!("/ip4/127.0.0.1/udp/9/quic-v1/p2p/{peer}"));
        let unnamed = node("/ip4/127.0.0.1/udp/8/quic-v1");
        let redial = Redial { first: Duration::from_secs(1), longest: Duration::from_secs(1) };
        let now = Instant::now();
        let mut bootnodes = Bootnodes::new(&[named, unnamed], redial, now);
        let calls = bootnodes.due(now, |_| false, |each| *each == peer);
        assert_eq!(calls.len(), 1, "the other may be anybody");
        // It turns out to be the same peer, which is refused when it answers.
        let call = calls[0].connection_id();
        assert_eq!(bootnodes.missed(call, Some(peer), "denied"), Some(true));
        let later = now + Duration::from_secs(9);
        assert!(bootnodes.due(later, |_| false, |each| *each == peer).is_empty());
        assert_eq!(due(&mut bootnodes, later).len(), 2);
    }

    #[test]
    fn bootnodes_that_nobody_can_call_are_warned_of_with_what_helps() {
        let warning = |listen: &str, nodes: &[&str]| {
            let nodes: Vec<_> = nodes.iter().map(|text| node(text)).collect();
            warning(listen.parse().expect("an address"), &nodes)
        };
        let (four, six) = ("/ip4/192.0.2.1/udp/9/quic-v1", "/ip6/2001:db8::1/udp/9/quic-v1");
        let contains = |text: Option<String>, words: &str| text.is_some_and(|t| t.contains(words));
        assert!(contains(warning("0.0.0.0", &[]), "--bootnodes"));
        assert!(contains(warning("0.0.0.0", &[six]), "--listen-address ::"));
        assert!(contains(warning("::", &[four]), "--listen-address 0.0.0.0"));
        assert!(contains(warning("127.0.0.1", &[four]), "loopback"));
        assert_eq!(warning("0.0.0.0", &[six, four]), None, "one will do");
        assert_eq!(warning("127.0.0.1", &["/ip4/127.0.0.2/udp/9/quic-v1"]), None);
    }

    #[test]
    fn waits_double_to_the_longest_and_start_over_once_a_connection_is_stable() {
        let redial = Redial { first: Duration::from_secs(1), longest: Duration::from_secs(8) };
        let node: Bootnode = "/ip4/127.0.0.1/udp/9/quic-v1".parse().expect("an address");
        let mut now = Instant::now();
        let mut bootnodes = Bootnodes::new(&[node], redial, now);
        for expected in [1, 2, 4, 8, 8] {
            let calls = due(&mut bootnodes, now);
            assert_eq!(calls.len(), 1);
            assert!(due(&mut bootnodes, now).is_empty(), "one call at a time");
            assert!(bootnodes.missed(calls[0].connection_id(), None, "").is_some());
            let wait = Duration::from_secs(expected);
            assert!(due(&mut bootnodes, now + wait.mul_f64(0.74)).is_empty());
            now += wait.mul_f64(1.26);
        }
        let calls = due(&mut bootnodes, now);
        let peer = PeerId::random();
        bootnodes.reached(calls[0].connection_id(), peer);
        assert!(bootnodes.due(now, |found| *found == peer, |_| false).is_empty());
        now += redial.first * STABLE_WAITS;
        assert!(bootnodes.due(now, |found| *found == peer, |_| false).is_empty());
        let calls = due(&mut bootnodes, now);
        assert_eq!(bootnodes.missed(calls[0].connection_id(), None, ""), Some(false));
        now += Duration::from_millis(1260);
        assert_eq!(due(&mut bootnodes, now).len(), 1, "the first wait again");
    }
}
