//! Aggregation sessions: one entity per session, one entity and one task per job.
//!
//! At most one session is current. Results of other sessions change only a counter.

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

/// The state of a session besides its jobs.
#[derive(Component, Clone, Debug, Default)]
pub(super) struct SessionState {
    /// The finalized slot when it opened. Attestations are checked again if finality has advanced.
    pub finalized_slot: Slot,
    /// True once interval 2 has added its jobs, after which no more are added.
    pub is_complete: bool,
    /// True once a proof failed.
    pub has_failed: bool,
    /// True once one of its proofs was published.
    pub has_published: bool,
    /// The counts of its jobs.
    pub counts: AggregationCounts,
}

/// One proof of a session. Despawning it before it has ended cancels it.
#[derive(Component, Debug)]
pub(super) struct SessionJob {
    /// Its inputs.
    pub job: Arc<AggregationJob>,
    /// The attestation's position in the pools' order when the job was planned.
    pub place: usize,
    /// The payloads and signatures that the proof replaces.
    pub inputs: Vec<Entity>,
    /// Its entity on the prover's timeline.
    pub timeline: Entity,
    /// Its task.
    pub work: Work<Result<SingleMessageAggregate, ProveError>>,
    /// Its progress.
    pub progress: Progress,
    /// True if it ran past the deadline.
    pub is_late: bool,
}

impl SessionJob {
    pub(super) const fn has_ended(&self) -> bool {
        !matches!(self.progress, Progress::Pending)
    }
}

/// The progress of a session's job.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    /// It is waiting or running.
    Pending,
    /// It made a proof.
    Proved(Proved),
    /// It was cancelled or failed.
    Fruitless,
}

/// A proof to be put into the pool and published.
#[derive(Clone, Debug)]
pub(super) struct Proved {
    /// The proof.
    pub proof: Arc<SingleMessageAggregate>,
    /// The state of its publication.
    pub publication: Publication,
    /// The state of its way into the pool.
    pub pooling: Pooling,
}

impl Proved {
    pub(super) const fn new(proof: Arc<SingleMessageAggregate>) -> Self {
        Self { proof, publication: Publication::Due, pooling: Pooling::Due }
    }
}

/// The state of a proof's publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publication {
    /// It has to be published.
    Due,
    /// It waits for the proof of this job, which replaces it.
    Held(Entity),
    /// It was published, or will not be.
    Settled,
}

/// The state of a proof's way into the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// It has to replace its inputs.
    Due,
    /// It is this payload.
    Pooled(Entity),
    /// The pool did not accept it.
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

/// The sessions, their jobs and their counts. A session or job that a system adds is found by
/// queries once its commands are applied.
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

/// The messages of sessions.
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

    /// The current session, if it is of this slot and its deadline has not passed.
    pub(super) fn open_of(&self, slot: Slot) -> Option<Entity> {
        let session = self.current.0?;
        let (AggregationSession { slot: its, is_cut, .. }, ..) = self.sessions.get(session).ok()?;
        (*its == slot && !is_cut).then_some(session)
    }

    /// A session's state; `None` for one that was opened just now.
    pub(super) fn state(&self, session: Entity) -> Option<&SessionState> {
        self.sessions.get(session).ok().map(|(_, state, ..)| state)
    }

    /// A session's state, mutable.
    pub(super) fn state_mut(&mut self, session: Entity) -> Option<Mut<'_, SessionState>> {
        self.sessions.get_mut(session).ok().map(|(_, state, ..)| state)
    }

    /// The jobs of a session, the most valuable first.
    pub(super) fn jobs_of(&self, session: Entity) -> Vec<Entity> {
        let jobs = self.sessions.get(session).ok().and_then(|(.., jobs)| jobs);
        jobs.map(|jobs| jobs.iter().collect()).unwrap_or_default()
    }

    /// The inputs of the session's jobs.
    pub(super) fn claimed_inputs(&self, session: Entity) -> HashSet<Entity> {
        self.jobs
            .iter_many(self.jobs_of(session))
            .flatten()
            .filter(|job| !matches!(job.progress, Progress::Fruitless))
            .flat_map(|job| job.inputs.iter().copied())
            .collect()
    }

    /// Adds the counts of a session's jobs to the session, to its slot and to the sum.
    pub(super) fn count(&mut self, session: Entity, slot: Slot, counts: &AggregationCounts) {
        if *counts == AggregationCounts::default() {
            return;
        }
        if let Some(mut state) = self.state_mut(session) {
            state.counts.add(counts);
        }
        self.history.add(slot, counts);
    }

    /// Opens a session and closes the current one, if there is one. Its state is set with
    /// [`Self::begin`].
    pub(super) fn open(&mut self, line: &mut ProverLine<'_, '_>, slot: Slot) -> Entity {
        if let Some((session, _)) = self.current() {
            self.note_fruitless(session);
        }
        self.close(line, SkipReason::Replaced);
        let stragglers = line.stragglers();
        if stragglers > 0 {
            tracing::warn!(slot, stragglers, "the prover still works on cancelled jobs");
        }
        let opened_ms = self.time.now_ms;
        let session = AggregationSession { slot, opened_ms, is_cut: false };
        let session = self.commands.spawn(session).id();
        self.current.0 = Some(session);
        self.history.count(slot, |counts| counts.sessions += 1);
        session
    }

    /// Sets the state and counts of a session that was opened just now.
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

    /// Sets a session's deadline to this time after now, or after `boundary_ms` if that is later.
    /// Returns the deadline in Unix milliseconds.
    pub(super) fn set_deadline(
        &mut self,
        session: Entity,
        boundary_ms: u64,
        deadline_ms: u64,
    ) -> u64 {
        // A node that wakes late has the full time from then on.
        let at_ms = boundary_ms.max(self.time.now_ms).saturating_add(deadline_ms);
        self.commands.entity(session).insert(Deadline { at_ms });
        at_ms
    }

    /// Marks a session's deadline as passed, if it has passed. Returns true if it was marked now.
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

    /// Publishes the proofs that are due. A late one that can no longer count is not published. The
    /// session's duty is done with its first published proof.
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

    /// Writes how the slot's duty ended.
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

    /// Closes the current session, if any. Jobs that have not ended are cancelled.
    pub(super) fn close(&mut self, line: &mut ProverLine<'_, '_>, reason: SkipReason) {
        let Some((session, slot)) = self.current() else {
            self.current.0 = None;
            return;
        };
        self.current.0 = None;
        let mut given_up = 0;
        let jobs = self.jobs.iter_many(self.jobs_of(session)).flatten();
        for job in jobs.filter(|job| !job.has_ended()) {
            // Its handle is dropped with its entity, which is after the queue runs.
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
        // Cancelled jobs leave the queue before others join it.
        line.run();
    }

    /// Notes the duty as missed if a session that had work ends without publishing.
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

    /// Despawns a session with its jobs, and writes how it ended.
    fn end(&mut self, session: Entity, outcome: SessionOutcome) {
        if let Ok((AggregationSession { slot, opened_ms, .. }, ..)) = self.sessions.get(session) {
            let (slot, opened_ms, ended_ms) = (*slot, *opened_ms, self.time.now_ms);
            self.told.sessions.write(SessionEnded { session, slot, opened_ms, ended_ms, outcome });
        }
        self.commands.entity(session).despawn();
    }
}

/// Cancels the current session when the node stops.
pub fn give_up_session(mut sessions: Sessions, mut line: ProverLine) {
    sessions.close(&mut line, SkipReason::Replaced);
}
