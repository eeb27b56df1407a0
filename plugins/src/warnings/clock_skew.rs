//! Warns about a clock that differs from those of the peers.
//!
//! Blocks are published at the beginning of their slot, attestations one interval later. The delay
//! until a valid one arrives, by this node's clock, is its travel time plus the difference of this
//! clock and its author's. The travel time is tens of milliseconds, a slow proposer adds some
//! hundred, and it is never negative. The median over the newest valid blocks and attestations,
//! each author counted once per slot, therefore shows how far the clock is off. If it is well below
//! zero, the clock is behind. If it is well above a second, the clock is ahead, or everything
//! arrives late.
//!
//! A clock that is set back a little also causes a warning: intervals that were walked are not
//! walked again, so the node does nothing until the clock has caught up. If it is set back further,
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

/// The number of arrivals that are used.
const SAMPLES: usize = 16;
/// Fewer arrivals are not used.
const MIN_SAMPLES: usize = 8;
/// Arrivals of fewer authors are not used, because they only show those authors' clocks.
const MIN_AUTHORS: usize = 2;
/// Older arrivals, in slots, are not used.
const MAX_AGE_SLOTS: u64 = 32;
/// The number of items that may wait for their verdict; beyond that the oldest are dropped.
const MAX_WAITING: usize = 256;
/// The number of attestations of a slot that are used.
const MAX_ATTESTATIONS_PER_SLOT: usize = 16;
/// The clock is ahead by more than the first: the warning appears; by less than the second: it
/// ends. In milliseconds.
const AHEAD_MS: (i64, i64) = (1_500, 1_000);
/// The clock is behind by more than the first: the warning appears; by less than the second: it
/// ends. In milliseconds.
const BEHIND_MS: (i64, i64) = (250, 125);

#[derive(Clone, Copy, Debug)]
struct Arrival {
    slot: Slot,
    author: ValidatorIndex,
    /// True for a block, false for an attestation.
    is_block: bool,
    /// The time by which it arrived after its expected time, in milliseconds.
    offset_ms: i64,
}

/// Items that arrived, and when.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    waiting: HashMap<InputId, Arrival>,
    order: VecDeque<InputId>,
    /// The slot of the newest attestations, and how many of them were used.
    attestations: (Slot, usize),
    valid: VecDeque<Arrival>,
}

impl Arrivals {
    /// Notes an arrival. An item that waited for a block arrives a second time, and keeps its first
    /// time.
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

    /// Returns true if one more attestation of this slot is used.
    fn takes_attestation(&mut self, slot: Slot) -> bool {
        if slot > self.attestations.0 {
            self.attestations = (slot, 0);
        }
        let takes = slot == self.attestations.0 && self.attestations.1 < MAX_ATTESTATIONS_PER_SLOT;
        self.attestations.1 += usize::from(takes);
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

    /// The time by which the clock is ahead, in milliseconds, if there are enough arrivals.
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
    // Rounded to a tenth of a second, so that the text does not change with every block.
    let off = |ms: i64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    if median_ms > AHEAD_MS.0 {
        Finding::Raise(format!(
            "blocks and attestations of others arrive {} late: this clock is ahead, or the \
             network is slow; check the time service",
            off(median_ms)
        ))
    } else if median_ms < -BEHIND_MS.0 {
        Finding::Raise(format!(
            "blocks and attestations of others arrive {} early: this clock is behind; check the \
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
    mut attestations: MessageReader<AttestationReceived>,
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
    for AttestationReceived { id, attestation, .. } in attestations.read() {
        let (slot, author) = (attestation.data.slot, attestation.validator_index);
        if arrivals.takes_attestation(slot) {
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
