//! What the node's page shows beside the chain: looked at once an interval.

use bevy_ecs::prelude::Entity;

use crate::{
    clock::IntervalRecord,
    containers::Slot,
    duties::DutyRecord,
    prover::{ProverJob, ProverStatus, ProverTimes},
    warnings::Warning,
};

/// The newest slots, intervals and duties.
#[derive(Clone, Debug, Default)]
pub struct PageView {
    /// What intervals did, oldest first.
    pub intervals: Vec<IntervalRecord>,
    /// Aggregation sessions, oldest first.
    pub sessions: Vec<SessionView>,
    /// How duties ended, in that order.
    pub duties: Vec<DutyRecord>,
    /// What an operator should look at.
    pub warnings: Vec<Warning>,
}

/// An aggregation session, or what the prover was asked for in a slot without one.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// What names it; absent where there was none.
    pub session: Option<Entity>,
    /// The slot whose votes it is about.
    pub slot: Slot,
    /// When it was opened, in Unix milliseconds.
    pub opened_ms: u64,
    /// From when on its proofs are published, in Unix milliseconds.
    pub boundary_ms: u64,
    /// Until when it starts jobs, in Unix milliseconds.
    pub deadline_ms: u64,
    /// How it ended, if it has.
    pub outcome: SessionEnd,
    /// Its jobs and the slot's other ones, in the order of asking.
    pub jobs: Vec<JobView>,
}

impl SessionView {
    /// Whether a job ended after the deadline.
    pub fn is_late(&self, job: &JobView) -> bool {
        job.times.finished_ms.is_some_and(|finished_ms| finished_ms > self.deadline_ms)
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// It has not.
    Open,
    /// Every proof was made before the deadline.
    Published,
    /// Every proof was made, one of them after the deadline.
    Late,
    /// The deadline, another session or the end of the role came before some proof.
    Cut,
    /// Some proof failed.
    Failed,
    /// It had nothing to do.
    Empty,
}

/// What the prover was asked for.
#[derive(Clone, Debug)]
pub struct JobView {
    /// What for.
    pub job: ProverJob,
    /// When it was asked for, began and ended.
    pub times: ProverTimes,
    /// How far it is.
    pub status: ProverStatus,
}
