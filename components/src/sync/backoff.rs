//! Pauses that double.

/// The pause before something that has failed is tried again: twice as long after each failure in a
/// row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
    began_ms: u64,
    until_ms: u64,
}

impl Backoff {
    /// Notes a failure at a Unix time in milliseconds. The pause is `first_ms` after the first
    /// failure, and at most `longest_ms`.
    pub fn fail(&mut self, now_ms: u64, first_ms: u64, longest_ms: u64) {
        let doubled_ms = first_ms.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.hold(now_ms, doubled_ms.min(longest_ms));
    }

    /// Begins a pause without a failure.
    pub const fn hold(&mut self, now_ms: u64, pause_ms: u64) {
        self.began_ms = now_ms;
        self.until_ms = now_ms.saturating_add(pause_ms);
    }

    /// Forgets the failures, and ends the pause.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Failures in a row.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The end of the pause, as a Unix time in milliseconds.
    pub const fn until_ms(&self) -> u64 {
        self.until_ms
    }

    /// Returns true during a pause. If the clock was set back to before the pause began, the pause
    /// has ended.
    pub const fn is_on(&self, now_ms: u64) -> bool {
        self.began_ms <= now_ms && now_ms < self.until_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_limit_and_a_reset_ends_it() {
        let mut backoff = Backoff::default();
        assert!(!backoff.is_on(0));
        let mut pauses = Vec::new();
        for _ in 0..40 {
            backoff.fail(1_000, 4_000, 256_000);
            pauses.push(backoff.until_ms() - 1_000);
        }
        assert_eq!(pauses[..4], [4_000, 8_000, 16_000, 32_000]);
        assert_eq!((pauses[39], backoff.failures()), (256_000, 40));
        assert!(backoff.is_on(1_000) && backoff.is_on(256_999) && !backoff.is_on(257_000));
        backoff.reset();
        assert!(!backoff.is_on(1_000));
        assert_eq!(backoff.failures(), 0);
    }

    #[test]
    fn a_pause_does_not_outlast_a_clock_set_back() {
        let mut backoff = Backoff::default();
        backoff.fail(3_600_000, 4_000, 256_000);
        assert!(backoff.is_on(3_600_000));
        assert!(!backoff.is_on(3_599_999) && !backoff.is_on(0));
    }
}
