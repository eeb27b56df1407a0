//! Decides which duties are not done, and gives the reason.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    clock::CurrentInterval,
    containers::Slot,
    duties::{Duty, MissReason, Signing},
    sync::DutyGate,
};

use super::record::DutyLog;

/// Says if sync allows the duties of this interval. Without a gate all are allowed.
#[derive(SystemParam)]
pub struct Gate<'w> {
    gate: Option<Res<'w, DutyGate>>,
    now: Res<'w, CurrentInterval>,
}

impl Gate<'_> {
    /// The slot of this interval.
    pub(super) fn slot(&self) -> Slot {
        self.now.slot()
    }

    /// Returns the reason a duty of this interval must not be done; `None` if it may be done.
    pub(super) fn why_not(&self) -> Option<MissReason> {
        self.gate.as_deref()?.why_not(*self.now)
    }

    /// Returns the reason a proposal that waits for sync has to wait longer; `None` if it may go
    /// on.
    pub(super) fn why_held(&self) -> Option<MissReason> {
        let is_behind = self.gate.as_deref().is_some_and(|gate| gate.behind > 0);
        self.why_not().or(is_behind.then_some(MissReason::Syncing))
    }
}

/// Returns true if duties may be started in this interval.
pub fn duties_are_due(gate: Gate) -> bool {
    gate.why_not().is_none()
}

/// Counts the attestations of this slot as missed.
pub fn skip_attestations(gate: Gate, signing: Res<Signing>, mut log: DutyLog) {
    let validators = signing.0.validators();
    if let (false, Some(reason)) = (validators.is_empty(), gate.why_not()) {
        log.missed((gate.slot(), Duty::Attest), &validators, reason, "");
    }
}

#[cfg(test)]
mod tests {
    use quintet_components::constants::INTERVALS_PER_SLOT;

    use super::*;

    fn why(closed: Option<MissReason>, count: u64, late_ms: u64) -> Option<MissReason> {
        DutyGate { closed, at_slot: 10, behind: 0 }.why_not(CurrentInterval { count, late_ms })
    }

    #[test]
    fn a_duty_is_skipped_while_closed_when_its_slot_is_over_and_before_anybody_was_asked() {
        let propose = 10 * INTERVALS_PER_SLOT;
        assert_eq!(why(None, propose, 0), None);
        assert_eq!(why(Some(MissReason::Syncing), propose, 0), Some(MissReason::Syncing));
        assert_eq!(why(None, propose, 3_999), None);
        assert_eq!(why(None, propose, 4_000), Some(MissReason::Late));
        assert_eq!(why(None, propose + 1, 3_199), None);
        assert_eq!(why(None, propose + 1, 3_200), Some(MissReason::Late));
        assert_eq!(why(None, propose + 9, 0), None, "the gate is of the slot before");
        assert_eq!(why(None, propose + 10, 0), Some(MissReason::Unsure));
    }
}
