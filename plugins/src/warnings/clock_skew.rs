//! A clock that does not agree with the peers'.
//!
//! Blocks are published at the beginning of their slot, votes an interval later. How long after
//! that, by this node's clock, a valid one arrives, is the time that it was on its way plus what
//! this clock is ahead of its author's. The way takes tens of milliseconds, a slow proposer some
//! hundred more, and it never takes less than nothing. So the median over the newest valid blocks
//! and votes, each author counted once a slot, says how far the clock is off: well below zero it
//! is behind, well above a second it is ahead, or everything comes late.
//!
//! A clock that is set back a little says so by itself: intervals that were walked are not walked
//! again, so that the node does nothing until the clock has come to where it was. Set back further,
//! the walk goes back with it (`crate::clock`).

use std::collections::{HashMap, VecDeque};

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{CurrentInterval, SlotClock, UnixTime, first_interval},
    containers::{Slot, ValidatorIndex},
    messages::{AttestationReceived, BlockReceived, InputId, InputJudged, Verdict},
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, slot_of};

/// Arrivals that are looked at.
const SAMPLES: usize = 16;
/// Fewer say nothing.
const MIN_SAMPLES: usize = 8;
/// Arrivals of one author say nothing of the clock of others.
const MIN_AUTHORS: usize = 2;
/// Arrivals that are older, in slots, say nothing any more.
const MAX_AGE_SLOTS: u64 = 32;
/// Items whose verdict is waited for at most; the oldest go first.
const MAX_WAITING: usize = 256;
/// Votes of a slot that are looked at.
const MAX_VOTES_A_SLOT: usize = 16;
/// Ahead by more is worth a warning, in milliseconds; below the second it goes.
const AHEAD_MS: (i64, i64) = (1_500, 1_000);
/// Behind by more is worth a warning, in milliseconds; below the second it goes.
const BEHIND_MS: (i64, i64) = (250, 125);

#[derive(Clone, Copy, Debug)]
struct Arrival {
    slot: Slot,
    author: ValidatorIndex,
    /// Whether it is a block.
    is_block: bool,
    /// How long after its time it came, in milliseconds.
    offset_ms: i64,
}

/// What arrived, and when.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    waiting: HashMap<InputId, Arrival>,
    order: VecDeque<InputId>,
    /// The slot of the newest votes, and how many of them were looked at.
    votes: (Slot, usize),
    valid: VecDeque<Arrival>,
}

impl Arrivals {
    /// Something arrived. What was held for want of a block comes again, and has its time already.
    fn arrive(&mut self, id: InputId, arrival: Arrival) {
        if self.waiting.contains_key(&id) {
            return;
        }
        if self.order.len() == MAX_WAITING
            && let Some(oldest) = self.order.pop_front()
        {
            self.waiting.remove(&oldest);
        }
        self.waiting.insert(id, arrival);
        self.order.push_back(id);
    }

    /// Whether one more vote of this slot is looked at.
    fn takes_vote(&mut self, slot: Slot) -> bool {
        if slot > self.votes.0 {
            self.votes = (slot, 0);
        }
        let takes = slot == self.votes.0 && self.votes.1 < MAX_VOTES_A_SLOT;
        self.votes.1 += usize::from(takes);
        takes
    }

    fn judged(&mut self, id: InputId, verdict: &Verdict) {
        let Some(arrival) = self.waiting.remove(&id) else { return };
        self.order.retain(|each| *each != id);
        let is_double = self.valid.iter().any(|each| {
            (each.slot, each.author, each.is_block)
                == (arrival.slot, arrival.author, arrival.is_block)
        });
        if *verdict != Verdict::Accepted || is_double {
            return;
        }
        if self.valid.len() == SAMPLES {
            self.valid.pop_front();
        }
        self.valid.push_back(arrival);
    }

    /// How far the clock is ahead, in milliseconds, if there is enough to say.
    fn median_ms(&mut self, slot: Slot) -> Option<i64> {
        let oldest = slot.saturating_sub(MAX_AGE_SLOTS);
        self.valid.retain(|arrival| arrival.slot >= oldest);
        let mut authors: Vec<ValidatorIndex> = self.valid.iter().map(|each| each.author).collect();
        authors.sort_unstable();
        authors.dedup();
        if self.valid.len() < MIN_SAMPLES || authors.len() < MIN_AUTHORS {
            return None;
        }
        let mut offsets: Vec<i64> = self.valid.iter().map(|each| each.offset_ms).collect();
        offsets.sort_unstable();
        Some(offsets[offsets.len() / 2])
    }
}

fn judge(median_ms: Option<i64>) -> Finding {
    let Some(median_ms) = median_ms else { return Finding::Lower };
    // To a tenth of a second, so that the text does not change with every block.
    let off = |ms: i64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    if median_ms > AHEAD_MS.0 {
        Finding::Raise(format!(
            "blocks and votes of others come {} after their time: this clock is ahead, or the \
             network slow; check the time service",
            off(median_ms)
        ))
    } else if median_ms < -BEHIND_MS.0 {
        Finding::Raise(format!(
            "blocks and votes of others come {} before their time: this clock is behind; check the \
             time service",
            off(-median_ms)
        ))
    } else if (-BEHIND_MS.1..=AHEAD_MS.1).contains(&median_ms) {
        Finding::Lower
    } else {
        Finding::Keep
    }
}

pub(super) fn watch_clock(
    mut warnings: ResMut<Warnings>,
    (clock, time, walked): (Option<Res<SlotClock>>, Res<UnixTime>, Option<Res<CurrentInterval>>),
    mut blocks: MessageReader<BlockReceived>,
    mut votes: MessageReader<AttestationReceived>,
    mut judged: MessageReader<InputJudged>,
    mut arrivals: Local<Arrivals>,
) {
    let (Some(slot), Some(clock)) = (slot_of(clock.as_deref(), &time), clock) else { return };
    let offset_ms = |intervals| {
        let expected_ms = clock.interval_start_ms(intervals);
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        signed(time.now_ms).saturating_sub(signed(expected_ms))
    };
    for BlockReceived { id, block, .. } in blocks.read().filter(|each| !each.id.is_requested()) {
        let (slot, author) = (block.block.slot, block.block.proposer_index);
        let offset_ms = offset_ms(first_interval(slot));
        arrivals.arrive(*id, Arrival { slot, author, is_block: true, offset_ms });
    }
    for AttestationReceived { id, attestation, .. } in votes.read() {
        let (slot, author) = (attestation.data.slot, attestation.validator_index);
        if arrivals.takes_vote(slot) {
            let offset_ms = offset_ms(first_interval(slot).saturating_add(1));
            arrivals.arrive(*id, Arrival { slot, author, is_block: false, offset_ms });
        }
    }
    for InputJudged { id, verdict } in judged.read() {
        arrivals.judged(*id, verdict);
    }
    let finding = match walked.map(|walked| walked.slot()) {
        Some(walked) if walked > slot + 1 => Finding::Raise(format!(
            "the clock was set back, or is behind: nothing is done before slot {walked}"
        )),
        _ => judge(arrivals.median_ms(slot)),
    };
    apply(&mut warnings, WarningCode::ClockSkew, slot, finding);
}
