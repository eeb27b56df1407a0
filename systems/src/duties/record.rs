//! What became of duties, counted, kept and logged.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{SlotClock, UnixTime, first_interval},
    constants::SLOT_DURATION_MS,
    containers::{Slot, ValidatorIndex},
    duties::{Duty, DutyCounts, DutyOutcome, DutyRecord, MissReason, RecentDuties},
};

/// Notes that a duty was done.
pub fn note_done(world: &mut World, slot: Slot, duty: Duty, validator: Option<ValidatorIndex>) {
    let late_ms = record(world, slot, duty, &[validator], DutyOutcome::Done);
    tracing::debug!(slot, late_ms, validator, "done: {}", duty.name());
}

/// A duty that was due longer ago is told at debug, in milliseconds: a node that was asleep for a
/// day has missed those of 21,600 slots.
const OLD_MS: u64 = 64 * SLOT_DURATION_MS;

/// Notes that a validator's duty, or the node's, was missed. A missed proposal is an error in the
/// log; what was held back on purpose is not.
pub fn note_missed(
    world: &mut World,
    slot: Slot,
    duty: Duty,
    validators: &[Option<ValidatorIndex>],
    reason: MissReason,
    why: &str,
) {
    let late_ms = record(world, slot, duty, validators, DutyOutcome::Missed(reason));
    let (duty_name, reason_name, count) = (duty.name(), reason.name(), validators.len());
    match (reason.is_held_back(), duty) {
        _ if late_ms > OLD_MS => {
            tracing::debug!(slot, late_ms, reason = reason_name, count, "missed: {duty_name}");
        }
        (false, _) => {
            tracing::error!(slot, late_ms, reason = reason_name, why, count, "missed: {duty_name}");
        }
        (true, Duty::Propose) => {
            tracing::warn!(slot, late_ms, reason = reason_name, "not done: {duty_name}");
        }
        (true, _) => {
            tracing::info!(slot, late_ms, reason = reason_name, count, "not done: {duty_name}");
        }
    }
}

fn record(
    world: &mut World,
    slot: Slot,
    duty: Duty,
    validators: &[Option<ValidatorIndex>],
    outcome: DutyOutcome,
) -> u64 {
    let start_ms = world
        .resource::<SlotClock>()
        .interval_start_ms(first_interval(slot).saturating_add(duty as u64));
    let late_ms = world.resource::<UnixTime>().now_ms.saturating_sub(start_ms);
    for validator in validators.iter().copied() {
        world.resource_mut::<DutyCounts>().add(duty, outcome);
        let record = DutyRecord { slot, duty, validator, outcome, late_ms };
        world.resource_mut::<RecentDuties>().push(record);
    }
    late_ms
}
