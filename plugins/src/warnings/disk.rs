//! Warns about a disk that is slow or cannot be written.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{SlotClock, UnixTime},
    storage::StorageHealth,
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, linger::Linger, slot_of};

/// The warning appears if a batch takes this long, in milliseconds. Attestations wait for their
/// record.
const SLOW_MS: u64 = 500;
/// The warning ends if no batch has taken this long for some slots, in milliseconds.
const QUICK_MS: u64 = 250;

pub(super) fn watch_disk(
    mut warnings: ResMut<Warnings>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    health: Option<Res<StorageHealth>>,
    mut linger: Local<Linger>,
) {
    let (Some(slot), Some(health)) = (slot_of(clock.as_deref(), &time), health) else { return };
    let status = health.status();
    let slowest_ms = if status.slowest_ms > 0 { health.take_slowest_ms() } else { 0 };
    linger.note(slot, slowest_ms, QUICK_MS, SLOW_MS);
    let finding = if let Some(fault) = status.fault {
        Finding::Raise(format!("the store cannot be written, and nothing is signed: {fault}"))
    } else if status.is_behind {
        Finding::Raise(
            "the store is behind, and no block is imported until it has caught up: use a faster \
             disk, or see what else writes to it"
                .into(),
        )
    } else if slowest_ms >= SLOW_MS {
        Finding::Raise(format!(
            "a write took {slowest_ms} ms, and attestations wait for theirs: use a faster disk, or check \
             what else writes to it"
        ))
    } else if linger.is_over(slot) {
        Finding::Lower
    } else {
        Finding::Keep
    };
    apply(&mut warnings, WarningCode::SlowDisk, slot, finding);
}
