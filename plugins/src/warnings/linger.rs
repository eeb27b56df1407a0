//! Keeps the warning about an event after the event is over.

use quintet_components::containers::Slot;

/// The number of slots for which a warning about an event stays after the last one.
pub(super) const LINGER_SLOTS: u64 = 8;

/// The newest event that was bad, and the newest that was not good.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Linger {
    bad: Option<Slot>,
    not_good: Option<Slot>,
}

impl Linger {
    /// Notes an event with this measure: bad from `bad_from` on, good below `good_below`.
    pub(super) fn note(&mut self, slot: Slot, measure: u64, good_below: u64, bad_from: u64) {
        if measure >= bad_from {
            self.bad = Some(slot);
        }
        if measure >= good_below {
            self.not_good = Some(slot);
        }
    }

    /// Returns true if a bad event happened in this slot.
    pub(super) fn is_bad(&self, slot: Slot) -> bool {
        self.bad == Some(slot)
    }

    /// Returns true if only good events have happened for some slots.
    pub(super) fn is_over(&self, slot: Slot) -> bool {
        // A clock that was set back has no slots before it.
        self.not_good.is_none_or(|last| slot >= last.saturating_add(LINGER_SLOTS) || slot < last)
    }
}
