//! Which duties are not begun, and why.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::CurrentInterval,
    constants::{INTERVAL_DURATION_MS, INTERVALS_PER_SLOT, SLOT_DURATION_MS},
    duties::Signing,
    sync::{DutyGate, SkipReason, SkippedDuties},
};

use super::propose::own_proposer;

/// Why a duty of this interval is not to be begun. Without a gate every duty is.
fn why_skipped(gate: Option<&DutyGate>, now: CurrentInterval) -> Option<SkipReason> {
    let gate = gate?;
    let into_slot_ms = now.count % INTERVALS_PER_SLOT * INTERVAL_DURATION_MS;
    if now.late_ms.saturating_add(into_slot_ms) >= SLOT_DURATION_MS {
        Some(SkipReason::Late)
    } else if gate.at_slot.saturating_add(1) < now.slot() {
        Some(SkipReason::Unsure)
    } else {
        gate.closed
    }
}

/// Whether duties are to be begun in this interval.
pub fn duties_are_due(gate: Option<Res<DutyGate>>, now: Res<CurrentInterval>) -> bool {
    why_skipped(gate.as_deref(), *now).is_none()
}

/// Counts the proposal of this slot as skipped, when it is an own validator's.
pub fn skip_proposal(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    if own_proposer(world, slot).is_some() {
        skip(world, "proposal", 1);
    }
}

/// Counts the votes of this slot as skipped.
pub fn skip_attestations(world: &mut World) {
    let validators = world.resource::<Signing>().0.validators().len();
    if validators > 0 {
        skip(world, "votes", validators as u64);
    }
}

fn skip(world: &mut World, what: &'static str, count: u64) {
    let now = *world.resource::<CurrentInterval>();
    if let Some(reason) = why_skipped(world.get_resource::<DutyGate>(), now) {
        tracing::debug!(slot = now.slot(), ?reason, what, "duty skipped");
        world.resource_mut::<SkippedDuties>().add(reason, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(closed: Option<SkipReason>, count: u64, late_ms: u64) -> Option<SkipReason> {
        why_skipped(Some(&DutyGate { closed, at_slot: 10 }), CurrentInterval { count, late_ms })
    }

    #[test]
    fn a_duty_is_skipped_while_closed_when_its_slot_is_over_and_before_anybody_was_asked() {
        let propose = 10 * INTERVALS_PER_SLOT;
        assert_eq!(why(None, propose, 0), None);
        assert_eq!(why(Some(SkipReason::Syncing), propose, 0), Some(SkipReason::Syncing));
        assert_eq!(why(None, propose, 3_999), None);
        assert_eq!(why(None, propose, 4_000), Some(SkipReason::Late));
        assert_eq!(why(None, propose + 1, 3_199), None);
        assert_eq!(why(None, propose + 1, 3_200), Some(SkipReason::Late));
        assert_eq!(why(None, propose + 9, 0), None, "the gate is of the slot before");
        assert_eq!(why(None, propose + 10, 0), Some(SkipReason::Unsure));
        assert_eq!(why_skipped(None, CurrentInterval { count: 99, late_ms: 99_999 }), None);
    }
}
