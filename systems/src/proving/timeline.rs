//! The timeline's limits.

use bevy_ecs::prelude::*;
use quintet_components::{
    clock::CurrentInterval,
    containers::Slot,
    prover::{ProverJob, ProverStatus, TIMELINE_JOBS, TIMELINE_SLOTS},
};

/// Removes jobs that ended more than [`TIMELINE_SLOTS`] ago, and the oldest beyond
/// [`TIMELINE_JOBS`].
pub fn prune_timeline(
    mut commands: Commands,
    now: Res<CurrentInterval>,
    jobs: Query<(Entity, &ProverJob, &ProverStatus)>,
    mut pruned: Local<Slot>,
) {
    let (slot, count) = (now.slot(), jobs.iter().len());
    if slot == *pruned && count <= TIMELINE_JOBS {
        return;
    }
    *pruned = slot;
    let mut ended: Vec<(Slot, Entity)> = jobs
        .iter()
        .filter(|(_, _, status)| status.has_ended())
        .map(|(entity, job, _)| (job.slot, entity))
        .collect();
    ended.sort_unstable();
    let excess = count.saturating_sub(TIMELINE_JOBS);
    for (index, (job_slot, entity)) in ended.into_iter().enumerate() {
        if index >= excess && job_slot.saturating_add(TIMELINE_SLOTS) >= slot {
            break;
        }
        commands.entity(entity).despawn();
    }
}
