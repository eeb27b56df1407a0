//! Time: Unix milliseconds, and their place on the interval grid.

use std::time::Duration;

use bevy_ecs::prelude::Resource;

use crate::{
    constants::{INTERVAL_DURATION_MS, INTERVALS_PER_SLOT, SLOT_DURATION_MS},
    containers::Slot,
    schedule::Interval,
};

/// The time that every system sees, in Unix milliseconds. The runner writes it once an update;
/// tests and the simulator turn it by hand.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnixTime {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// How long the last update took. The runner writes it after each.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastUpdate(pub Duration);

/// The slot grid: pure conversions from Unix milliseconds. Before genesis everything is zero.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotClock {
    genesis_ms: u64,
}

impl SlotClock {
    /// The grid whose slot 0 begins at this Unix time in seconds.
    pub const fn new(genesis_time: u64) -> Self {
        Self { genesis_ms: genesis_time.saturating_mul(1000) }
    }

    /// Intervals that have begun since genesis, the first of them not counted.
    pub const fn total_intervals(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.genesis_ms) / INTERVAL_DURATION_MS
    }

    /// The slot at this time.
    pub const fn current_slot(&self, now_ms: u64) -> Slot {
        now_ms.saturating_sub(self.genesis_ms) / SLOT_DURATION_MS
    }

    /// The interval of its slot at this time.
    pub const fn current_interval(&self, now_ms: u64) -> Interval {
        Interval::of(self.total_intervals(now_ms))
    }

    /// When the `count`th interval since genesis begins, in Unix milliseconds.
    pub const fn interval_start_ms(&self, count: u64) -> u64 {
        self.genesis_ms.saturating_add(count.saturating_mul(INTERVAL_DURATION_MS))
    }
}

/// The first interval of a slot, counted since genesis.
pub const fn first_interval(slot: Slot) -> u64 {
    slot.saturating_mul(INTERVALS_PER_SLOT)
}

/// The newest interval walked: the fork choice's time.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurrentInterval {
    /// Intervals since genesis.
    pub count: u64,
    /// How far behind its boundary the interval began, in milliseconds.
    pub late_ms: u64,
}

impl CurrentInterval {
    /// The slot it belongs to.
    pub const fn slot(&self) -> Slot {
        self.count / INTERVALS_PER_SLOT
    }

    /// Which interval of the slot it is.
    pub const fn interval(&self) -> Interval {
        Interval::of(self.count)
    }
}

/// How many intervals one update walks at most: 64 slots. A longer gap is walked in several
/// updates, so that inbound work is not starved while a node catches up.
pub const MAX_INTERVALS_PER_UPDATE: u64 = 64 * INTERVALS_PER_SLOT;
