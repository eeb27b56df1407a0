//! Attestations and aggregates that wait for a block.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::CurrentInterval,
    messages::{AggregateReceived, AttestationReceived, BlockImported, InputJudged},
    sync::{Released, SyncCounts, WaitingAttestations},
    tree::BlockTree,
    waker::NodeWaker,
};

/// Lets attestations and aggregates arrive again whose blocks have come.
pub fn release_attestations(
    mut imported: MessageReader<BlockImported>,
    mut waiting: ResMut<WaitingAttestations>,
    (tree, waker): (Res<BlockTree>, Res<NodeWaker>),
    mut counts: ResMut<SyncCounts>,
    mut attestations: MessageWriter<AttestationReceived>,
    mut aggregates: MessageWriter<AggregateReceived>,
) {
    if imported.read().count() == 0 || waiting.is_empty() {
        return;
    }
    let released: Released = waiting.release(|root| tree.contains(root));
    let count = released.votes.len() + released.aggregates.len();
    if count > 0 {
        counts.votes_released += count as u64;
        waker.wake();
        aggregates.write_batch(released.aggregates);
        attestations.write_batch(released.votes);
    }
}

/// Judges those that have waited long enough.
pub fn expire_attestations(
    mut waiting: ResMut<WaitingAttestations>,
    now: Res<CurrentInterval>,
    mut counts: ResMut<SyncCounts>,
    mut judged: MessageWriter<InputJudged>,
) {
    let held = waiting.held();
    if counts.votes_held != held {
        counts.votes_held = held;
    }
    if waiting.is_empty() {
        return;
    }
    let expired = waiting.expire(now.count);
    if !expired.is_empty() {
        counts.votes_expired += expired.len() as u64;
        judged.write_batch(expired);
    }
}
