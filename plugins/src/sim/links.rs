//! The delay and the loss of messages.

use super::{machine::GENESIS_MS, random::Random, scenario::Scenario};

/// The time after which a connection without a packet ends.
pub(super) const IDLE_MS: u64 = 10_000;

/// The largest backlog of a link. Gossip that would be sent later is dropped: it would be of no use
/// by then.
const MAX_BACKLOG_MS: u64 = 8_000;

/// Stops the messages of a link for a while.
struct Clog {
    from: usize,
    to: usize,
    start_ms: u64,
    end_ms: u64,
}

/// A custom network model.
pub trait Carrier: Send {
    /// Returns the time at which a message arrives that one node sends to another at this time, in
    /// milliseconds since genesis; `None` if it is lost. It is not called for links that a fault
    /// blocks.
    fn carry(&mut self, from: usize, to: usize, bytes: usize, sent_ms: u64) -> Option<u64>;
}

/// The links between nodes, in both directions.
pub(super) struct Links {
    nodes: usize,
    latency_ms: Vec<u64>,
    /// The number of faults that block each link.
    blocked: Vec<u32>,
    clogs: Vec<Clog>,
    /// The bytes per second of a link; 0 for no limit.
    bandwidth: u64,
    /// The time at which each link has sent everything that was queued on it, in microseconds.
    free_at_us: Vec<u64>,
    jitter_ms: u64,
    duplicate_per_mille: u64,
    /// The loss of the model and of faults together.
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

    /// Lets a carrier decide when messages arrive, in place of the model.
    pub(super) fn hand_over(&mut self, carrier: Box<dyn Carrier>) {
        self.carrier = Some(carrier);
    }

    const fn place(&self, from: usize, to: usize) -> usize {
        from * self.nodes + to
    }

    /// Returns true if no message gets from one node to the other.
    pub(super) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.blocked[self.place(from, to)] > 0
    }

    /// Adds a block of a link, or removes one.
    pub(super) fn block(&mut self, from: usize, to: usize, is_on: bool) {
        let place = self.place(from, to);
        let count = &mut self.blocked[place];
        *count = if is_on { *count + 1 } else { count.saturating_sub(1) };
    }

    /// Stops both directions between two nodes for this time.
    pub(super) fn clog(&mut self, pair: (usize, usize), start_ms: u64, end_ms: u64) {
        for (from, to) in [pair, (pair.1, pair.0)] {
            self.clogs.push(Clog { from, to, start_ms, end_ms });
        }
    }

    /// Increases the loss of messages, or decreases it again.
    pub(super) fn lose(&mut self, per_mille: u64, is_on: bool) {
        let loss = self.loss_per_mille;
        self.loss_per_mille =
            if is_on { loss.saturating_add(per_mille) } else { loss.saturating_sub(per_mille) };
    }

    /// Returns the time at which a link has sent this many bytes more. A message without bytes does
    /// not wait.
    fn sent_ms(&mut self, place: usize, bytes: usize, now_ms: u64) -> u64 {
        if self.bandwidth == 0 || bytes == 0 {
            return now_ms;
        }
        let free_at_us = &mut self.free_at_us[place];
        let takes_us = bytes as u64 * 1_000_000 / self.bandwidth;
        *free_at_us = (*free_at_us).max(now_ms * 1_000) + takes_us;
        *free_at_us / 1_000
    }

    /// Returns true if a link's backlog is so long that it accepts no more gossip.
    fn is_behind(&self, place: usize, now_ms: u64) -> bool {
        self.free_at_us[place] > (now_ms + MAX_BACKLOG_MS) * 1_000
    }

    /// Returns the arrival time of a message of this size that is sent now. `None` if the link is
    /// blocked.
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
