//! That the world still moves, for threads that have to say so.

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

/// When the world last walked an interval, by a clock that nobody sets. The runner puts it in
/// place, so that only a world with a runner is expected to move.
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
    /// An interval was walked.
    pub fn beat(&self) {
        self.beat_ms.store(self.age_ms().max(NEVER + 1), Ordering::Release);
    }

    /// The clock is before genesis again: until then there is nothing to walk.
    pub fn rest(&self) {
        self.beat_ms.store(NEVER, Ordering::Release);
    }

    /// How long no interval has been walked although there were some; zero before genesis.
    /// `now_ms` is Unix milliseconds.
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
