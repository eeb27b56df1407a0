//! Interval 2: the slot's session opens, or the early session is extended by what arrived since.

use std::{sync::Arc, time::Instant};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    aggregation::{AggregationConfig, AggregationCounts, CycleSkip, SkipReason},
    attestations::Own,
    chain::{Finalized, Head, IsAggregator, Registry, States},
    clock::{CurrentInterval, SlotClock},
    containers::{SingleMessageAggregate, Slot},
    duties::{DutyOutcome, MissReason},
    metrics::Metrics,
    prover::{ProverJob, ProverKind, ProverStatus},
    sync::DutyGate,
};
use quintet_prover::ProveError;

use super::{
    plan::{Group, Planned, SessionPlan, plan_on_head, replaced_inputs, snapshot},
    session::{
        JobOf, Pooling, Progress, Proved, Publication, SessionJob, SessionState, Sessions,
        publication,
    },
};
use crate::{
    pool::{AggregationJob, AttestationPool},
    proving::{ProverLine, Refused},
    verification::Proofs,
};

/// The resources, besides the pools, for planning and making jobs.
#[derive(SystemParam)]
pub struct Planner<'w> {
    pub(super) now: Res<'w, CurrentInterval>,
    pub(super) clock: Res<'w, SlotClock>,
    pub(super) role: Res<'w, IsAggregator>,
    pub(super) config: Res<'w, AggregationConfig>,
    pub(super) registry: Res<'w, Registry>,
    pub(super) proofs: Res<'w, Proofs>,
    finalized: Res<'w, Finalized>,
    head: Res<'w, Head>,
    states: Res<'w, States>,
    metrics: Option<Res<'w, Metrics>>,
}

impl Planner<'_> {
    /// The slot of the finalized checkpoint.
    pub(super) fn finalized_slot(&self) -> Slot {
        self.finalized.0.slot
    }

    /// The metrics; ones that are never read if the world has none.
    pub(super) fn metrics(&self) -> Metrics {
        Metrics::or_unread(self.metrics.as_deref())
    }

    fn plan(&self, groups: &[Group], slot: Slot) -> SessionPlan {
        let max_signers = self.proofs.0.max_block_signers();
        plan_on_head(self.head.0, &self.states, groups, slot, max_signers)
    }

    /// Returns the reason a session with these counts has no job; `None` if it has one.
    fn why_idle(&self, counts: &AggregationCounts) -> Option<CycleSkip> {
        let was_refused =
            |reason: &SkipReason| matches!(reason, SkipReason::QueueFull | SkipReason::TooLarge);
        if counts.prepared > 0 {
            None
        } else if counts.skipped.keys().any(was_refused) {
            Some(CycleSkip::SpawnFailed)
        } else if self.states.get(&self.head.0.root).is_none() {
            Some(CycleSkip::MissingState)
        } else {
            Some(CycleSkip::Other)
        }
    }
}

/// Interval 2: if this node aggregates, opens the slot's session or extends the early one. Then
/// publishes the early proofs that are ready and are not about to be replaced.
pub fn aggregate_slot(
    mut pool: AttestationPool,
    mut sessions: Sessions,
    mut line: ProverLine,
    planner: Planner,
    own: Query<(), With<Own>>,
) {
    let metrics = planner.metrics();
    if !planner.role.0 {
        metrics.aggregation.note_skipped(CycleSkip::NotAggregator);
        return;
    }
    let slot = planner.now.slot();
    let early = sessions.open_of(slot);
    let session = early.unwrap_or_else(|| sessions.open(&mut line, slot));
    let boundary_ms = planner.clock.interval_start_ms(publication(slot));
    let deadline_ms = sessions.set_deadline(session, boundary_ms, planner.config.deadline_ms);
    let groups = snapshot(pool.index(), &sessions.claimed_inputs(session));
    let Added { mut tally, mut lone, jobs } =
        add_jobs(&mut sessions, &mut line, &planner, session, slot, &groups);

    let mut counts = tally.clone();
    if early.is_some() {
        // A proof that cannot be ready before interval 3 does not replace a proof that is ready
        // now.
        if deadline_ms < planner.clock.interval_start_ms(publication(slot) + 1) {
            hold_back(&mut sessions, session, &jobs);
        }
        sessions.publish(session, slot, planner.now.count, &mut tally);
        if let Some(mut state) = sessions.state_mut(session) {
            state.is_complete = true;
            counts.add(&state.counts);
        }
        sessions.count(session, slot, &tally);
    } else {
        let finalized_slot = planner.finalized_slot();
        let state = SessionState { finalized_slot, is_complete: true, ..Default::default() };
        sessions.begin(session, slot, state, tally);
    }
    // Like leanSpec's round, this replaces the new payloads: those of an attestation for which no
    // proof is made are dropped. The node's own payloads stay. leanSpec has no such payloads,
    // because its proofs take no time and none is left over from an earlier round.
    lone.retain(|payload| !own.contains(*payload));
    pool.drop_inputs(&lone);
    if let Some(reason) = planner.why_idle(&counts) {
        metrics.aggregation.note_skipped(reason);
    }
}

/// Interval 2, if duties must not be done: counts the slot's aggregation as missed, and cancels
/// what was started early. Ready proofs are published.
pub fn skip_aggregation(
    mut sessions: Sessions,
    mut line: ProverLine,
    planner: Planner,
    gate: Option<Res<DutyGate>>,
) {
    let metrics = planner.metrics();
    if !planner.role.0 {
        metrics.aggregation.note_skipped(CycleSkip::NotAggregator);
        return;
    }
    let slot = planner.now.slot();
    let mut tally = AggregationCounts::default();
    if let Some(early) = sessions.open_of(slot) {
        sessions.publish(early, slot, planner.now.count, &mut tally);
        sessions.count(early, slot, &tally);
    }
    sessions.close(&mut line, SkipReason::Replaced);
    let Some(reason) = gate.and_then(|gate| gate.why_not(*planner.now)) else { return };
    metrics.aggregation.note_skipped(match reason {
        MissReason::Late => CycleSkip::Other,
        _ => CycleSkip::NotSynced,
    });
    if tally.published == 0 {
        sessions.end_duty(slot, DutyOutcome::Missed(reason), "");
    }
}

/// The result of adding jobs to a session.
pub(super) struct Added {
    /// The counts to add.
    pub tally: AggregationCounts,
    /// The payloads of attestations that have one payload and nothing to add to it.
    pub lone: Vec<Entity>,
    /// The jobs, and what their proofs replace.
    pub jobs: Vec<(Entity, Vec<Entity>)>,
}

/// Plans the groups and queues the jobs.
pub(super) fn add_jobs(
    sessions: &mut Sessions,
    line: &mut ProverLine,
    planner: &Planner,
    session: Entity,
    slot: Slot,
    groups: &[Group],
) -> Added {
    let SessionPlan { jobs, skipped } = planner.plan(groups, slot);
    let mut tally = AggregationCounts { groups: groups.len() as u64, ..Default::default() };
    let mut skip = |reason| *tally.skipped.entry(reason).or_default() += 1;
    let mut lone = Vec::new();
    for (place, reason) in skipped {
        let Group { payloads, signatures, .. } = &groups[place];
        if payloads.is_empty() && signatures.is_empty() {
            skip(SkipReason::InProgress);
            continue;
        }
        if reason == SkipReason::LoneProof {
            lone.extend(payloads);
        }
        skip(reason);
    }
    let mut started = Vec::new();
    for Planned { group: place, job } in jobs {
        let inputs = replaced_inputs(&groups[place], &job);
        let job = Arc::new(job);
        match submit(line, planner, slot, &job) {
            Ok((timeline, work)) => {
                let (progress, is_late) = (Progress::Pending, false);
                let replaced = inputs.clone();
                let job = SessionJob { job, place, inputs, timeline, work, progress, is_late };
                let entity = sessions.commands.spawn((job, JobOf(session))).id();
                started.push((entity, replaced));
            }
            Err(refused) => {
                tracing::warn!(slot, %refused, "the prover did not accept a job");
                skip(match refused {
                    Refused::QueueFull(_) => SkipReason::QueueFull,
                    Refused::TooLarge { .. } => SkipReason::TooLarge,
                });
            }
        }
    }
    tally.prepared = started.len() as u64;
    Added { tally, lone, jobs: started }
}

type Submitted =
    (Entity, quintet_components::task::Work<Result<SingleMessageAggregate, ProveError>>);

fn submit(
    line: &mut ProverLine,
    planner: &Planner,
    slot: Slot,
    job: &Arc<AggregationJob>,
) -> Result<Submitted, Refused> {
    let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
    let on_timeline = ProverJob {
        kind: ProverKind::Aggregation,
        slot,
        children: count(job.children.len()),
        signatures: count(job.signatures.len()),
        subnet: job.subnet(planner.config.committee_count),
        memory_bytes: planner.proofs.0.working_bytes(job.bytes()),
    };
    let (input, metrics) = (Arc::clone(job), planner.metrics());
    let (registry, proofs) = (planner.registry.clone(), planner.proofs.clone());
    line.submit(on_timeline, summarize, move |cancel| {
        let began = Instant::now();
        let made = input.run(&registry, &*proofs.0, cancel);
        if let Ok(aggregate) = &made {
            metrics.signatures.note_aggregate(aggregate.participants.count(), began.elapsed());
        }
        made
    })
}

fn summarize(outcome: &Result<SingleMessageAggregate, ProveError>) -> ProverStatus {
    match outcome {
        Ok(aggregate) => ProverStatus::Proved { bytes: aggregate.proof.as_bytes().len() },
        Err(ProveError::Cancelled) => ProverStatus::Cancelled,
        Err(error) => ProverStatus::Failed(error.to_string()),
    }
}

/// Holds back the early proofs that are inputs of these jobs: each job's proof replaces its inputs
/// at other nodes too.
fn hold_back(sessions: &mut Sessions, session: Entity, jobs: &[(Entity, Vec<Entity>)]) {
    for early in sessions.jobs_of(session) {
        let Ok(mut early) = sessions.jobs.get_mut(early) else { continue };
        let Progress::Proved(Proved { publication, pooling: Pooling::Pooled(payload), .. }) =
            &mut early.progress
        else {
            continue;
        };
        let successor = jobs.iter().find(|(_, inputs)| inputs.contains(payload));
        if let (Publication::Due, Some((successor, _))) = (*publication, successor) {
            *publication = Publication::Held(*successor);
        }
    }
}
