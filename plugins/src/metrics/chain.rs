//! Metrics of head, checkpoints and attestations.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{AttestationSignature, Phase},
    chain::{Finalized, Head, Justified, SafeTarget, States},
    clock::{SlotClock, UnixTime},
    messages::{BlockImported, FinalizedAdvanced, HeadChanged},
    metrics::Metrics,
    tree::BlockTree,
};

/// Converts a slot or a count to the type of a gauge.
pub(super) fn gauge(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// Sets the gauges of the chain.
pub(super) fn show_chain(
    metrics: Res<Metrics>,
    (head, safe_target): (Option<Res<Head>>, Option<Res<SafeTarget>>),
    (justified, finalized): (Option<Res<Justified>>, Option<Res<Finalized>>),
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    (tree, states): (Option<Res<BlockTree>>, Option<Res<States>>),
) {
    let shown = &metrics.fork_choice;
    if let Some(clock) = clock {
        shown.current_slot.set(gauge(clock.current_slot(time.now_ms)));
    }
    let slots = [
        (&shown.head_slot, head.map(|head| head.0.slot)),
        (&shown.safe_target_slot, safe_target.map(|target| target.0.slot)),
        (&shown.justified_slot, justified.map(|justified| justified.0.slot)),
        (&shown.finalized_slot, finalized.map(|finalized| finalized.0.slot)),
    ];
    for (gauge_of_slot, slot) in slots {
        if let Some(slot) = slot {
            gauge_of_slot.set(gauge(slot));
        }
    }
    shown.blocks.set(gauge(tree.map_or(0, |tree| tree.len())));
    shown.states.set(gauge(states.map_or(0, |states| states.len())));
}

/// Counts events of the chain.
pub(super) fn count_chain(
    metrics: Res<Metrics>,
    mut imported: MessageReader<BlockImported>,
    mut heads: MessageReader<HeadChanged>,
    mut finalized: MessageReader<FinalizedAdvanced>,
) {
    for BlockImported { state, .. } in imported.read() {
        metrics.transition.justified_slot.set(gauge(state.latest_justified.slot));
        metrics.transition.finalized_slot.set(gauge(state.latest_finalized.slot));
    }
    for HeadChanged { reorg_depth, .. } in heads.read() {
        metrics.fork_choice.note_head(*reorg_depth);
    }
    for _ in finalized.read() {
        metrics.transition.note_finalization(true);
    }
}

/// Sets the gauges of the pools.
pub(super) fn show_pools(
    metrics: Res<Metrics>,
    signatures: Query<(), With<AttestationSignature>>,
    payloads: Query<&Phase>,
) {
    let known = payloads.iter().filter(|phase| **phase == Phase::Known).count();
    metrics.fork_choice.gossip_signatures.set(gauge(signatures.iter().len()));
    metrics.fork_choice.known_payloads.set(gauge(known));
    metrics.fork_choice.new_payloads.set(gauge(payloads.iter().len() - known));
}
