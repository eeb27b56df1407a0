//! What the network remembers of its peers: scores, rates, bans.

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

/// Bans at most; the one that ends first goes first.
const MAX_BANS: usize = 1024;
/// Disconnected peers that are remembered at most; the one that left first goes first.
const MAX_REMEMBERED: usize = 1024;
/// How long a peer that left without a stain is remembered, so that leaving and coming back does
/// not refill its rates.
const REMEMBERED_TIME: Duration = Duration::from_secs(60);
/// Fewer missing points than this are as good as none.
const FORGIVEN_POINTS: f64 = 0.5;

/// A rate in use.
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
        // What is dearer than a whole burst could never be had.
        let cost = cost.min(self.rate.burst);
        let enough = self.level >= cost;
        if enough {
            self.level -= cost;
        }
        enough
    }
}

/// How much a peer may still ask for, or hand on, of three kinds; shared with whoever serves it.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<Mutex<[Bucket; 3]>>);

impl Allowance {
    fn new(rates: [Rate; 3], now: Instant) -> Self {
        Self(Arc::new(Mutex::new(rates.map(|rate| Bucket::full(rate, now)))))
    }

    /// Takes so much of a kind, if it is there.
    pub(crate) fn take(&self, kind: usize, cost: f64, now: Instant) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets[kind].take(cost, now)
    }
}

/// A peer that is connected, or was not long ago.
#[derive(Debug)]
pub(crate) struct PeerState {
    /// The name by which the world knows it.
    pub(crate) name: network::PeerId,
    /// Where it last was.
    pub(crate) address: Option<Multiaddr>,
    /// Why this node closes the connection, when it does.
    pub(crate) closing: Option<DisconnectReason>,
    /// Whether the world was told that it is connected.
    pub(crate) reported: bool,
    /// Whether the world was told what it is. A peer may say so as often as it likes.
    pub(crate) identified: bool,
    /// Requests of it that are being served.
    pub(crate) serving: usize,
    /// How much it may still ask for.
    pub(crate) allowance: Allowance,
    /// How many blocks, aggregates and attestations it may still hand on.
    pub(crate) gossip: Allowance,
    /// What software it says it is; empty before it has said so.
    pub(crate) agent: String,
    /// This node's own score of it: 0, or missing points.
    score: f64,
    /// The score that the world was told last.
    told: f64,
    /// When its oldest connection began.
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

    /// A peer that is connected.
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

    /// A peer's last connection is gone.
    pub(crate) fn disconnect(&mut self, peer: &PeerId, now: Instant) -> Option<&mut PeerState> {
        let state = self.peers.get_mut(peer)?;
        state.left = Some(now);
        Some(state)
    }

    pub(crate) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut PeerState> {
        self.peers.get_mut(peer)
    }

    /// The name by which the world knows a peer; not made anew for one that is remembered.
    pub(crate) fn name_of(&self, peer: &PeerId) -> network::PeerId {
        self.peers.get(peer).map_or_else(|| name(peer), |state| state.name.clone())
    }

    /// Takes points off; `true` when the peer is to be banned, which gives them back.
    pub(crate) fn penalize(&mut self, peer: &PeerId, points: f64) -> bool {
        let Some(state) = self.peers.get_mut(peer) else { return false };
        // A penalty never helps.
        state.score -= if points.is_finite() { points.max(0.0) } else { BAN_POINTS };
        let banned = state.score <= -BAN_POINTS;
        if banned {
            state.score = 0.0;
        }
        banned
    }

    /// Bans a peer. Returns the one whose ban ends for it, when there are too many.
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

    /// Whether a peer is banned.
    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.bans.contains_key(peer)
    }

    /// Ends the bans that are over.
    pub(crate) fn unban(&mut self, now: Instant) -> Vec<PeerId> {
        self.bans.extract_if(|_, until| *until <= now).map(|(peer, _)| peer).collect()
    }

    /// Gives points back, and forgets peers that left.
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
    /// Whether the world is to be told this score, which differs enough from the last.
    pub(crate) fn tell(&mut self, score: f64) -> bool {
        let differs = (score - self.told).abs() >= 1.0;
        if differs {
            self.told = score;
        }
        differs
    }

    /// A connection that the world is told of, and of which it knows nothing yet.
    pub(crate) fn begin(&mut self) {
        self.reported = true;
        self.identified = false;
        self.closing = None;
        self.told = 0.0;
    }
}

/// The name by which the world knows a peer.
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
