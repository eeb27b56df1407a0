//! Warns about keys whose prepared slots, or whose lifetime, end soon.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{SlotClock, UnixTime},
    containers::Slot,
    duties::{SignerStatus, Signing},
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, slot_of};

/// The warning appears if a lifetime ends within this many slots: a week, or an eighth of a short
/// lifetime.
const LIFETIME_SLOTS: u64 = 7 * 24 * 900;
/// The last part of a lifetime or of a window, in which there is a warning.
const LAST_PART: u64 = 8;

/// A window is moved when about half of it is left. If only an eighth is left, that has failed.
fn judge_window(slot: Slot, status: &SignerStatus) -> Finding {
    let left = status.prepared_until.saturating_sub(slot);
    if status.prepared_until >= status.lifetime_until {
        // There is nothing left to prepare.
        Finding::Lower
    } else if left <= status.window_slots / LAST_PART {
        let until = status.prepared_until;
        Finding::Raise(format!(
            "a key is prepared up to slot {until} only, and signing then waits for more: this \
             machine has too little processor time, or the key's file is damaged"
        ))
    } else if left > status.window_slots / (LAST_PART / 2) {
        Finding::Lower
    } else {
        Finding::Keep
    }
}

fn judge_lifetime(slot: Slot, status: &SignerStatus) -> Finding {
    let left = status.lifetime_until.saturating_sub(slot);
    if left <= LIFETIME_SLOTS.min(status.lifetime_slots / LAST_PART) {
        let until = status.lifetime_until;
        Finding::Raise(format!(
            "a key's lifetime ends at slot {until}: its validator needs a new key in a new registry"
        ))
    } else {
        Finding::Lower
    }
}

/// Checks once per slot.
pub(super) fn watch_keys(
    mut warnings: ResMut<Warnings>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    signing: Option<Res<Signing>>,
    mut looked: Local<Slot>,
) {
    let (Some(slot), Some(signing)) = (slot_of(clock.as_deref(), &time), signing) else { return };
    if std::mem::replace(&mut *looked, slot) == slot {
        return;
    }
    let Some(status) = signing.0.key_status().filter(|status| status.keys > 0) else { return };
    apply(&mut warnings, WarningCode::KeyWindow, slot, judge_window(slot, &status));
    apply(&mut warnings, WarningCode::KeyLifetime, slot, judge_lifetime(slot, &status));
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: SignerStatus = SignerStatus {
        keys: 2,
        prepared_until: 1024,
        window_slots: 1024,
        lifetime_until: 1 << 18,
        lifetime_slots: 1 << 18,
        memory_bytes: 0,
        advanced: 0,
        waited: 0,
        signed: 0,
        repeated: 0,
        conflicting: 0,
        too_old: 0,
        unrecorded: 0,
    };

    #[test]
    fn a_window_warns_with_an_eighth_left_and_not_when_it_is_the_last() {
        assert_eq!(judge_window(700, &STATUS), Finding::Lower);
        assert_eq!(judge_window(800, &STATUS), Finding::Keep);
        assert!(matches!(judge_window(896, &STATUS), Finding::Raise(_)));
        assert!(matches!(judge_window(9_999, &STATUS), Finding::Raise(_)));
        let last = SignerStatus { lifetime_until: 1024, ..STATUS };
        assert_eq!(judge_window(1_000, &last), Finding::Lower);
    }

    #[test]
    fn a_lifetime_warns_in_its_last_week_or_its_last_eighth() {
        assert_eq!(judge_lifetime((1 << 18) - 32_769, &STATUS), Finding::Lower);
        assert!(matches!(judge_lifetime((1 << 18) - 32_768, &STATUS), Finding::Raise(_)));
        let long = SignerStatus { lifetime_until: 1 << 32, lifetime_slots: 1 << 32, ..STATUS };
        assert_eq!(judge_lifetime((1 << 32) - 151_201, &long), Finding::Lower);
        assert!(matches!(judge_lifetime((1 << 32) - 151_200, &long), Finding::Raise(_)));
    }
}
