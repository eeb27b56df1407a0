//! Signals to the devnet.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use quintet::stop_signals::{Wish, Wishes};

/// The user's requests by signal.
#[derive(Debug, Default)]
pub(super) struct Signals {
    wishes: Wishes,
    asked: AtomicBool,
    forced: AtomicBool,
}

impl Signals {
    /// Notes a signal: the first asks to stop, the second to do so at once.
    pub(super) fn receive(&self) {
        match self.wishes.note(Instant::now()) {
            Wish::Stop => self.asked.store(true, Ordering::Release),
            Wish::Echo => {}
            Wish::StopNow => self.forced.store(true, Ordering::Release),
        }
    }

    /// Set by the first signal.
    pub(super) fn asked(&self) -> &AtomicBool {
        &self.asked
    }

    /// Returns true after the first signal.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Returns true after the second signal.
    pub(super) fn is_forced(&self) -> bool {
        self.forced.load(Ordering::Acquire)
    }
}
