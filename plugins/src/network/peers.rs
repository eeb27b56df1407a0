//! Records of the network about its peers: scores, rates, bans.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId};
use quintet_components::network::{self, DisconnectReason};
use tokio::time::Instant;

use super::{
    config::{Rate, Rates},
    scoring::{BAN_POINTS, decay},
};

/// The number of bans that are remembered. Beyond that, the one that ends first is dropped.
const MAX_BANS: usize = 1024;
/// The number of disconnected peers that are remembered. Beyond that, the one that left first is
/// dropped.
const MAX_REMEMBERED: usize = 1024;
/// The time for which a peer without penalties is remembered after it disconnects, so that
/// reconnecting does not refill its rates.
const REMEMBERED_TIME: Duration = Duration::from_secs(60);
/// If fewer points than this are missing, they count as none.
const FORGIVEN_POINTS: f64 = 0.5;

/// A token bucket in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    level: f64,
    filled: Instant,
}

impl Bucket {
    pub(crate) const fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, level: rate.burst, filled: now }
    }

    pub(crate) fn take(&mut self, cost: f64, now: Instant) -> bool {
        let gained = (now - self.filled).as_secs_f64() * self.rate.per_second;
        self.level = (self.level + gained).min(self.rate.burst);
        self.filled = now;
        // A cost above the whole burst would otherwise never be available.
        let cost = cost.min(self.rate.burst);
        let enough = self.level >= cost;
        if enough {
            self.level -= cost;
        }
        enough
    }
}

/// The amounts of three kinds that a peer may still request or forward. It is shared with the task
/// that serves the peer.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<Mutex<[Bucket; 3]>>);

impl Allowance {
    fn new(rates: [Rate; 3], now: Instant) -> Self {
        Self(Arc::new(Mutex::new(rates.map(|rate| Bucket::full(rate, now)))))
    }

    /// Takes an amount of a kind, if it is available.
    pub(crate) fn take(&self, kind: usize, cost: f64, now: Instant) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets[kind].take(cost, now)
    }
}

/// A peer that is connected, or was recently.
#[derive(Debug)]
pub(crate) struct PeerState {
    /// The peer's id for the world.
    pub(crate) name: network::PeerId,
    /// Its last address.
    pub(crate) address: Option<Multiaddr>,
    /// The reason this node closes the connection, if it does.
    pub(crate) closing: Option<DisconnectReason>,
    /// True if the world was told that it is connected.
    pub(crate) reported: bool,
    /// True if the world was told its agent. A peer may send that any number of times.
    pub(crate) identified: bool,
    /// The number of its requests that are being served.
    pub(crate) serving: usize,
    /// The amounts that it may still request.
    pub(crate) allowance: Allowance,
    /// The number of blocks, aggregates and attestations that it may still forward.
    pub(crate) gossip: Allowance,
    /// The software that it says it runs; empty until it has said so.
    pub(crate) agent: String,
    /// This node's own score of it: 0, or minus the missing points.
    score: f64,
    /// The last score that the world was told.
    told: f64,
    /// The time at which its oldest connection began.
    pub(crate) since: Instant,
    left: Option<Instant>,
}

/// Every peer that the network remembers.
#[derive(Debug)]
pub(crate) struct Peers {
    peers: HashMap<PeerId, PeerState>,
    bans: HashMap<PeerId, Instant>,
    rates: Rates,
}

impl Peers {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { peers: HashMap::new(), bans: HashMap::new(), rates }
    }

    /// Notes that a peer is connected.
    pub(crate) fn connect(&mut self, peer: PeerId, now: Instant) -> &mut PeerState {
        let rates = &self.rates;
        let state = self.peers.entry(peer).or_insert_with(|| PeerState {
            name: name(&peer),
            address: None,
            closing: None,
            reported: false,
            identified: false,
            serving: 0,
            allowance: Allowance::new(rates.requests(), now),
            gossip: Allowance::new(rates.gossip(), now),
            agent: String::new(),
            score: 0.0,
            told: 0.0,
            since: now,
            left: None,
        });
        state.since = now;
        state.left = None;
        state
    }

    /// Notes that a peer's last connection is gone.
    pub(crate) fn disconnect(&mut self, peer: &PeerId, now: Instant) -> Option<&mut PeerState> {
        let state = self.peers.get_mut(peer)?;
        state.left = Some(now);
        Some(state)
    }

    pub(crate) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut PeerState> {
        self.peers.get_mut(peer)
    }

    /// The peer's id for the world; shared if the peer is remembered.
    pub(crate) fn name_of(&self, peer: &PeerId) -> network::PeerId {
        self.peers.get(peer).map_or_else(|| name(peer), |state| state.name.clone())
    }

    /// Subtracts points. Returns true if the peer must be banned; its points are then reset.
    pub(crate) fn penalize(&mut self, peer: &PeerId, points: f64) -> bool {
        let Some(state) = self.peers.get_mut(peer) else { return false };
        // A penalty never adds points.
        state.score -= if points.is_finite() { points.max(0.0) } else { BAN_POINTS };
        let banned = state.score <= -BAN_POINTS;
        if banned {
            state.score = 0.0;
        }
        banned
    }

    /// Bans a peer. If there are too many bans, ends the one that ends first and returns its peer.
    pub(crate) fn ban(&mut self, peer: PeerId, until: Instant) -> Option<PeerId> {
        self.bans.insert(peer, until);
        if self.bans.len() <= MAX_BANS {
            return None;
        }
        let (first, _) = self.bans.iter().min_by_key(|(_, until)| **until)?;
        let first = *first;
        self.bans.remove(&first);
        Some(first)
    }

    /// Returns true if a peer is banned.
    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.bans.contains_key(peer)
    }

    /// Ends the bans that are over. Returns their peers.
    pub(crate) fn unban(&mut self, now: Instant) -> Vec<PeerId> {
        self.bans.extract_if(|_, until| *until <= now).map(|(peer, _)| peer).collect()
    }

    /// Restores points over time, and forgets peers that left.
    pub(crate) fn tend(&mut self, passed: Duration, now: Instant) {
        let rest = decay(passed);
        for state in self.peers.values_mut() {
            state.score *= rest;
            if state.score > -FORGIVEN_POINTS {
                state.score = 0.0;
            }
        }
        self.peers.retain(|_, state| {
            let forgotten = state.left.is_some_and(|left| now - left >= REMEMBERED_TIME);
            !(forgotten && state.score == 0.0 && state.serving == 0)
        });
        let mut gone: Vec<_> = self
            .peers
            .iter()
            .filter(|(_, state)| state.serving == 0)
            .filter_map(|(peer, state)| state.left.map(|left| (left, *peer)))
            .collect();
        if gone.len() > MAX_REMEMBERED {
            gone.sort_unstable();
            for (_, peer) in &gone[..gone.len() - MAX_REMEMBERED] {
                self.peers.remove(peer);
            }
        }
    }

    /// The connected peers' own scores.
    pub(crate) fn connected(&self) -> Vec<(PeerId, f64)> {
        let connected = self.peers.iter().filter(|(_, state)| state.reported);
        connected.map(|(peer, state)| (*peer, state.score)).collect()
    }
}

impl PeerState {
    /// Returns true if this score differs enough from the last one that the world was told.
    pub(crate) fn tell(&mut self, score: f64) -> bool {
        let differs = (score - self.told).abs() >= 1.0;
        if differs {
            self.told = score;
        }
        differs
    }

    /// Begins a connection that the world has not been told of.
    pub(crate) fn begin(&mut self) {
        self.reported = true;
        self.identified = false;
        self.closing = None;
        self.told = 0.0;
    }
}

/// The peer's id for the world.
pub(crate) fn name(peer: &PeerId) -> network::PeerId {
    network::PeerId(peer.to_base58().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::RequestKind;

    #[test]
    fn points_add_up_to_a_ban_and_come_back_with_time() {
        let mut peers = Peers::new(Rates::default());
        let (peer, now) = (PeerId::random(), Instant::now());
        peers.connect(peer, now);
        assert!(!peers.penalize(&peer, 60.0));
        assert!(!peers.penalize(&peer, -60.0), "a penalty never helps");
        assert!((peers.peers[&peer].score + 60.0).abs() < 1e-9);
        peers.tend(Duration::from_secs(600), now);
        assert!((peers.peers[&peer].score + 30.0).abs() < 1e-9);
        peers.disconnect(&peer, now);
        peers.tend(Duration::ZERO, now + REMEMBERED_TIME);
        peers.connect(peer, now);
        assert!(!peers.penalize(&peer, 69.0), "coming back makes nothing undone");
        assert!(peers.penalize(&peer, 1.0));
        assert!(!peers.penalize(&PeerId::random(), 1000.0), "nobody");
        peers.connect(peer, now);
        assert!(peers.penalize(&peer, f64::NAN));
    }

    #[test]
    fn rates_allow_a_burst_and_then_so_much_a_second() {
        let rate = Rate { burst: 4.0, per_second: 2.0 };
        let rates = Rates { status: rate, ..Rates::default() };
        let now = Instant::now();
        let allowance = Allowance::new(rates.requests(), now);
        let take = |cost, now| allowance.take(RequestKind::Status as usize, cost, now);
        assert!(take(3.0, now) && take(1.0, now) && !take(1.0, now));
        let later = now + Duration::from_secs(1);
        assert!(take(2.0, later) && !take(1.0, later));
        assert!(take(99.0, later + Duration::from_secs(60)), "dearer than a burst costs a burst");
        assert!(
            allowance.take(RequestKind::BlocksByRoot as usize, 1024.0, now),
            "each kind has its own"
        );
    }

    #[test]
    fn the_ban_that_ends_first_gives_way() {
        let mut peers = Peers::new(Rates::default());
        let now = Instant::now();
        let first = PeerId::random();
        assert_eq!(peers.ban(first, now + Duration::from_secs(1)), None);
        for _ in 1..MAX_BANS {
            assert_eq!(peers.ban(PeerId::random(), now + Duration::from_secs(2)), None);
        }
        assert_eq!(peers.ban(PeerId::random(), now + Duration::from_secs(3)), Some(first));
        assert_eq!(peers.unban(now + Duration::from_secs(2)).len(), MAX_BANS - 1);
    }

    #[test]
    fn peers_that_left_are_forgotten_in_time_and_in_number() {
        let mut peers = Peers::new(Rates::default());
        let now = Instant::now();
        for _ in 0..MAX_REMEMBERED + 5 {
            let peer = PeerId::random();
            peers.connect(peer, now);
            peers.disconnect(&peer, now);
        }
        peers.tend(Duration::ZERO, now);
        assert_eq!(peers.peers.len(), MAX_REMEMBERED);
        peers.tend(Duration::ZERO, now + REMEMBERED_TIME);
        assert!(peers.peers.is_empty());
    }
}
