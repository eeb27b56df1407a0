//! The delay and the loss of messages.

use super::{machine::GENESIS_MS, random::Random, scenario::Scenario};

/// A connection without a packet lives this long.
pub(super) const IDLE_MS: u64 = 10_000;

/// Gossip that would leave later than this is dropped: nobody has a use for it by then.
const MAX_BACKLOG_MS: u64 = 8_000;

/// Stops what goes over a link for a while.
struct Clog {
    from: usize,
    to: usize,
    start_ms: u64,
    end_ms: u64,
}

/// A network of one's own making.
pub trait Carrier: Send {
    /// When a message from one node to another arrives, in milliseconds since genesis, if it is sent
    /// at this time; `None` if it is lost. Faults that block a link come first.
    fn carry(&mut self, from: usize, to: usize, bytes: usize, sent_ms: u64) -> Option<u64>;
}

/// The links between nodes, in both directions.
pub(super) struct Links {
    nodes: usize,
    latency_ms: Vec<u64>,
    /// The number of faults that block each link.
    blocked: Vec<u32>,
    clogs: Vec<Clog>,
    /// Bytes a second of a link; 0 for no limit.
    bandwidth: u64,
    /// When each link has sent what it was given, in microseconds.
    free_at_us: Vec<u64>,
    jitter_ms: u64,
    duplicate_per_mille: u64,
    /// The model's, and that of faults.
    loss_per_mille: u64,
    random: Random,
    carrier: Option<Box<dyn Carrier>>,
}

impl Links {
    pub(super) fn new(scenario: &Scenario, random: Random) -> Self {
        let model = scenario.network;
        let mut draw = random.stream("latency", 0);
        let pairs = scenario.nodes * scenario.nodes;
        Self {
            nodes: scenario.nodes,
            latency_ms: (0..pairs).map(|_| model.latency.draw(&mut draw)).collect(),
            blocked: vec![0; pairs],
            clogs: Vec::new(),
            bandwidth: model.bandwidth_kib * 1024,
            free_at_us: vec![0; pairs],
            jitter_ms: model.jitter_ms,
            duplicate_per_mille: model.duplicate_per_mille,
            loss_per_mille: model.loss_per_mille,
            random,
            carrier: None,
        }
    }

    /// Has a carrier decide when messages arrive, in the place of the model.
    pub(super) fn hand_over(&mut self, carrier: Box<dyn Carrier>) {
        self.carrier = Some(carrier);
    }

    const fn place(&self, from: usize, to: usize) -> usize {
        from * self.nodes + to
    }

    /// Returns true if nothing gets from one node to the other.
    pub(super) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked[self.place(from, to)] > 0
    }

    /// Blocks a link, or takes one block away.
    pub(super) fn block(&mut self, from: usize, to: usize, is_on: bool) {
        let place = self.place(from, to);
        let count = &mut self.blocked[place];
        *count = if is_on { *count + 1 } else { count.saturating_sub(1) };
    }

    /// Stops both directions between two nodes from one time to another.
    pub(super) fn clog(&mut self, pair: (usize, usize), start_ms: u64, end_ms: u64) {
        for (from, to) in [pair, (pair.1, pair.0)] {
            self.clogs.push(Clog { from, to, start_ms, end_ms });
        }
    }

    /// More messages are lost, or fewer.
    pub(super) fn lose(&mut self, per_mille: u64, is_on: bool) {
        let loss = self.loss_per_mille;
        self.loss_per_mille =
            if is_on { loss.saturating_add(per_mille) } else { loss.saturating_sub(per_mille) };
    }

    /// When a link has sent so many bytes more. What has no length waits for nothing.
    fn sent_ms(&mut self, place: usize, bytes: usize, now_ms: u64) -> u64 {
        if self.bandwidth == 0 || bytes == 0 {
            return now_ms;
        }
        let free_at_us = &mut self.free_at_us[place];
        let takes_us = bytes as u64 * 1_000_000 / self.bandwidth;
        *free_at_us = (*free_at_us).max(now_ms * 1_000) + takes_us;
        *free_at_us / 1_000
    }

    /// Returns true if a link has more to send than it can in a while: it takes no more gossip.
    fn is_behind(&self, place: usize, now_ms: u64) -> bool {
        self.free_at_us[place] > (now_ms + MAX_BACKLOG_MS) * 1_000
    }

    /// When a message of so many bytes arrives that is sent now. `None` if the link is blocked.
    pub(super) fn arrival(
        &mut self,
        (from, to): (usize, usize),
        bytes: usize,
        now_ms: u64,
    ) -> Option<u64> {
        if self.is_blocked(from, to) {
            return None;
        }
        if let Some(carrier) = &mut self.carrier {
            let at_ms = carrier.carry(from, to, bytes, now_ms.saturating_sub(GENESIS_MS))?;
            return Some((at_ms + GENESIS_MS).max(now_ms + 1));
        }
        let way_ms = self.latency_ms[self.place(from, to)];
        let sent_ms = self.sent_ms(self.place(from, to), bytes, now_ms);
        let at_ms = sent_ms + 1 + way_ms + self.random.within(0..=self.jitter_ms);
        let of_link = self.clogs.iter().filter(|clog| (clog.from, clog.to) == (from, to));
        let clogged = of_link.filter(|clog| (clog.start_ms..clog.end_ms).contains(&now_ms));
        Some(clogged.map(|clog| clog.end_ms).fold(at_ms, u64::max))
    }

    /// The same for gossip, which may be lost, or arrive twice.
    pub(super) fn gossip_arrivals(
        &mut self,
        (from, to): (usize, usize),
        bytes: usize,
        now_ms: u64,
    ) -> impl Iterator<Item = u64> + use<> {
        let is_lost = self.loss_per_mille > 0 && self.random.chance(self.loss_per_mille)
            || self.is_behind(self.place(from, to), now_ms);
        let first = if is_lost { None } else { self.arrival((from, to), bytes, now_ms) };
        let is_doubled = first.is_some()
            && self.duplicate_per_mille > 0
            && self.random.chance(self.duplicate_per_mille);
        let second = if is_doubled { self.arrival((from, to), bytes, now_ms) } else { None };
        first.into_iter().chain(second)
    }
}
