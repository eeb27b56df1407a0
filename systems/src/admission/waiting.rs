//! The waiting room: valid attestations and aggregates whose block is unknown.

use bevy_ecs::prelude::*;
use quintet_components::{
    messages::InputJudged,
    sync::{SyncCounts, WaitingAttestations},
};

use super::{LocalTime, aggregates::ValidAggregates, attestations::ValidAttestations};

/// After an import, puts aggregates that waited for the block into the pool.
pub fn release_aggregates(
    mut valid: ValidAggregates,
    mut judged: MessageWriter<InputJudged>,
    counts: Option<ResMut<SyncCounts>>,
) {
    let released = valid.release();
    note_released(counts, released.len());
    for held in released {
        judged.write_batch(valid.place(held));
    }
}

/// After an import, puts attestations that waited for the block into the pool.
pub fn release_attestations(
    mut valid: ValidAttestations,
    mut judged: MessageWriter<InputJudged>,
    counts: Option<ResMut<SyncCounts>>,
) {
    let released = valid.release();
    note_released(counts, released.len());
    for arrived in released {
        let id = arrived.id;
        let verdict = valid.place(arrived);
        judged.write_batch(verdict.map(|verdict| InputJudged { id, verdict }));
    }
}

fn note_released(counts: Option<ResMut<SyncCounts>>, released: usize) {
    if let Some(mut counts) = counts.filter(|_| released > 0) {
        counts.attestations_released += released as u64;
    }
}

/// Judges items whose waiting time is over.
pub fn expire_waiting(
    waiting: Option<ResMut<WaitingAttestations>>,
    time: LocalTime,
    mut judged: MessageWriter<InputJudged>,
    counts: Option<ResMut<SyncCounts>>,
) {
    let Some(mut waiting) = waiting else { return };
    let expired = if waiting.is_empty() { Vec::new() } else { waiting.expire(time.intervals()) };
    if let Some(mut counts) = counts {
        let held = waiting.held();
        if counts.attestations_held != held || !expired.is_empty() {
            counts.attestations_held = held;
            counts.attestations_expired += expired.len() as u64;
        }
    }
    judged.write_batch(expired);
}
