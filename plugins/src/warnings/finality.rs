//! A finalized checkpoint that is old.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::Finalized,
    clock::{SlotClock, UnixTime},
    containers::Slot,
    sync::SyncState,
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, slot_of};

/// Older than this is worth a warning, in slots.
const OLD_SLOTS: u64 = 32;
/// The warning goes at this age, in slots.
const FRESH_SLOTS: u64 = 16;

/// A node that catches up has old finality by its nature: it raises no warning then.
fn judge(slot: Slot, finalized: Slot, is_syncing: bool) -> Finding {
    let age = slot.saturating_sub(finalized);
    if age > OLD_SLOTS && !is_syncing {
        Finding::Raise(format!(
            "nothing was finalized since slot {finalized}: fewer than two thirds of the validators \
             vote alike, or nobody aggregates"
        ))
    } else if age <= FRESH_SLOTS {
        Finding::Lower
    } else {
        Finding::Keep
    }
}

pub(super) fn watch_finality(
    mut warnings: ResMut<Warnings>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    finalized: Option<Res<Finalized>>,
    state: Option<Res<SyncState>>,
) {
    let (Some(slot), Some(finalized)) = (slot_of(clock.as_deref(), &time), finalized) else {
        return;
    };
    let is_syncing = state.is_some_and(|state| *state == SyncState::Syncing);
    let finding = judge(slot, finalized.0.slot, is_syncing);
    apply(&mut warnings, WarningCode::OldFinality, slot, finding);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_three_slots_are_old_and_sixteen_are_fresh() {
        assert!(matches!(judge(133, 100, false), Finding::Raise(_)));
        assert_eq!(judge(132, 100, false), Finding::Keep);
        assert_eq!(judge(117, 100, false), Finding::Keep);
        assert_eq!(judge(116, 100, false), Finding::Lower);
        assert_eq!(judge(133, 100, true), Finding::Keep, "it catches up");
        assert_eq!(judge(3, 100, false), Finding::Lower, "a clock that is behind");
    }
}
