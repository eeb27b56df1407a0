//! Whether a node goes on from its database or from a checkpoint.
//!
//! A database whose head is at most an hour behind the clock goes on, and nobody is asked. An older
//! one asks, and gives way only to a checkpoint that is at least half an hour ahead of what it has
//! finalized. So a node that is started again and again does not begin anew each time: after it
//! has begun from a checkpoint, that very checkpoint is no reason to do it again, however far
//! behind the clock finality stands.

use quintet_components::containers::Slot;

/// A database whose head is at most so many slots behind the clock is fresh: an hour.
pub const FRESH_SLOTS: u64 = 900;
/// A checkpoint replaces a stale database when it is finalized at least so many slots after what
/// the database has finalized: half an hour.
pub const LEAD_SLOTS: u64 = 450;

/// Whether a database with this head should look for a checkpoint.
pub const fn is_stale(head: Slot, now: Slot) -> bool {
    now.saturating_sub(head) > FRESH_SLOTS
}

/// Whether a checkpoint replaces a stale database that has finalized this slot.
pub const fn is_worth_it(finalized: Slot, checkpoint: Slot) -> bool {
    checkpoint >= finalized.saturating_add(LEAD_SLOTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_database_asks_nobody() {
        let stale = [1_000, 1_899, 1_900, 1_901, 90_000].map(|now| is_stale(1_000, now));
        assert_eq!(stale, [false, false, false, true, true]);
        assert!(!is_stale(1_000, 0), "a clock that is behind");
    }

    #[test]
    fn a_checkpoint_that_was_taken_is_not_taken_again() {
        let worth = [999, 1_000, 1_449, 1_450].map(|checkpoint| is_worth_it(1_000, checkpoint));
        assert_eq!(worth, [false, false, false, true]);
        assert!(!is_worth_it(Slot::MAX, 5));
    }
}
