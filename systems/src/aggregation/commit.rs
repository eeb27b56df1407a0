//! What a session brings: taken when it is ready, published on the grid, put into the pool at
//! once.

use std::{mem, sync::Arc};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::{
        AggregationCounts, AggregationHistory, AggregationSession, CurrentSession, SessionOutcome,
        SkipReason,
    },
    attestations::{Own, Phase},
    chain::IsAggregator,
    clock::{CurrentInterval, Deadline, UnixTime, first_interval},
    containers::{SignedAggregatedAttestation, SingleMessageAggregate, Slot},
    duties::Duty,
    messages::AggregateProduced,
    prover::ProverStatus,
};

use super::{
    job::AggregationJob,
    session::{
        Progress, SessionJob, SessionState, close, end, jobs_of, note_fruitless, publication,
    },
};
use crate::{
    duties::note_done,
    pool::{self, is_stale},
    proving::run_prover,
};

/// Collects what the current session's jobs have brought. In this order: finished jobs are noted;
/// past the deadline, jobs that wait are given up and those that run are late; from the interval-2
/// boundary on, proofs are published, and put into the pool when no more are to come, or the
/// deadline has passed. A session ends with its last job.
pub fn collect_sessions(world: &mut World) {
    run_prover(world);
    let Some(session) = world.resource::<CurrentSession>().0 else { return };
    let Some(AggregationSession { slot, .. }) = world.get::<AggregationSession>(session).copied()
    else {
        return;
    };
    if !world.resource::<IsAggregator>().0 {
        close(world, SkipReason::Replaced);
        return;
    }
    let jobs = jobs_of(world, session);
    let mut tally = AggregationCounts::default();
    for job in &jobs {
        note_outcome(world, *job, slot, &mut tally);
    }
    if tally.failed > 0
        && let Some(mut state) = world.get_mut::<SessionState>(session)
    {
        state.has_failed = true;
    }
    let is_cut = cut(world, session, &jobs, &mut tally);
    if let Some(mut state) = world.get_mut::<SessionState>(session) {
        state.counts.add(&tally);
    }
    let interval = world.resource::<CurrentInterval>().count;
    if interval >= publication(slot) {
        let still_counts = interval < first_interval(slot).saturating_add(4);
        publish(world, &jobs, still_counts, &mut tally);
        if tally.published > 0 {
            note_published(world, session, slot);
        }
        let has_ended = jobs.iter().all(|job| has_ended(world, *job));
        if has_ended || is_cut {
            commit(world, session, &jobs);
        }
        let is_complete = world.get::<SessionState>(session).is_none_or(|state| state.is_complete);
        if has_ended && is_complete {
            note_fruitless(world, session);
            world.resource_mut::<CurrentSession>().0 = None;
            let counts =
                world.get::<SessionState>(session).map(|state| SessionOutcome::of(&state.counts));
            end(world, session, counts.unwrap_or(SessionOutcome::Empty));
        }
    }
    if tally != AggregationCounts::default() {
        world.resource_mut::<AggregationHistory>().add(slot, &tally);
    }
}

/// With its first proof published the session's duty is done.
fn note_published(world: &mut World, session: Entity, slot: Slot) {
    if let Some(mut state) = world.get_mut::<SessionState>(session)
        && !mem::replace(&mut state.has_published, true)
    {
        note_done(world, slot, Duty::Aggregate, None);
    }
}

fn has_ended(world: &World, job: Entity) -> bool {
    world.get::<SessionJob>(job).is_none_or(|job| !matches!(job.progress, Progress::Pending))
}

fn note_outcome(world: &mut World, job: Entity, slot: Slot, tally: &mut AggregationCounts) {
    let Some(mut job) = world.get_mut::<SessionJob>(job) else { return };
    if !matches!(job.progress, Progress::Pending) {
        return;
    }
    let (progress, counter) = match job.work.take() {
        Some(Ok(Ok(proof))) => {
            tally.late += u64::from(job.is_late);
            (Progress::Proved(Arc::new(proof)), &mut tally.proved)
        }
        Some(Ok(Err(error))) => {
            tracing::warn!(slot, vote = job.job.data.slot, %error, "no aggregate");
            (Progress::Done, &mut tally.failed)
        }
        Some(Err(panic)) => {
            tracing::error!(slot, vote = job.job.data.slot, %panic, "the prover panicked");
            (Progress::Done, &mut tally.failed)
        }
        None if job.work.is_dropped() => {
            *tally.skipped.entry(SkipReason::QueueFull).or_default() += 1;
            (Progress::Done, &mut tally.cancelled)
        }
        None => return,
    };
    *counter += 1;
    job.progress = progress;
}

/// Applies the deadline once it has passed. Whether it has.
fn cut(world: &mut World, session: Entity, jobs: &[Entity], tally: &mut AggregationCounts) -> bool {
    let now_ms = world.resource::<UnixTime>().now_ms;
    let Some(deadline) = world.get::<Deadline>(session) else {
        return world.get::<AggregationSession>(session).is_some_and(|session| session.is_cut);
    };
    if now_ms < deadline.at_ms {
        return false;
    }
    // The runner need not wake for it again.
    world.entity_mut(session).remove::<Deadline>();
    if let Some(mut session) = world.get_mut::<AggregationSession>(session) {
        session.is_cut = true;
    }
    let mut left = 0;
    for entity in jobs {
        let Some(job) = world.get::<SessionJob>(*entity) else { continue };
        if !matches!(job.progress, Progress::Pending) {
            continue;
        }
        left += 1;
        let waits = world.get::<ProverStatus>(job.timeline) == Some(&ProverStatus::Queued);
        let mut job = world.get_mut::<SessionJob>(*entity).expect("it was there");
        if waits {
            job.work.cancel();
            job.progress = Progress::Done;
            tally.cancelled += 1;
            *tally.skipped.entry(SkipReason::Deadline).or_default() += 1;
        } else {
            job.is_late = true;
        }
    }
    tally.cut += u64::from(left > 0);
    run_prover(world);
    true
}

/// Publishes proofs that are ready. A late one that cannot count any more stays here.
fn publish(world: &mut World, jobs: &[Entity], still_counts: bool, tally: &mut AggregationCounts) {
    for job in jobs {
        let Some(mut job) = world.get_mut::<SessionJob>(*job) else { continue };
        let Progress::Proved(proof) = &job.progress else { continue };
        let proof = Arc::clone(proof);
        let (data, is_late) = (job.job.data, job.is_late);
        job.progress = Progress::Published(Arc::clone(&proof));
        if is_late && !still_counts {
            tally.unpublished += 1;
            continue;
        }
        tally.published += 1;
        let proof = SingleMessageAggregate::clone(&proof);
        let signed = Arc::new(SignedAggregatedAttestation { data, proof });
        world.write_message(AggregateProduced(signed));
    }
}

/// Puts every finished proof into the pool in place of what went into it, in one pass and in the
/// pool's own order. What arrived since stays, and so does what a failed job was to be made of.
fn commit(world: &mut World, session: Entity, jobs: &[Entity]) {
    let mut finished: Vec<(usize, Arc<AggregationJob>, Arc<SingleMessageAggregate>)> = Vec::new();
    let mut inputs = Vec::new();
    for entity in jobs {
        let Some(mut job) = world.get_mut::<SessionJob>(*entity) else { continue };
        if let Progress::Published(proof) = &job.progress {
            let proof = Arc::clone(proof);
            job.progress = Progress::Done;
            inputs.append(&mut mem::take(&mut job.inputs));
            finished.push((job.place, Arc::clone(&job.job), proof));
        }
    }
    if finished.is_empty() {
        return;
    }
    finished.sort_by_key(|(place, ..)| *place);
    pool::drop_inputs(world, &inputs);
    let finalized_before =
        world.get::<SessionState>(session).map_or(0, |state| state.finalized_slot);
    for (_, job, proof) in finished {
        if is_stale(world, finalized_before, &job.data) {
            continue;
        }
        if let Some(payload) = pool::add_payload(world, &job.data, proof, Phase::New) {
            world.entity_mut(payload).insert(Own);
        }
    }
}
