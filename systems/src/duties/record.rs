//! The outcomes of duties: written where a duty ends, then counted, recorded and logged in one
//! place.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    clock::{SlotClock, UnixTime, first_interval},
    constants::SLOT_DURATION_MS,
    containers::{Slot, ValidatorIndex},
    duties::{Duty, DutyCounts, DutyEnded, DutyOutcome, DutyRecord, MissReason, RecentDuties},
};

/// Writes the ends of duties.
#[derive(SystemParam)]
pub struct DutyLog<'w> {
    ended: MessageWriter<'w, DutyEnded>,
}

impl DutyLog<'_> {
    /// Notes that a validator's duty was done.
    pub fn done(&mut self, slot: Slot, duty: Duty, validator: ValidatorIndex) {
        self.ended.write(done(slot, duty, Some(validator)));
    }

    /// Notes that these validators' duty was missed.
    pub fn missed(
        &mut self,
        (slot, duty): (Slot, Duty),
        validators: &[ValidatorIndex],
        reason: MissReason,
        why: impl ToString,
    ) {
        let validators = validators.iter().copied().map(Some).collect();
        let (outcome, why) = (DutyOutcome::Missed(reason), why.to_string());
        self.ended.write(DutyEnded { slot, duty, validators, outcome, why });
    }
}

/// The message for a duty that was done.
pub(super) fn done(slot: Slot, duty: Duty, validator: Option<ValidatorIndex>) -> DutyEnded {
    let (validators, outcome, why) = (vec![validator], DutyOutcome::Done, String::new());
    DutyEnded { slot, duty, validators, outcome, why }
}

/// A duty that was due longer ago than this is logged at debug; in milliseconds. A node that was
/// asleep for a day has missed the duties of 21,600 slots.
const OLD_MS: u64 = 64 * SLOT_DURATION_MS;

/// Counts, records and logs every duty that has ended. A missed proposal is logged as an error,
/// unless it was held back on purpose.
pub fn record_duties(
    mut ended: MessageReader<DutyEnded>,
    mut counts: ResMut<DutyCounts>,
    mut recent: ResMut<RecentDuties>,
    (clock, time): (Res<SlotClock>, Res<UnixTime>),
) {
    for DutyEnded { slot, duty, validators, outcome, why } in ended.read() {
        let (slot, duty, outcome) = (*slot, *duty, *outcome);
        let begin = first_interval(slot).saturating_add(duty as u64);
        let late_ms = time.now_ms.saturating_sub(clock.interval_start_ms(begin));
        for validator in validators.iter().copied() {
            counts.add(duty, outcome);
            recent.push(DutyRecord { slot, duty, validator, outcome, late_ms });
        }
        let (name, count) = (duty.name(), validators.len());
        let DutyOutcome::Missed(reason) = outcome else {
            let validator = validators.first().copied().flatten();
            tracing::debug!(slot, late_ms, validator, "done: {name}");
            continue;
        };
        let reason_name = reason.name();
        match (reason.is_held_back(), duty) {
            _ if late_ms > OLD_MS => {
                tracing::debug!(slot, late_ms, reason = reason_name, count, "missed: {name}");
            }
            (false, _) => {
                tracing::error!(slot, late_ms, reason = reason_name, why, count, "missed: {name}");
            }
            (true, Duty::Propose) => {
                tracing::warn!(slot, late_ms, reason = reason_name, "not done: {name}");
            }
            (true, _) => {
                tracing::info!(slot, late_ms, reason = reason_name, count, "not done: {name}");
            }
        }
    }
}
