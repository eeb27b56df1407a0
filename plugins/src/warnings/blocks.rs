//! Warns about own blocks without room for the attestations that are needed.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{SlotClock, UnixTime},
    duties::BlockRoom,
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, slot_of};

/// The warning appears after this many such own blocks in a row.
const CROWDED_BLOCKS: u64 = 3;

fn judge(room: BlockRoom) -> Finding {
    if room.crowded >= CROWDED_BLOCKS {
        Finding::Raise(format!(
            "the last {} blocks of this node had no room for all attestations that bring a \
             checkpoint nearer to justification, the newest for {} of them: the network needs a \
             proof system with shorter proofs, or fewer validators",
            room.crowded, room.left_out
        ))
    } else if room.crowded == 0 {
        Finding::Lower
    } else {
        Finding::Keep
    }
}

pub(super) fn watch_blocks(
    mut warnings: ResMut<Warnings>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    room: Option<Res<BlockRoom>>,
) {
    let (Some(slot), Some(room)) = (slot_of(clock.as_deref(), &time), room) else { return };
    apply(&mut warnings, WarningCode::CrowdedBlocks, slot, judge(*room));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_crowded_blocks_in_a_row_are_worth_a_warning_and_one_with_room_ends_it() {
        let mut room = BlockRoom::default();
        let mut note = |left_out| {
            room.note(left_out);
            judge(room)
        };
        assert_eq!((note(2), note(1)), (Finding::Keep, Finding::Keep));
        let Finding::Raise(text) = note(4) else { panic!("it lasts") };
        assert!(text.contains("last 3 blocks") && text.contains("for 4 of them"), "{text}");
        assert!(matches!(note(1), Finding::Raise(_)));
        assert_eq!(note(0), Finding::Lower);
        assert_eq!(note(1), Finding::Keep);
    }
}
