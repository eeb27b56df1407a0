//! The clock of a node.

/// A node's clock over virtual time. It is off by some milliseconds, and gains or loses some parts
/// in a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeClock {
    offset_ms: i64,
    drift_ppm: i64,
    /// The time at which the drift began, in virtual milliseconds.
    since_ms: u64,
}

impl NodeClock {
    /// Returns the clock's time at this virtual time.
    pub(super) fn at(&self, now_ms: u64) -> u64 {
        let passed = i64::try_from(now_ms.saturating_sub(self.since_ms)).unwrap_or(i64::MAX);
        let drifted = passed.saturating_mul(self.drift_ppm) / 1_000_000;
        now_ms.saturating_add_signed(self.offset_ms.saturating_add(drifted))
    }

    /// Moves the clock ahead, or back if negative, by this many milliseconds.
    pub(super) const fn step(&mut self, by_ms: i64) {
        self.offset_ms = self.offset_ms.saturating_add(by_ms);
    }

    /// Lets the clock gain this many parts in a million from now on. The time by which it is
    /// already off stays.
    pub(super) fn drift(&mut self, now_ms: u64, ppm: i64) {
        let shown = i64::try_from(self.at(now_ms)).unwrap_or(i64::MAX);
        self.offset_ms = shown.saturating_sub(i64::try_from(now_ms).unwrap_or(i64::MAX));
        (self.drift_ppm, self.since_ms) = (ppm, now_ms);
    }

    /// Returns the first virtual time at which the clock shows this time. It is never before
    /// `now_ms`, and at most about a millisecond early.
    pub(super) fn when(&self, shown_ms: u64, now_ms: u64) -> u64 {
        let left = i128::from(shown_ms.saturating_sub(self.at(now_ms)));
        let wait = left * 1_000_000 / (1_000_000 + i128::from(self.drift_ppm)).max(1);
        now_ms.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_drifts_and_is_set() {
        let mut clock = NodeClock::default();
        clock.step(-500);
        assert_eq!((clock.at(10_000), clock.when(9_600, 10_000)), (9_500, 10_100));
        clock.step(700);
        assert_eq!(clock.at(10_000), 10_200);
        clock.drift(10_000, 1_000);
        assert_eq!((clock.at(10_000), clock.at(20_000)), (10_200, 20_210));
        clock.drift(20_000, 0);
        assert_eq!(clock.at(30_000), 30_210, "what it gained stays");
        assert_eq!(clock.when(5, 30_000), 30_000, "what is over is now");
    }
}
