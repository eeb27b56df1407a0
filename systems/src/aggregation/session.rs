//! Aggregation sessions: an entity a session, an entity and a task a job.
//!
//! A session opens at interval 2, or in interval 1 as soon as two thirds of the votes that the
//! node expects are in. One that opened early is extended at interval 2 by what came since. At
//! most one session is current; what others still bring changes a counter and nothing else.

use std::{collections::HashSet, sync::Arc, time::Instant};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::{
        AggregationConfig, AggregationCounts, AggregationHistory, AggregationSession,
        CurrentSession, CycleSkip, SessionEnded, SessionOutcome, SkipReason,
    },
    attestations::Own,
    chain::{Finalized, Head, IsAggregator, Registry, States},
    clock::{CurrentInterval, Deadline, SlotClock, UnixTime, first_interval},
    containers::{SingleMessageAggregate, Slot, ValidatorIndex},
    duties::{Duty, MissReason},
    metrics::Metrics,
    prover::{ProverJob, ProverKind, ProverStatus},
    schedule::Interval,
    task::Work,
};
use quintet_prover::{CancelToken, ProveError};

use super::{
    job::{AggregationJob, max_signers},
    plan::{Group, Planned, SessionPlan, plan_on_head, snapshot, snapshot_signatures},
};
use crate::{
    duties::note_missed,
    pool::{self, Coverage},
    proving::{ProverScheduler, Refused, run_prover, submit},
    verification::Proofs,
};

/// What a session has in hand beside its jobs.
#[derive(Component, Debug, Default)]
pub(super) struct SessionState {
    /// The finalized slot when it opened: votes are looked at again once it has advanced.
    pub finalized_slot: Slot,
    /// Whether interval 2 has added its jobs: no more are to come.
    pub is_complete: bool,
    /// Whether a proof failed.
    pub has_failed: bool,
    /// Whether something was published.
    pub has_published: bool,
    /// What has come of its jobs.
    pub counts: AggregationCounts,
}

/// One proof of a session. Despawning it before it has ended gives the work up.
#[derive(Component, Debug)]
pub(super) struct SessionJob {
    /// What it is made of.
    pub job: Arc<AggregationJob>,
    /// The vote's place in the pools' order when the job was planned.
    pub place: usize,
    /// The payloads and signatures that the proof replaces.
    pub inputs: Vec<Entity>,
    /// Its entity on the prover's timeline.
    pub timeline: Entity,
    /// Its work.
    pub work: Work<Result<SingleMessageAggregate, ProveError>>,
    /// How far it is.
    pub progress: Progress,
    /// Whether it ran past the deadline.
    pub is_late: bool,
}

/// How far a session's job is.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    /// It waits or runs.
    Pending,
    /// It made a proof, which is not published yet.
    Proved(Arc<SingleMessageAggregate>),
    /// Its proof is published, and not in the pool yet.
    Published(Arc<SingleMessageAggregate>),
    /// Nothing more is to come of it.
    Done,
}

/// The session that a job belongs to.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = SessionJobs)]
pub struct JobOf(pub Entity);

/// The jobs of a session, the most valuable first.
#[derive(Component, Debug)]
#[relationship_target(relationship = JobOf, linked_spawn)]
pub struct SessionJobs(Vec<Entity>);

/// Interval 2: opens the slot's session, or extends the one that opened early, when this node
/// aggregates.
pub fn aggregate_slot(world: &mut World) {
    if !world.resource::<IsAggregator>().0 {
        Metrics::of(world).aggregation.note_skipped(CycleSkip::NotAggregator);
        return;
    }
    let slot = world.resource::<CurrentInterval>().slot();
    let session = match world.resource::<CurrentSession>().0 {
        Some(session) if is_open(world, slot) => session,
        _ => open(world, slot),
    };
    if let Some(mut state) = world.get_mut::<SessionState>(session) {
        state.is_complete = true;
    }
    // A node that wakes late has its time from then on.
    let now_ms = world.resource::<UnixTime>().now_ms;
    let deadline_ms = world.resource::<AggregationConfig>().deadline_ms;
    let boundary_ms = world.resource::<SlotClock>().interval_start_ms(publication(slot));
    let at_ms = boundary_ms.max(now_ms).saturating_add(deadline_ms);
    world.entity_mut(session).insert(Deadline { at_ms });
    let claimed = claimed_inputs(world, session);
    let groups = snapshot(world, &claimed);
    let lone = add_jobs(world, session, slot, &groups);
    drop_lone_payloads(world, lone);
    if let Some(reason) = why_idle(world, session) {
        Metrics::of(world).aggregation.note_skipped(reason);
    }
}

/// Why a session has no job, if it has none.
fn why_idle(world: &World, session: Entity) -> Option<CycleSkip> {
    let counts = &world.get::<SessionState>(session)?.counts;
    if counts.prepared > 0 {
        None
    } else if counts.skipped.contains_key(&SkipReason::QueueFull)
        || counts.skipped.contains_key(&SkipReason::TooLarge)
    {
        Some(CycleSkip::SpawnFailed)
    } else if world.resource::<States>().get(&world.resource::<Head>().0.root).is_none() {
        Some(CycleSkip::MissingState)
    } else {
        Some(CycleSkip::Other)
    }
}

/// The interval, since genesis, from which a slot's aggregates are published.
pub(super) const fn publication(slot: Slot) -> u64 {
    first_interval(slot).saturating_add(2)
}

/// Notes that a vote came in. Opens its slot's session before interval 2, once two thirds of the
/// expected votes are in on every subnet that the node gets: the smallest must not be left behind.
///
/// Called for each vote, so that the opening depends on the order of arrival alone.
pub fn note_attestation(world: &mut World, vote_slot: Slot, voter: ValidatorIndex) {
    let now = *world.resource::<CurrentInterval>();
    let slot = now.slot();
    if vote_slot != slot || !world.contains_resource::<EarlyAttestations>() {
        return;
    }
    let validators = world.resource::<Registry>().len() as u64;
    let is_enough = world.resource_scope(|world, mut votes: Mut<EarlyAttestations>| {
        if votes.slot != Some(slot) {
            *votes = EarlyAttestations::new(world.resource(), slot, validators);
        }
        votes.note(voter)
    });
    if is_enough
        && world.resource::<AggregationConfig>().early_start
        && now.interval() == Interval::Attest
        && !is_open(world, slot)
    {
        let session = open(world, slot);
        // Payloads come on another way: whether they were in already would show.
        let groups = snapshot_signatures(world, slot);
        add_jobs(world, session, slot, &groups);
        world.resource_mut::<AggregationHistory>().count(slot, |counts| counts.early += 1);
    }
}

/// Who has voted in a slot, for the early start.
#[derive(Resource, Debug, Default)]
pub struct EarlyAttestations {
    slot: Option<Slot>,
    voters: Coverage,
    committees: u64,
    /// For each expected subnet: which, how many have voted, how many there are.
    subnets: Vec<(u64, u64, u64)>,
}

impl EarlyAttestations {
    fn new(config: &AggregationConfig, slot: Slot, validators: u64) -> Self {
        let committees = config.committee_count.max(1);
        let members =
            |subnet: u64| validators / committees + u64::from(subnet < validators % committees);
        let subnets = config.expected_subnets().into_iter();
        Self {
            slot: Some(slot),
            voters: Coverage::default(),
            committees,
            subnets: subnets.map(|subnet| (subnet, 0, members(subnet))).collect(),
        }
    }

    /// Notes a voter. Whether two thirds have voted on every subnet.
    fn note(&mut self, voter: ValidatorIndex) -> bool {
        let subnet = voter % self.committees;
        if !self.voters.contains(voter)
            && let Some((_, voted, _)) = self.subnets.iter_mut().find(|(each, ..)| *each == subnet)
        {
            *voted += 1;
        }
        self.voters.insert(voter);
        !self.subnets.is_empty()
            && self.subnets.iter().all(|(_, voted, members)| 3 * voted >= 2 * members)
    }
}

/// Whether a session of this slot is current, and its deadline has not passed.
fn is_open(world: &World, slot: Slot) -> bool {
    world
        .resource::<CurrentSession>()
        .0
        .and_then(|session| world.get::<AggregationSession>(session))
        .is_some_and(|session| session.slot == slot && !session.is_cut)
}

/// Opens a session, in place of the current one if there is one.
fn open(world: &mut World, slot: Slot) -> Entity {
    if let Some(session) = world.resource::<CurrentSession>().0 {
        note_fruitless(world, session);
    }
    close(world, SkipReason::Replaced);
    let stragglers = world.resource::<ProverScheduler>().stragglers();
    if stragglers > 0 {
        tracing::warn!(slot, stragglers, "the prover still works on what was given up");
    }
    let opened_ms = world.resource::<UnixTime>().now_ms;
    let finalized_slot = world.resource::<Finalized>().0.slot;
    let session = world
        .spawn((
            AggregationSession { slot, opened_ms, is_cut: false },
            SessionState { finalized_slot, ..Default::default() },
        ))
        .id();
    world.resource_mut::<CurrentSession>().0 = Some(session);
    world.resource_mut::<AggregationHistory>().count(slot, |counts| counts.sessions += 1);
    session
}

/// Notes the duty as missed when a session that had work ends and nothing was published.
pub(super) fn note_fruitless(world: &mut World, session: Entity) {
    let (Some(state), Some(AggregationSession { slot, .. })) =
        (world.get::<SessionState>(session), world.get::<AggregationSession>(session).copied())
    else {
        return;
    };
    if state.has_published || jobs_of(world, session).is_empty() {
        return;
    }
    let (reason, why) = if state.has_failed {
        (MissReason::ProofFailed, "no proof could be made")
    } else {
        (MissReason::NotReady, "no proof was ready in time")
    };
    note_missed(world, slot, Duty::Aggregate, &[None], reason, why);
}

/// Closes the current session, if any; jobs that have not ended are given up.
pub fn close(world: &mut World, reason: SkipReason) {
    let Some(session) = world.resource_mut::<CurrentSession>().0.take() else { return };
    let Some(AggregationSession { slot, .. }) = world.get::<AggregationSession>(session).copied()
    else {
        return;
    };
    let given_up = jobs_of(world, session)
        .into_iter()
        .filter_map(|job| world.get::<SessionJob>(job))
        .filter(|job| matches!(job.progress, Progress::Pending))
        .count() as u64;
    let outcome = match world.get::<SessionState>(session) {
        Some(state) if given_up == 0 => SessionOutcome::of(&state.counts),
        _ => SessionOutcome::Replaced,
    };
    end(world, session, outcome);
    let mut history = world.resource_mut::<AggregationHistory>();
    if given_up > 0 {
        history.count(slot, |counts| {
            counts.replaced += 1;
            counts.cancelled += given_up;
        });
        history.skip(slot, reason, given_up);
    }
    // What waited is out of the line before others join it.
    run_prover(world);
}

/// Despawns a session with its jobs, and tells how it ended.
pub(super) fn end(world: &mut World, session: Entity, outcome: SessionOutcome) {
    let ended = world.get::<AggregationSession>(session).copied();
    world.despawn(session);
    let ended_ms = world.resource::<UnixTime>().now_ms;
    if let Some(AggregationSession { slot, opened_ms, .. }) = ended {
        world.write_message(SessionEnded { session, slot, opened_ms, ended_ms, outcome });
    }
}

/// The jobs of a session, the most valuable first.
pub(super) fn jobs_of(world: &World, session: Entity) -> Vec<Entity> {
    world.get::<SessionJobs>(session).map(|jobs| jobs.iter().collect()).unwrap_or_default()
}

/// What the session's jobs work on.
fn claimed_inputs(world: &World, session: Entity) -> HashSet<Entity> {
    jobs_of(world, session)
        .into_iter()
        .filter_map(|job| world.get::<SessionJob>(job))
        .filter(|job| !matches!(job.progress, Progress::Done))
        .flat_map(|job| job.inputs.iter().copied())
        .collect()
}

/// Plans the groups and queues the jobs. Returns the payloads of votes that one of them covers
/// already.
fn add_jobs(world: &mut World, session: Entity, slot: Slot, groups: &[Group]) -> Vec<Entity> {
    let max_signers = max_signers(&*world.resource::<Proofs>().0);
    let SessionPlan { jobs, skipped } = plan_on_head(world, groups, slot, max_signers);

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
    let mut prepared = 0;
    for Planned { group, job } in jobs {
        let inputs = replaced_inputs(&groups[group], &job);
        match start(world, session, slot, group, Arc::new(job), inputs) {
            Ok(()) => prepared += 1,
            Err(refused) => {
                tracing::warn!(slot, %refused, "a vote is not aggregated");
                skip(match refused {
                    Refused::QueueFull(_) => SkipReason::QueueFull,
                    Refused::TooLarge { .. } => SkipReason::TooLarge,
                });
            }
        }
    }
    tally.prepared = prepared;
    if let Some(mut state) = world.get_mut::<SessionState>(session) {
        state.counts.add(&tally);
    }
    world.resource_mut::<AggregationHistory>().add(slot, &tally);
    lone
}

/// The pool's entities that a job's proof makes superfluous.
fn replaced_inputs(group: &Group, job: &AggregationJob) -> Vec<Entity> {
    let coverage = job.coverage();
    let evidence = &group.evidence;
    let payloads = group.payloads.iter().zip(&evidence.new).filter_map(|(entity, payload)| {
        let covers = Coverage::of(&payload.participants).count_beyond(&coverage) == 0;
        covers.then_some(*entity)
    });
    let signatures = group.signatures.iter().zip(&evidence.signatures);
    let signatures =
        signatures.filter_map(|(entity, (index, _))| coverage.contains(*index).then_some(*entity));
    payloads.chain(signatures).collect()
}

fn start(
    world: &mut World,
    session: Entity,
    slot: Slot,
    place: usize,
    job: Arc<AggregationJob>,
    inputs: Vec<Entity>,
) -> Result<(), Refused> {
    let (registry, proofs) =
        (world.resource::<Registry>().clone(), world.resource::<Proofs>().clone());
    let committees = world.resource::<AggregationConfig>().committee_count;
    let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
    let on_timeline = ProverJob {
        kind: ProverKind::Aggregation,
        slot,
        children: count(job.children.len()),
        signatures: count(job.signatures.len()),
        subnet: job.subnet(committees),
        memory_bytes: proofs.0.working_bytes(job.bytes()),
    };
    let (input, metrics) = (Arc::clone(&job), Metrics::of(world));
    let (timeline, work) = submit(world, on_timeline, summarize, move |cancel| {
        let began = Instant::now();
        let made = input.run(&registry, &*proofs.0, &CancelToken::from(cancel.flag()));
        if let Ok(aggregate) = &made {
            let votes = aggregate.participants.count();
            metrics.signatures.note_aggregate(votes, began.elapsed());
        }
        made
    })?;
    let (progress, is_late) = (Progress::Pending, false);
    world.spawn((
        SessionJob { job, place, inputs, timeline, work, progress, is_late },
        JobOf(session),
    ));
    Ok(())
}

fn summarize(outcome: &Result<SingleMessageAggregate, ProveError>) -> ProverStatus {
    match outcome {
        Ok(aggregate) => ProverStatus::Proved { bytes: aggregate.proof.as_bytes().len() },
        Err(ProveError::Cancelled) => ProverStatus::Cancelled,
        Err(error) => ProverStatus::Failed(error.to_string()),
    }
}

/// leanSpec's round replaces the new payloads: those of a vote that it makes no proof for go. Own
/// ones stay: there, where a proof takes no time, none is left over from an earlier round.
fn drop_lone_payloads(world: &mut World, mut lone: Vec<Entity>) {
    lone.retain(|payload| world.get::<Own>(*payload).is_none());
    pool::drop_inputs(world, &lone);
}
