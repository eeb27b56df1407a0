//! Aggregation sessions: an entity a session, an entity and a task a job.
//!
//! At most one session is current; what others still bring changes a counter and nothing else.

use std::{collections::HashSet, sync::Arc};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    aggregation::{
        AggregationCounts, AggregationHistory, AggregationSession, CurrentSession, SessionEnded,
        SessionOutcome, SkipReason,
    },
    clock::{Deadline, UnixTime, first_interval},
    containers::{SignedAggregatedAttestation, SingleMessageAggregate, Slot},
    duties::{Duty, DutyEnded, DutyOutcome, MissReason},
    messages::AggregateProduced,
    task::Work,
};
use quintet_prover::ProveError;

use crate::{pool::AggregationJob, proving::ProverLine};

/// What a session has in hand beside its jobs.
#[derive(Component, Clone, Debug, Default)]
pub(super) struct SessionState {
    /// The finalized slot when it opened: attestations are looked at again once it has advanced.
    pub finalized_slot: Slot,
    /// True once interval 2 has added its jobs: no more are to come.
    pub is_complete: bool,
    /// True once a proof failed.
    pub has_failed: bool,
    /// True once something was published.
    pub has_published: bool,
    /// What has come of its jobs.
    pub counts: AggregationCounts,
}

/// One proof of a session. Despawning it before it has ended gives the work up.
#[derive(Component, Debug)]
pub(super) struct SessionJob {
    /// What it is made of.
    pub job: Arc<AggregationJob>,
    /// The attestation's place in the pools' order when the job was planned.
    pub place: usize,
    /// The payloads and signatures that the proof replaces.
    pub inputs: Vec<Entity>,
    /// Its entity on the prover's timeline.
    pub timeline: Entity,
    /// Its work.
    pub work: Work<Result<SingleMessageAggregate, ProveError>>,
    /// How far it is.
    pub progress: Progress,
    /// True if it ran past the deadline.
    pub is_late: bool,
}

impl SessionJob {
    pub(super) const fn has_ended(&self) -> bool {
        !matches!(self.progress, Progress::Pending)
    }
}

/// How far a session's job is.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    /// It waits or runs.
    Pending,
    /// It made a proof.
    Proved(Proved),
    /// It was given up or failed.
    Fruitless,
}

/// A proof on its way to the pool and to the network.
#[derive(Clone, Debug)]
pub(super) struct Proved {
    /// The proof.
    pub proof: Arc<SingleMessageAggregate>,
    /// Its way to the network.
    pub publication: Publication,
    /// Its way to the pool.
    pub pooling: Pooling,
}

impl Proved {
    pub(super) const fn new(proof: Arc<SingleMessageAggregate>) -> Self {
        Self { proof, publication: Publication::Due, pooling: Pooling::Due }
    }
}

/// A proof's way to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publication {
    /// It is to be published.
    Due,
    /// It waits for the proof of this job, which takes its place.
    Held(Entity),
    /// It is published, or is not to be.
    Settled,
}

/// A proof's way to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// It is to take the place of its inputs.
    Due,
    /// It is this payload.
    Pooled(Entity),
    /// The pool has no use for it.
    Unwanted,
}

/// The session that a job belongs to.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = SessionJobs)]
pub struct JobOf(pub Entity);

/// The jobs of a session, the most valuable first.
#[derive(Component, Debug)]
#[relationship_target(relationship = JobOf, linked_spawn)]
pub struct SessionJobs(Vec<Entity>);

/// The interval, since genesis, from which a slot's aggregates are published.
pub(super) const fn publication(slot: Slot) -> u64 {
    first_interval(slot).saturating_add(2)
}

/// The sessions, their jobs and what is counted of them. A session or job that a system adds is
/// found by queries once its commands are applied.
#[derive(SystemParam)]
pub struct Sessions<'w, 's> {
    pub(super) commands: Commands<'w, 's>,
    pub(super) history: ResMut<'w, AggregationHistory>,
    pub(super) jobs: Query<'w, 's, &'static mut SessionJob>,
    current: ResMut<'w, CurrentSession>,
    sessions: Query<
        'w,
        's,
        (
            &'static mut AggregationSession,
            &'static mut SessionState,
            Option<&'static Deadline>,
            Option<&'static SessionJobs>,
        ),
    >,
    time: Res<'w, UnixTime>,
    told: Told<'w>,
}

/// What sessions tell others.
#[derive(SystemParam)]
struct Told<'w> {
    produced: MessageWriter<'w, AggregateProduced>,
    sessions: MessageWriter<'w, SessionEnded>,
    duties: MessageWriter<'w, DutyEnded>,
}

impl Sessions<'_, '_> {
    /// The current session and its slot, if there is one.
    pub(super) fn current(&self) -> Option<(Entity, Slot)> {
        let session = self.current.0?;
        let (AggregationSession { slot, .. }, ..) = self.sessions.get(session).ok()?;
        Some((session, *slot))
    }

    /// The current session, when it is of this slot and its deadline has not passed.
    pub(super) fn open_of(&self, slot: Slot) -> Option<Entity> {
        let session = self.current.0?;
        let (AggregationSession { slot: its, is_cut, .. }, ..) = self.sessions.get(session).ok()?;
        (*its == slot && !is_cut).then_some(session)
    }

    /// A session's state; none for one that was opened just now.
    pub(super) fn state(&self, session: Entity) -> Option<&SessionState> {
        self.sessions.get(session).ok().map(|(_, state, ..)| state)
    }

    /// A session's state, to change.
    pub(super) fn state_mut(&mut self, session: Entity) -> Option<Mut<'_, SessionState>> {
        self.sessions.get_mut(session).ok().map(|(_, state, ..)| state)
    }

    /// The jobs of a session, the most valuable first.
    pub(super) fn jobs_of(&self, session: Entity) -> Vec<Entity> {
        let jobs = self.sessions.get(session).ok().and_then(|(.., jobs)| jobs);
        jobs.map(|jobs| jobs.iter().collect()).unwrap_or_default()
    }

    /// What the session's jobs work on.
    pub(super) fn claimed_inputs(&self, session: Entity) -> HashSet<Entity> {
        self.jobs
            .iter_many(self.jobs_of(session))
            .flatten()
            .filter(|job| !matches!(job.progress, Progress::Fruitless))
            .flat_map(|job| job.inputs.iter().copied())
            .collect()
    }

    /// Counts what has come of a session's jobs, for it, for its slot and for all.
    pub(super) fn count(&mut self, session: Entity, slot: Slot, counts: &AggregationCounts) {
        if *counts == AggregationCounts::default() {
            return;
        }
        if let Some(mut state) = self.state_mut(session) {
            state.counts.add(counts);
        }
        self.history.add(slot, counts);
    }

    /// Opens a session, in place of the current one if there is one. Its state is to be given
    /// with [`Self::begin`].
    pub(super) fn open(&mut self, line: &mut ProverLine<'_, '_>, slot: Slot) -> Entity {
        if let Some((session, _)) = self.current() {
            self.note_fruitless(session);
        }
        self.close(line, SkipReason::Replaced);
        let stragglers = line.stragglers();
        if stragglers > 0 {
            tracing::warn!(slot, stragglers, "the prover still works on what was given up");
        }
        let opened_ms = self.time.now_ms;
        let session = AggregationSession { slot, opened_ms, is_cut: false };
        let session = self.commands.spawn(session).id();
        self.current.0 = Some(session);
        self.history.count(slot, |counts| counts.sessions += 1);
        session
    }

    /// Gives a session that was opened just now its state and these counts.
    pub(super) fn begin(
        &mut self,
        session: Entity,
        slot: Slot,
        state: SessionState,
        counts: AggregationCounts,
    ) {
        self.history.add(slot, &counts);
        self.commands.entity(session).insert(SessionState { counts, ..state });
    }

    /// Gives a session this much time from now on, or from `boundary_ms` when that is later. Returns
    /// the end of it, in Unix milliseconds.
    pub(super) fn set_deadline(
        &mut self,
        session: Entity,
        boundary_ms: u64,
        deadline_ms: u64,
    ) -> u64 {
        // A node that wakes late has its time from then on.
        let at_ms = boundary_ms.max(self.time.now_ms).saturating_add(deadline_ms);
        self.commands.entity(session).insert(Deadline { at_ms });
        at_ms
    }

    /// Passes a session's deadline, when it is due. Returns true if it passes now.
    pub(super) fn pass_deadline(&mut self, session: Entity) -> bool {
        let now_ms = self.time.now_ms;
        let Ok((mut open, _, Some(deadline), _)) = self.sessions.get_mut(session) else {
            return false;
        };
        if now_ms < deadline.at_ms {
            return false;
        }
        open.is_cut = true;
        // The runner need not wake for it again.
        self.commands.entity(session).remove::<Deadline>();
        true
    }

    /// Returns true if the session's deadline has passed.
    pub(super) fn is_cut(&self, session: Entity) -> bool {
        self.sessions.get(session).is_ok_and(|(session, ..)| session.is_cut)
    }

    /// Publishes the proofs that are due. A late one that cannot count any more stays here. With its
    /// first proof published the session's duty is done.
    pub(super) fn publish(
        &mut self,
        session: Entity,
        slot: Slot,
        interval: u64,
        tally: &mut AggregationCounts,
    ) {
        let still_counts = interval < first_interval(slot).saturating_add(4);
        let before = tally.published;
        for job in self.jobs_of(session) {
            let Ok(mut job) = self.jobs.get_mut(job) else { continue };
            let SessionJob { job, progress, is_late, .. } = &mut *job;
            let Progress::Proved(proved) = progress else { continue };
            if proved.publication != Publication::Due {
                continue;
            }
            proved.publication = Publication::Settled;
            if *is_late && !still_counts {
                tally.unpublished += 1;
                continue;
            }
            tally.published += 1;
            let proof = SingleMessageAggregate::clone(&proved.proof);
            let signed = SignedAggregatedAttestation { data: job.data, proof };
            self.told.produced.write(AggregateProduced(Arc::new(signed)));
        }
        if tally.published > before
            && let Some(mut state) = self.state_mut(session)
            && !std::mem::replace(&mut state.has_published, true)
        {
            self.end_duty(slot, DutyOutcome::Done, "");
        }
    }

    /// Tells how the slot's duty ended.
    pub(super) fn end_duty(&mut self, slot: Slot, outcome: DutyOutcome, why: &str) {
        self.told.duties.write(DutyEnded {
            slot,
            duty: Duty::Aggregate,
            validators: vec![None],
            outcome,
            why: why.into(),
        });
    }

    /// Ends a session whose jobs have all ended.
    pub(super) fn finish(&mut self, session: Entity) {
        self.note_fruitless(session);
        self.current.0 = None;
        let outcome = self.state(session).map(|state| SessionOutcome::of(&state.counts));
        self.end(session, outcome.unwrap_or(SessionOutcome::Empty));
    }

    /// Closes the current session, if any; jobs that have not ended are given up.
    pub(super) fn close(&mut self, line: &mut ProverLine<'_, '_>, reason: SkipReason) {
        let Some((session, slot)) = self.current() else {
            self.current.0 = None;
            return;
        };
        self.current.0 = None;
        let mut given_up = 0;
        let jobs = self.jobs.iter_many(self.jobs_of(session)).flatten();
        for job in jobs.filter(|job| !job.has_ended()) {
            // Its handle goes with its entity, which is later than the line is looked at.
            job.work.cancel();
            given_up += 1;
        }
        let outcome = match self.state(session) {
            Some(state) if given_up == 0 => SessionOutcome::of(&state.counts),
            _ => SessionOutcome::Replaced,
        };
        self.end(session, outcome);
        if given_up > 0 {
            self.history.count(slot, |counts| {
                counts.replaced += 1;
                counts.cancelled += given_up;
            });
            self.history.skip(slot, reason, given_up);
        }
        // What waited is out of the line before others join it.
        line.run();
    }

    /// Notes the duty as missed when a session that had work ends and nothing was published.
    fn note_fruitless(&mut self, session: Entity) {
        let Ok((AggregationSession { slot, .. }, state, _, Some(_))) = self.sessions.get(session)
        else {
            return;
        };
        let (slot, has_failed) = (*slot, state.has_failed);
        if state.has_published {
            return;
        }
        let (reason, why) = if has_failed {
            (MissReason::ProofFailed, "no proof could be made")
        } else {
            (MissReason::NotReady, "no proof was ready in time")
        };
        self.end_duty(slot, DutyOutcome::Missed(reason), why);
    }

    /// Despawns a session with its jobs, and tells how it ended.
    fn end(&mut self, session: Entity, outcome: SessionOutcome) {
        if let Ok((AggregationSession { slot, opened_ms, .. }, ..)) = self.sessions.get(session) {
            let (slot, opened_ms, ended_ms) = (*slot, *opened_ms, self.time.now_ms);
            self.told.sessions.write(SessionEnded { session, slot, opened_ms, ended_ms, outcome });
        }
        self.commands.entity(session).despawn();
    }
}

/// Stopping: the current session is given up.
pub fn give_up_session(mut sessions: Sessions, mut line: ProverLine) {
    sessions.close(&mut line, SkipReason::Replaced);
}
