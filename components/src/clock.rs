//! Unix time in milliseconds, and its conversion to slots and intervals.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bevy_ecs::prelude::{Component, Resource};

use crate::{
    constants::{INTERVAL_DURATION_MS, INTERVALS_PER_SLOT, SLOT_DURATION_MS},
    containers::Slot,
    schedule::Interval,
};

/// The time that every system sees. The runner writes it once per update; tests and the simulator
/// set it by hand.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnixTime {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// The time that the last update took. The runner writes it after each.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastUpdate(pub Duration);

/// The time by which the runner wakes at the latest.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Unix milliseconds.
    pub at_ms: u64,
}

/// Converts Unix milliseconds to slots and intervals, without side effects. Before genesis all
/// results are zero.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotClock {
    genesis_ms: u64,
}

impl SlotClock {
    /// The clock of a chain whose slot 0 begins at this Unix time in seconds.
    pub const fn new(genesis_time: u64) -> Self {
        Self { genesis_ms: genesis_time.saturating_mul(1000) }
    }

    /// The number of intervals that have begun since genesis, not counting the first one.
    pub const fn total_intervals(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.genesis_ms) / INTERVAL_DURATION_MS
    }

    /// The slot at this time.
    pub const fn current_slot(&self, now_ms: u64) -> Slot {
        now_ms.saturating_sub(self.genesis_ms) / SLOT_DURATION_MS
    }

    /// The interval of the slot at this time.
    pub const fn current_interval(&self, now_ms: u64) -> Interval {
        Interval::of(self.total_intervals(now_ms))
    }

    /// The time at which the `count`th interval since genesis begins, in Unix milliseconds.
    pub const fn interval_start_ms(&self, count: u64) -> u64 {
        self.genesis_ms.saturating_add(count.saturating_mul(INTERVAL_DURATION_MS))
    }
}

/// The first interval of a slot, counted since genesis.
pub const fn first_interval(slot: Slot) -> u64 {
    slot.saturating_mul(INTERVALS_PER_SLOT)
}

/// A duration in its two largest units: `12 d 3 h`, `1 h 0 min`, `4 s`.
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// The newest interval that was walked. It is the time of fork choice.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurrentInterval {
    /// Intervals since genesis.
    pub count: u64,
    /// The time from the interval's start until it was walked, in milliseconds.
    pub late_ms: u64,
}

impl CurrentInterval {
    /// The slot of the interval.
    pub const fn slot(&self) -> Slot {
        self.count / INTERVALS_PER_SLOT
    }

    /// The interval's place in its slot.
    pub const fn interval(&self) -> Interval {
        Interval::of(self.count)
    }
}

/// The largest number of intervals that one update walks: 64 slots. A longer gap is walked in
/// several updates, so that a node that is catching up still handles its input.
pub const MAX_INTERVALS_PER_UPDATE: u64 = 64 * INTERVALS_PER_SLOT;

/// A record of one interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntervalRecord {
    /// Intervals since genesis.
    pub count: u64,
    /// The time from its start until it was walked, in milliseconds.
    pub late_ms: u64,
    /// The time that its systems ran.
    pub ran: Duration,
    /// The systems that ran, in order, without those whose condition was false.
    pub systems: Arc<[Arc<str>]>,
}

/// The number of slots whose intervals are remembered.
pub const INTERVAL_LOG_SLOTS: u64 = 16;

/// The intervals walked last, oldest first, of at most [`INTERVAL_LOG_SLOTS`] slots.
#[derive(Resource, Clone, Debug, Default)]
pub struct IntervalLog(VecDeque<IntervalRecord>);

impl IntervalLog {
    /// Adds the newest interval.
    pub fn push(&mut self, record: IntervalRecord) {
        let oldest = first_interval(
            (record.count / INTERVALS_PER_SLOT + 1).saturating_sub(INTERVAL_LOG_SLOTS),
        );
        self.0.push_back(record);
        while self.0.front().is_some_and(|record| record.count < oldest) {
            self.0.pop_front();
        }
    }

    /// The intervals, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &IntervalRecord> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_599, "59 min 59 s"),
            (3_600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (1_048_576, "12 d 3 h"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }

    #[test]
    fn the_log_holds_sixteen_slots() {
        let mut log = IntervalLog::default();
        for count in 1..=402 {
            log.push(IntervalRecord {
                count,
                late_ms: 0,
                ran: Duration::ZERO,
                systems: Arc::default(),
            });
        }
        // Slots 65 to 80.
        assert_eq!(
            log.iter().map(|record| record.count).collect::<Vec<_>>(),
            (325..=402).collect::<Vec<_>>()
        );
    }
}
