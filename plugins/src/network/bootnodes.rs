//! When to call whom.

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId,
    swarm::{
        ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::time::Instant;

use super::config::{Bootnode, Redial};

/// After so many of the first waits, a connection counts as stable.
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
    /// Whom the address has to belong to.
    expected: Option<PeerId>,
    /// Who answered there last.
    found: Option<PeerId>,
    calling: Option<ConnectionId>,
    connected_since: Option<Instant>,
    wait: Duration,
    due: Instant,
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
            })
            .collect();
        Self { entries, redial }
    }

    /// Whom to call now.
    pub(super) fn due(
        &mut self,
        now: Instant,
        is_connected: impl Fn(&PeerId) -> bool,
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
            if now < entry.due {
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
            // Also a connection that is closed at once waits for the next.
            entry.due = now + entry.wait.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            entry.wait = (entry.wait * 2).min(self.redial.longest);
            calls.push(options);
        }
        calls
    }

    /// A call got through.
    pub(super) fn reached(&mut self, call: ConnectionId, peer: PeerId) {
        if let Some(entry) = self.by_call(call) {
            entry.calling = None;
            entry.found = Some(peer);
        }
    }

    /// A call did not get through. Whether it was one of these.
    pub(super) fn missed(&mut self, call: ConnectionId) -> bool {
        self.by_call(call).map(|entry| entry.calling = None).is_some()
    }

    fn by_call(&mut self, call: ConnectionId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.calling == Some(call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_start_over_once_a_connection_is_stable() {
        let redial = Redial { first: Duration::from_secs(1), longest: Duration::from_secs(8) };
        let node: Bootnode = "/ip4/127.0.0.1/udp/9/quic-v1".parse().expect("an address");
        let mut now = Instant::now();
        let mut bootnodes = Bootnodes::new(&[node], redial, now);
        for expected in [1, 2, 4, 8, 8] {
            let calls = bootnodes.due(now, |_| false);
            assert_eq!(calls.len(), 1);
            assert!(bootnodes.due(now, |_| false).is_empty(), "one call at a time");
            assert!(bootnodes.missed(calls[0].connection_id()));
            let wait = Duration::from_secs(expected);
            assert!(bootnodes.due(now + wait.mul_f64(0.74), |_| false).is_empty());
            now += wait.mul_f64(1.26);
        }
        let calls = bootnodes.due(now, |_| false);
        let peer = PeerId::random();
        bootnodes.reached(calls[0].connection_id(), peer);
        assert!(bootnodes.due(now, |found| *found == peer).is_empty());
        now += redial.first * STABLE_WAITS;
        assert!(bootnodes.due(now, |found| *found == peer).is_empty());
        let calls = bootnodes.due(now, |_| false);
        assert!(bootnodes.missed(calls[0].connection_id()));
        now += Duration::from_millis(1260);
        assert_eq!(bootnodes.due(now, |_| false).len(), 1, "the first wait again");
    }
}
