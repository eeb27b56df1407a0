//! The clock horizon: items that start too far ahead of this node's clock are refused.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    clock::{CurrentInterval, SlotClock, UnixTime, first_interval},
    constants::{GOSSIP_DISPARITY_INTERVALS, INTERVALS_PER_SLOT},
    containers::Slot,
    rejection::{Rejection, RejectionReason},
};

/// The time with which inbound items are compared. It is the clock, or the newest interval that was
/// walked if the clock was set back. A node that is catching up does not refuse current items.
#[derive(SystemParam)]
pub struct LocalTime<'w> {
    walked: Res<'w, CurrentInterval>,
    clock: Res<'w, SlotClock>,
    time: Option<Res<'w, UnixTime>>,
}

impl LocalTime<'_> {
    /// Intervals since genesis.
    pub fn intervals(&self) -> u64 {
        let now_ms = self.time.as_ref().map_or(0, |time| time.now_ms);
        self.walked.count.max(self.clock.total_intervals(now_ms))
    }

    /// The slot.
    pub fn slot(&self) -> Slot {
        self.intervals() / INTERVALS_PER_SLOT
    }
}

/// Checks that an attestation's slot starts at most one interval ahead of the clock.
///
/// # Errors
/// `ATTESTATION_TOO_FAR_IN_FUTURE`.
pub(super) fn check_attestation_slot(slot: Slot, now_intervals: u64) -> Result<(), Rejection> {
    // The comparison is in slots instead of intervals, because a slot near 2^64 has no interval.
    let newest_slot = now_intervals.saturating_add(GOSSIP_DISPARITY_INTERVALS) / INTERVALS_PER_SLOT;
    if slot > newest_slot {
        return Err(RejectionReason::AttestationTooFarInFuture
            .because(format!("slot {slot}, the newest allowed is {newest_slot}")));
    }
    Ok(())
}

/// Checks that a block's slot is at most the next one.
///
/// # Errors
/// `BLOCK_TOO_FAR_IN_FUTURE`.
pub(super) fn check_block_slot(slot: Slot, now_slot: Slot) -> Result<(), Rejection> {
    if slot > now_slot.saturating_add(1) {
        return Err(RejectionReason::BlockTooFarInFuture
            .because(format!("slot {slot}, the current one is {now_slot}")));
    }
    Ok(())
}

/// Returns true if a block's slot starts more than one interval ahead of the clock: its proposer's
/// clock is fast, or this node's is slow.
pub(super) fn is_early(slot: Slot, now_intervals: u64) -> bool {
    first_interval(slot) > now_intervals.saturating_add(GOSSIP_DISPARITY_INTERVALS)
}
