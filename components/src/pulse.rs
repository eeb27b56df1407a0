//! A sign that the world is still being updated, for threads that report it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bevy_ecs::prelude::Resource;

use crate::clock::SlotClock;

/// No interval was walked yet.
const NEVER: u64 = 0;

/// The time at which the world last walked an interval, by a monotonic clock. The runner inserts
/// it, so that only a world with a runner is expected to be updated.
#[derive(Resource, Clone, Debug)]
pub struct Pulse {
    began: Instant,
    /// Milliseconds since then.
    beat_ms: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { began: Instant::now(), beat_ms: Arc::new(AtomicU64::new(NEVER)) }
    }
}

impl Pulse {
    /// Notes that an interval was walked.
    pub fn beat(&self) {
        self.beat_ms.store(self.age_ms().max(NEVER + 1), Ordering::Release);
    }

    /// Notes that the clock is before genesis again, so that there is nothing to walk until then.
    pub fn rest(&self) {
        self.beat_ms.store(NEVER, Ordering::Release);
    }

    /// The time for which no interval has been walked although some were due; zero before genesis.
    /// `now_ms` is in Unix milliseconds.
    pub fn silence(&self, clock: &SlotClock, now_ms: u64) -> Duration {
        let silent_ms = match self.beat_ms.load(Ordering::Acquire) {
            NEVER => self.age_ms().min(now_ms.saturating_sub(clock.interval_start_ms(0))),
            beat_ms => self.age_ms().saturating_sub(beat_ms),
        };
        Duration::from_millis(silent_ms)
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_silent_from_genesis_or_its_start_or_its_last_interval_on() {
        let hour = Duration::from_hours(1);
        let Some(began) = Instant::now().checked_sub(hour) else { return };
        let pulse = Pulse { began, ..Pulse::default() };
        let clock = SlotClock::new(1_000_000);
        let silence =
            |since_genesis_ms: u64| pulse.silence(&clock, 1_000_000_000 + since_genesis_ms);
        assert_eq!(clock.interval_start_ms(0), 1_000_000_000);
        assert_eq!(pulse.silence(&clock, 999_000_000), Duration::ZERO);
        assert_eq!(silence(9_000), Duration::from_secs(9));
        assert!((hour..2 * hour).contains(&silence(7_200_000)), "it began an hour ago");
        pulse.beat();
        assert!(silence(9_000) < hour && silence(7_200_000) < hour);
        pulse.rest();
        assert_eq!(pulse.silence(&clock, 999_000_000), Duration::ZERO);
    }
}
