//! A finalized checkpoint that is old.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::Finalized,
    clock::{SlotClock, UnixTime},
    containers::Slot,
    network::LastStatus,
    sync::SyncState,
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, slot_of};

/// Older than this is worth a warning, in slots.
const OLD_SLOTS: u64 = 32;
/// The warning goes at this age, in slots.
const FRESH_SLOTS: u64 = 16;

/// So many slots after its start a node that has heard no peer warns all the same.
const START_SLOTS: u64 = 8;

/// A node that catches up, or has just begun and heard nobody, has old finality by its nature: it
/// raises no warning then.
fn judge(slot: Slot, finalized: Slot, is_catching_up: bool) -> Finding {
    let age = slot.saturating_sub(finalized);
    if age > OLD_SLOTS && !is_catching_up {
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
    heard: Query<(), With<LastStatus>>,
    mut began: Local<Option<Slot>>,
) {
    let (Some(slot), Some(finalized)) = (slot_of(clock.as_deref(), &time), finalized) else {
        return;
    };
    let began = *began.get_or_insert(slot);
    // Without sync there is nobody to hear.
    let is_catching_up = state.is_some_and(|state| {
        let has_just_begun = slot < began.saturating_add(START_SLOTS);
        *state == SyncState::Syncing || (has_just_begun && heard.is_empty())
    });
    let finding = judge(slot, finalized.0.slot, is_catching_up);
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
