//! Wakes the runner from any thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bevy_ecs::prelude::Resource;
use crossbeam_channel::{Receiver, Sender, bounded};

/// The time after an update for which a wake that is not urgent is put off. What arrives in it shares
/// one update, and single signatures share one batch.
pub const LULL: Duration = Duration::from_millis(5);

/// Asks for one more update. Several wakes become one, and a wake never blocks the caller.
#[derive(Resource, Clone, Debug)]
pub struct NodeWaker {
    wakes: Sender<()>,
    is_urgent: Arc<AtomicBool>,
}

/// The runner's end: sleeps until a wake or a deadline.
#[derive(Debug)]
pub struct Wakes {
    wakes: Receiver<()>,
    is_urgent: Arc<AtomicBool>,
}

/// The urgency of a wake. The most urgent of several wakes counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// At once.
    Now,
    /// When the [`LULL`] after the previous update is over.
    Soon,
}

impl NodeWaker {
    /// A waker and the end that it wakes.
    pub fn new() -> (Self, Wakes) {
        let (sender, receiver) = bounded(1);
        let is_urgent = Arc::new(AtomicBool::new(false));
        let waker = Self { wakes: sender, is_urgent: Arc::clone(&is_urgent) };
        (waker, Wakes { wakes: receiver, is_urgent })
    }

    /// Wakes the runner. Does nothing if it is awake.
    pub fn wake(&self) {
        self.is_urgent.store(true, Ordering::Release);
        let _ = self.wakes.try_send(());
    }

    /// Wakes the runner as soon as the lull is over: for single attestations, of which hundreds
    /// arrive at about the same time.
    pub fn wake_soon(&self) {
        let _ = self.wakes.try_send(());
    }
}

impl Wakes {
    /// Sleeps until a wake, at most this long, and at least for `lull` if no wake is urgent. Does not
    /// tell whether there was a wake: the runner checks for work in both cases.
    pub fn wait(&self, at_most: Duration, lull: Duration) {
        let began = Instant::now();
        let mut left = at_most;
        while self.wakes.recv_timeout(left).is_ok() && !self.is_urgent.swap(false, Ordering::AcqRel)
        {
            left = lull.min(at_most).saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
        }
    }

    /// Takes a pending wake.
    pub fn try_wait(&self) -> Option<Wake> {
        self.wakes.try_recv().ok()?;
        let is_urgent = self.is_urgent.swap(false, Ordering::AcqRel);
        Some(if is_urgent { Wake::Now } else { Wake::Soon })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test run.
    const FOR_EVER: Duration = Duration::from_hours(24);

    #[test]
    fn wakes_become_one_and_the_most_urgent_counts() {
        let (waker, wakes) = NodeWaker::new();
        assert_eq!(wakes.try_wait(), None);
        waker.wake_soon();
        waker.wake_soon();
        assert_eq!(wakes.try_wait(), Some(Wake::Soon));
        assert_eq!(wakes.try_wait(), None);
        waker.wake();
        waker.wake_soon();
        assert_eq!(wakes.try_wait(), Some(Wake::Now));
        waker.wake_soon();
        assert_eq!(wakes.try_wait(), Some(Wake::Soon), "an urgent wake counts once");
    }

    #[test]
    fn only_an_urgent_wake_ends_a_lull() {
        let (waker, wakes) = NodeWaker::new();
        waker.wake();
        wakes.wait(FOR_EVER, FOR_EVER);
        waker.wake_soon();
        waker.wake();
        wakes.wait(FOR_EVER, FOR_EVER);
        let lull = Duration::from_millis(2);
        let began = Instant::now();
        waker.wake_soon();
        wakes.wait(FOR_EVER, lull);
        assert!(began.elapsed() >= lull);
        waker.wake_soon();
        wakes.wait(lull, FOR_EVER);
    }
}
