//! Warns about updates that take too long: nothing else happens in the meantime, so duties are
//! late.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{LastUpdate, SlotClock, UnixTime},
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, linger::Linger, slot_of};

/// The warning appears if an update takes longer, in milliseconds.
const OVERRUN_MS: u64 = 50;
/// The warning ends if no update has taken this long for some slots, in milliseconds.
const CALM_MS: u64 = 40;

/// Updates that took too long.
#[derive(Default)]
pub(super) struct Overruns {
    linger: Linger,
    longest_ms: u64,
}

pub(super) fn watch_updates(
    mut warnings: ResMut<Warnings>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    last: Res<LastUpdate>,
    mut overruns: Local<Overruns>,
) {
    let Some(slot) = slot_of(clock.as_deref(), &time) else { return };
    if last.is_changed() {
        let took_ms = u64::try_from(last.0.as_millis()).unwrap_or(u64::MAX);
        // With microseconds, so that slightly more than 50 ms is too long.
        let is_over = last.0.as_micros() > u128::from(OVERRUN_MS) * 1000;
        overruns.linger.note(slot, took_ms + u64::from(is_over), CALM_MS, OVERRUN_MS + 1);
        if is_over {
            overruns.longest_ms = overruns.longest_ms.max(took_ms);
        }
    }
    let finding = if overruns.linger.is_bad(slot) {
        let longest = overruns.longest_ms;
        Finding::Raise(format!(
            "an update took {longest} ms, and more than {OVERRUN_MS} ms make duties late: check what \
             else runs on this machine, and quintet_update_seconds"
        ))
    } else if overruns.linger.is_over(slot) {
        overruns.longest_ms = 0;
        Finding::Lower
    } else {
        Finding::Keep
    };
    apply(&mut warnings, WarningCode::SlowUpdate, slot, finding);
}
