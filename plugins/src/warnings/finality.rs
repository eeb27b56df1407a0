//! Warns about an old finalized checkpoint.

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

/// The warning appears if it is older than this, in slots.
const OLD_SLOTS: u64 = 32;
/// The warning ends at this age, in slots.
const FRESH_SLOTS: u64 = 16;

/// A node that has heard from no peer warns this many slots after its start anyway.
const START_SLOTS: u64 = 8;

/// A node that is catching up, or has just started and heard from no peer, always has old finality.
/// It does not warn.
fn judge(slot: Slot, finalized: Slot, is_catching_up: bool) -> Finding {
    let age = slot.saturating_sub(finalized);
    if age > OLD_SLOTS && !is_catching_up {
        Finding::Raise(format!(
            "nothing was finalized since slot {finalized}: fewer than two thirds of the validators \
             attest to the same target, or nobody aggregates"
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
    // Without sync there is no peer to hear from.
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
