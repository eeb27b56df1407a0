//! Metrics of inbound items and their verdicts.

use std::collections::HashSet;

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::{SlotClock, UnixTime, first_interval},
    containers::{Root, Slot},
    duties::BlockProduced,
    lane::Lane,
    messages::{AggregateReceived, AttestationReceived, BlockReceived, InputJudged},
    metrics::{LANES, Metrics},
    network::{PeerEvent, RequestEvent, RequestReceived},
};

/// Sets how many items wait in the lanes, and how many were dropped.
pub(super) fn show_lanes(
    metrics: Res<Metrics>,
    inputs: (
        Option<Res<Lane<BlockReceived>>>,
        Option<Res<Lane<AggregateReceived>>>,
        Option<Res<Lane<AttestationReceived>>>,
    ),
    peers: (
        Option<Res<Lane<PeerEvent>>>,
        Option<Res<Lane<RequestEvent>>>,
        Option<Res<Lane<RequestReceived>>>,
    ),
    mut shown: Local<[(usize, u64); LANES.len()]>,
) {
    fn load<T: Send + 'static>(lane: Option<Res<Lane<T>>>) -> Option<(usize, u64)> {
        lane.map(|lane| (lane.depth(), lane.dropped()))
    }
    let loads = [
        load(inputs.0),
        load(inputs.1),
        load(inputs.2),
        load(peers.0),
        load(peers.1),
        load(peers.2),
    ];
    for ((lane, load), shown) in LANES.into_iter().zip(loads).zip(&mut *shown) {
        let load = load.unwrap_or_default();
        if std::mem::replace(shown, load) != load {
            metrics.runtime.set_lane(lane, load.0, load.1);
        }
    }
}

/// Counts verdicts, and when blocks arrived and were published.
pub(super) fn count_inputs(
    metrics: Res<Metrics>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    mut judged: MessageReader<InputJudged>,
    mut received: MessageReader<BlockReceived>,
    mut produced: MessageReader<BlockProduced>,
    mut arrived: Local<(Slot, HashSet<Root>)>,
) {
    for InputJudged { verdict, .. } in judged.read() {
        metrics.runtime.note_verdict(verdict);
    }
    let Some(clock) = clock else { return };
    // A block of another slot was requested, or has a wrong slot.
    let into_slot_ms = |slot| {
        (clock.current_slot(time.now_ms) == slot)
            .then(|| time.now_ms.saturating_sub(clock.interval_start_ms(first_interval(slot))))
    };
    let slot = clock.current_slot(time.now_ms);
    if arrived.0 != slot {
        *arrived = (slot, HashSet::new());
    }
    for BlockReceived { id, root, block, .. } in received.read() {
        let into_slot_ms = into_slot_ms(block.block.slot).filter(|_| !id.is_requested());
        // A block that waited for its parent arrives a second time.
        if let Some(into_slot_ms) = into_slot_ms
            && arrived.1.insert(*root)
        {
            metrics.fork_choice.note_arrival(into_slot_ms);
        }
    }
    for BlockProduced(block) in produced.read() {
        if let Some(into_slot_ms) = into_slot_ms(block.block.slot) {
            metrics.production.note_publication(into_slot_ms);
        }
    }
}
