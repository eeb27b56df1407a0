//! Decides whether a node continues from its database or starts from a checkpoint.
//!
//! If the head of the database is at most an hour behind the clock, the node continues from it and
//! asks no source. If it is older, the node asks, but starts from a checkpoint only if that is at
//! least half an hour ahead of what the database has finalized. A node that is started again and
//! again does therefore not start anew each time: a checkpoint from which it has started is no
//! reason to start from it again, however far behind the clock finality is.

use quintet_components::containers::Slot;

/// A database is fresh if its head is at most this many slots behind the clock: an hour.
pub const FRESH_SLOTS: u64 = 900;
/// A checkpoint replaces a stale database if it is finalized at least this many slots after what
/// the database has finalized: half an hour.
pub const LEAD_SLOTS: u64 = 450;

/// Returns true if a database with this head is stale, so that the node asks for a checkpoint.
pub const fn is_stale(head: Slot, now: Slot) -> bool {
    now.saturating_sub(head) > FRESH_SLOTS
}

/// Returns true if a checkpoint replaces a stale database that has finalized this slot.
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
