//! Handles the results of a session: proofs are collected when they are ready, published from
//! interval 2 on, and put into the pool together.

use std::{mem, sync::Arc};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::{AggregationCounts, AggregationHistory, SkipReason},
    attestations::Phase,
    chain::IsAggregator,
    clock::CurrentInterval,
    containers::Slot,
    prover::{ProofAbandoned, ProverKind},
};

use super::session::{Pooling, Progress, Proved, Publication, SessionJob, Sessions, publication};
use crate::{pool::AttestationPool, proving::ProverLine};

/// Collects the results of the current session's jobs, in this order. Finished jobs are noted. Past
/// the deadline, waiting jobs are cancelled and running ones are late. From interval 2 on, proofs
/// are published; they are put into the pool when no more are to come or the deadline has passed. A
/// session ends with its last job.
///
/// Proofs that are ready at the start of interval 2 are published by
/// [`aggregate_slot`](super::open::aggregate_slot), which decides which of them later proofs
/// replace.
pub fn collect_sessions(
    mut pool: AttestationPool,
    mut sessions: Sessions,
    mut line: ProverLine,
    now: Res<CurrentInterval>,
    role: Res<IsAggregator>,
) {
    line.run();
    let Some((session, slot)) = sessions.current() else { return };
    if !role.0 {
        sessions.close(&mut line, SkipReason::Replaced);
        return;
    }
    let jobs = sessions.jobs_of(session);
    let mut tally = AggregationCounts::default();
    note_outcomes(&mut sessions, slot, &jobs, &mut tally);
    if tally.failed > 0
        && let Some(mut state) = sessions.state_mut(session)
    {
        state.has_failed = true;
    }
    if sessions.pass_deadline(session) {
        cut(&mut sessions, &jobs, &mut line, &mut tally);
    }
    let has_ended = sessions.jobs.iter_many(&jobs).flatten().all(SessionJob::has_ended);
    let is_complete = sessions.state(session).is_none_or(|state| state.is_complete);
    let is_published = now.count >= publication(slot);
    if is_published && is_complete {
        release_held(&mut sessions, &jobs, &mut tally);
        sessions.publish(session, slot, now.count, &mut tally);
    }
    if is_published && (has_ended || sessions.is_cut(session)) {
        commit(&mut pool, &mut sessions, session, &jobs);
    }
    sessions.count(session, slot, &tally);
    if is_published && is_complete && has_ended {
        sessions.finish(session);
    }
}

fn note_outcomes(
    sessions: &mut Sessions,
    slot: Slot,
    jobs: &[Entity],
    tally: &mut AggregationCounts,
) {
    let mut jobs = sessions.jobs.iter_many_mut(jobs);
    while let Some(job) = jobs.fetch_next() {
        let Ok(mut job) = job else { continue };
        if job.has_ended() {
            continue;
        }
        let attested = job.job.data.slot;
        let (progress, counter) = match job.work.take() {
            Some(Ok(Ok(proof))) => {
                tally.late += u64::from(job.is_late);
                (Progress::Proved(Proved::new(Arc::new(proof))), &mut tally.proved)
            }
            Some(Ok(Err(error))) => {
                tracing::warn!(slot, attested, %error, "an aggregate could not be made");
                (Progress::Fruitless, &mut tally.failed)
            }
            Some(Err(panic)) => {
                tracing::error!(slot, attested, %panic, "the prover panicked");
                (Progress::Fruitless, &mut tally.failed)
            }
            None if job.work.is_dropped() => {
                *tally.skipped.entry(SkipReason::QueueFull).or_default() += 1;
                (Progress::Fruitless, &mut tally.cancelled)
            }
            None => continue,
        };
        *counter += 1;
        job.progress = progress;
    }
}

/// The deadline: waiting jobs are cancelled, running jobs are late.
fn cut(
    sessions: &mut Sessions,
    jobs: &[Entity],
    line: &mut ProverLine,
    tally: &mut AggregationCounts,
) {
    let mut left = 0;
    let mut jobs = sessions.jobs.iter_many_mut(jobs);
    while let Some(job) = jobs.fetch_next() {
        let Ok(mut job) = job else { continue };
        if job.has_ended() {
            continue;
        }
        left += 1;
        if line.waits(job.timeline) {
            job.work.cancel();
            job.progress = Progress::Fruitless;
            tally.cancelled += 1;
            *tally.skipped.entry(SkipReason::Deadline).or_default() += 1;
        } else {
            job.is_late = true;
        }
    }
    tally.cut += u64::from(left > 0);
    line.run();
}

/// Settles the early proofs that were held back. They are not published if the proof that replaces
/// them is ready in time. They are published if it is late or failed.
fn release_held(sessions: &mut Sessions, jobs: &[Entity], tally: &mut AggregationCounts) {
    for job in jobs {
        let Ok(SessionJob { progress: Progress::Proved(proved), .. }) = sessions.jobs.get(*job)
        else {
            continue;
        };
        let Publication::Held(successor) = proved.publication else { continue };
        let publication = match sessions.jobs.get(successor) {
            Ok(successor) if successor.is_late => Publication::Due,
            Ok(SessionJob { progress: Progress::Pending, .. }) => continue,
            Ok(SessionJob { progress: Progress::Proved(_), .. }) => Publication::Settled,
            _ => Publication::Due,
        };
        tally.superseded += u64::from(publication == Publication::Settled);
        if let Ok(mut job) = sessions.jobs.get_mut(*job)
            && let Progress::Proved(proved) = &mut job.progress
        {
            proved.publication = publication;
        }
    }
}

/// Puts every finished proof into the pool in place of its inputs, in one pass and in the pool's
/// order. Items that arrived since stay, and so do the inputs of failed jobs.
fn commit(pool: &mut AttestationPool, sessions: &mut Sessions, session: Entity, jobs: &[Entity]) {
    let mut finished: Vec<(usize, Entity)> = Vec::new();
    let mut inputs = Vec::new();
    for entity in jobs {
        let Ok(mut job) = sessions.jobs.get_mut(*entity) else { continue };
        if let Progress::Proved(Proved { pooling: Pooling::Due, .. }) = job.progress {
            inputs.append(&mut mem::take(&mut job.inputs));
            finished.push((job.place, *entity));
        }
    }
    if finished.is_empty() {
        return;
    }
    finished.sort_unstable_by_key(|(place, _)| *place);
    pool.drop_inputs(&inputs);
    let finalized_before = sessions.state(session).map_or(0, |state| state.finalized_slot);
    for (_, entity) in finished {
        let Ok(mut job) = sessions.jobs.get_mut(entity) else { continue };
        let SessionJob { job, progress, .. } = &mut *job;
        let Progress::Proved(proved) = progress else { continue };
        let payload = if pool.is_stale(finalized_before, &job.data) {
            None
        } else {
            pool.add_own_payload(&job.data, Arc::clone(&proved.proof), Phase::New)
        };
        proved.pooling = payload.map_or(Pooling::Unwanted, Pooling::Pooled);
    }
}

/// Counts proofs that are no longer needed. They are counted only here.
pub fn count_abandoned(
    mut abandoned: MessageReader<ProofAbandoned>,
    mut history: ResMut<AggregationHistory>,
) {
    for ProofAbandoned { slot, .. } in
        abandoned.read().filter(|each| each.kind == ProverKind::Aggregation)
    {
        history.count(*slot, |counts| counts.stale += 1);
    }
}
