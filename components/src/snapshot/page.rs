//! Data for the node's page besides the chain, updated once per interval.

use bevy_ecs::prelude::Entity;

use crate::{
    clock::IntervalRecord,
    containers::Slot,
    duties::DutyRecord,
    prover::{ProverJob, ProverPhase, ProverStatus, ProverTimes},
    warnings::Warning,
};

/// The newest slots, intervals and duties.
#[derive(Clone, Debug, Default)]
pub struct PageView {
    /// The intervals, oldest first.
    pub intervals: Vec<IntervalRecord>,
    /// Aggregation sessions, oldest first.
    pub sessions: Vec<SessionView>,
    /// Ended duties, in the order in which they ended.
    pub duties: Vec<DutyRecord>,
    /// Active warnings.
    pub warnings: Vec<Warning>,
}

/// An aggregation session, or the proofs of a slot without one.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Its entity; absent if there was no session.
    pub session: Option<Entity>,
    /// The slot whose attestations it aggregates.
    pub slot: Slot,
    /// The time at which it was opened, in Unix milliseconds.
    pub opened_ms: u64,
    /// The time at which its proofs begin to be published, in Unix milliseconds.
    pub boundary_ms: u64,
    /// The time until which it starts jobs, in Unix milliseconds.
    pub deadline_ms: u64,
    /// The way in which it ended, if it has ended.
    pub outcome: SessionEnd,
    /// Its jobs and the slot's other jobs, in the order of the requests.
    pub jobs: Vec<JobView>,
}

impl SessionView {
    /// Returns true if a job ended after the deadline.
    pub fn is_late(&self, job: &JobView) -> bool {
        job.times.finished_ms.is_some_and(|finished_ms| finished_ms > self.deadline_ms)
    }
}

/// The way in which a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// It has not ended.
    Open,
    /// Every proof was made before the deadline.
    Published,
    /// Every proof was made, one of them after the deadline.
    Late,
    /// The deadline passed, another session opened, or the role ended before some proof was ready.
    Cut,
    /// Some proof failed.
    Failed,
    /// It had no job.
    Empty,
}

/// A job of the prover.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its purpose.
    pub job: ProverJob,
    /// The times at which it was requested, began and ended.
    pub times: ProverTimes,
    /// Its state.
    pub status: ProverStatus,
    /// The phases that have begun, if it reports phases.
    pub phases: Vec<ProverPhase>,
}
