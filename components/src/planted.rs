//! Faults that are planted on purpose, so that a test can show that the simulator finds them.
//!
//! Without the feature `planted` there are none, and the compiler removes every check for them.
//! With it a thread plants at most one fault at a time, and only its own tasks and systems see it.

/// A fault in one place of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Planted {
    /// The signing guard grants everything.
    GuardOff,
    /// Blocks are admitted however far their slot is ahead of the clock.
    NoClockHorizon,
    /// Faults that an honest node can run into count against the sender.
    BansHonest,
    /// The signing record is not synced before a signature leaves.
    UnsyncedRecord,
    /// Half of the votes justify.
    HalfIsEnough,
    /// The justified checkpoint follows the newest block.
    JustifiedGoesBack,
    /// A late walk runs only the newest interval.
    JumpsIntervals,
    /// The storage's writer reports some blocks as written, and leaves them out.
    DropsWrites,
    /// Requests by root are not limited.
    FetchesUnbounded,
    /// Blocks are pruned by the head's slot instead of the finalized one.
    PrunesTooEarly,
}

impl Planted {
    /// Every fault.
    pub const ALL: [Self; 10] = [
        Self::GuardOff,
        Self::NoClockHorizon,
        Self::BansHonest,
        Self::UnsyncedRecord,
        Self::HalfIsEnough,
        Self::JustifiedGoesBack,
        Self::JumpsIntervals,
        Self::DropsWrites,
        Self::FetchesUnbounded,
        Self::PrunesTooEarly,
    ];
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Planted>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault for the calling thread, in place of the previous one. `None` removes it.
#[cfg(feature = "planted")]
pub fn plant(fault: Option<Planted>) {
    PLANTED.set(fault);
}

/// Returns true if the fault is planted for the calling thread.
#[cfg(feature = "planted")]
pub fn is_planted(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// Returns false: there is no feature `planted`.
#[cfg(not(feature = "planted"))]
#[inline]
pub const fn is_planted(_: Planted) -> bool {
    false
}
