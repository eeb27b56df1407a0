//! Which duties are not begun, and why.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::CurrentInterval,
    duties::{Duty, MissReason, Signing},
    sync::DutyGate,
};

use super::{
    propose::{discard_proposal, hold, own_proposer},
    record::note_missed,
};

/// Why a duty of this interval is not to be begun. Without a gate every duty is.
fn why_skipped(gate: Option<&DutyGate>, now: CurrentInterval) -> Option<MissReason> {
    gate?.why_not(now)
}

/// Whether duties are to be begun in this interval.
pub fn duties_are_due(gate: Option<Res<DutyGate>>, now: Res<CurrentInterval>) -> bool {
    why_skipped(gate.as_deref(), *now).is_none()
}

fn why_not(world: &World) -> Option<MissReason> {
    why_skipped(world.get_resource::<DutyGate>(), *world.resource::<CurrentInterval>())
}

/// Why a proposal that waits for sync has to go on waiting.
pub(super) fn why_held(world: &World) -> Option<MissReason> {
    let is_behind = world.get_resource::<DutyGate>().is_some_and(|gate| gate.behind > 0);
    why_not(world).or(is_behind.then_some(MissReason::Syncing))
}

/// Has the proposal of this slot wait for sync, when it is an own validator's. One whose slot is over
/// is missed.
pub fn hold_proposal(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    discard_proposal(world, slot);
    let (Some(proposer), Some(reason)) = (own_proposer(world, slot), why_not(world)) else {
        return;
    };
    if reason == MissReason::Late {
        note_missed(world, slot, Duty::Propose, &[Some(proposer)], reason, "");
    } else {
        hold(world, slot, proposer, reason);
    }
}

/// Counts the votes of this slot as missed.
pub fn skip_attestations(world: &mut World) {
    let slot = world.resource::<CurrentInterval>().slot();
    let validators: Vec<_> =
        world.resource::<Signing>().0.validators().into_iter().map(Some).collect();
    if let (false, Some(reason)) = (validators.is_empty(), why_not(world)) {
        note_missed(world, slot, Duty::Attest, &validators, reason, "");
    }
}

#[cfg(test)]
mod tests {
    use quintet_components::constants::INTERVALS_PER_SLOT;

    use super::*;

    fn why(closed: Option<MissReason>, count: u64, late_ms: u64) -> Option<MissReason> {
        why_skipped(
            Some(&DutyGate { closed, at_slot: 10, behind: 0 }),
            CurrentInterval { count, late_ms },
        )
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
        assert_eq!(why_skipped(None, CurrentInterval { count: 99, late_ms: 99_999 }), None);
    }
}
