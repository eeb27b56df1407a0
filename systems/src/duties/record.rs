//! What became of duties, counted, kept and logged.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{SlotClock, UnixTime, first_interval},
    containers::{Slot, ValidatorIndex},
    duties::{Duty, DutyCounts, DutyEnded, DutyOutcome, DutyRecord, MissReason, RecentDuties},
};

/// Counts, keeps and logs the duties that have ended. A missed proposal is an error in the log; what
/// was held back on purpose is not.
pub fn record_duties(
    mut ended: MessageReader<DutyEnded>,
    mut counts: ResMut<DutyCounts>,
    mut recent: ResMut<RecentDuties>,
    clock: Res<SlotClock>,
    time: Res<UnixTime>,
) {
    for DutyEnded { slot, duty, validators, outcome, why } in ended.read() {
        let (slot, duty, outcome) = (*slot, *duty, *outcome);
        let interval = first_interval(slot).saturating_add(duty as u64);
        let late_ms = time.now_ms.saturating_sub(clock.interval_start_ms(interval));
        for validator in validators.iter().copied() {
            counts.add(duty, outcome);
            recent.push(DutyRecord { slot, duty, validator, outcome, late_ms });
        }
        let (name, count) = (duty.name(), validators.len());
        let DutyOutcome::Missed(missed) = outcome else {
            tracing::debug!(slot, late_ms, count, "done: {name}");
            continue;
        };
        let reason = missed.name();
        match (missed.is_held_back(), duty) {
            (false, _) => tracing::error!(slot, late_ms, reason, why, count, "missed: {name}"),
            (true, Duty::Propose) => tracing::warn!(slot, late_ms, reason, "not done: {name}"),
            (true, _) => tracing::info!(slot, late_ms, reason, count, "not done: {name}"),
        }
    }
}

/// Announces that a duty was done.
pub fn note_done(world: &mut World, slot: Slot, duty: Duty, validator: Option<ValidatorIndex>) {
    let (validators, outcome) = (vec![validator], DutyOutcome::Done);
    world.write_message(DutyEnded { slot, duty, validators, outcome, why: String::new() });
}

/// Announces that a validator's duty, or the node's, was missed.
pub fn note_missed(
    world: &mut World,
    slot: Slot,
    duty: Duty,
    validators: &[Option<ValidatorIndex>],
    reason: MissReason,
    why: &str,
) {
    let (validators, outcome) = (validators.to_vec(), DutyOutcome::Missed(reason));
    world.write_message(DutyEnded { slot, duty, validators, outcome, why: why.into() });
}
