//! The prover's timeline: every job as an entity, from queued to finished.

use std::borrow::Cow;

use bevy_ecs::prelude::*;

use crate::containers::Slot;

/// The purpose of a job. Earlier kinds have priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProverKind {
    /// The proof of an own block.
    Proposal,
    /// An aggregate of a session.
    Aggregation,
    /// Payloads split from an imported block's proof.
    Reaggregation,
}

impl ProverKind {
    /// Every kind, in order of priority.
    pub const ALL: [Self; 3] = [Self::Proposal, Self::Aggregation, Self::Reaggregation];

    /// Its name in metrics and on the node's page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposal => "proposal",
            Self::Aggregation => "aggregation",
            Self::Reaggregation => "reaggregation",
        }
    }
}

/// A job of the prover. Its entity stays for [`TIMELINE_SLOTS`] after the job has ended.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
#[require(ProverTimes, ProverPhases, ProverStatus)]
pub struct ProverJob {
    /// Its purpose.
    pub kind: ProverKind,
    /// The slot that it belongs to.
    pub slot: Slot,
    /// The number of proofs among its inputs.
    pub children: u32,
    /// The number of signatures among its inputs.
    pub signatures: u32,
    /// The attestation subnet of the signers, if all are of one and the subnet matters.
    pub subnet: Option<u64>,
    /// The memory that it is expected to need while it runs, in bytes.
    pub memory_bytes: usize,
}

/// The times at which a job was queued, started and finished, in Unix milliseconds.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProverTimes {
    /// Its number in the order of the requests, from 1.
    pub number: u64,
    /// The time at which it was requested.
    pub queued_ms: u64,
    /// The time at which it got a permit.
    pub started_ms: Option<u64>,
    /// The time at which the node noticed that it had ended.
    pub finished_ms: Option<u64>,
}

/// The phases of a job that have begun, as its proof system named them: a few dozen at most, and
/// none if it names none.
#[derive(Component, Clone, Debug, Default, PartialEq, Eq)]
pub struct ProverPhases(pub Vec<ProverPhase>);

/// A phase of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProverPhase {
    /// Its name.
    pub name: Cow<'static, str>,
    /// The time at which it began, in Unix milliseconds: after the job's start by the prover's own
    /// clock.
    pub began_ms: u64,
}

/// The state of a job.
#[derive(Component, Clone, Debug, Default, PartialEq, Eq)]
pub enum ProverStatus {
    /// It waits for a permit.
    #[default]
    Queued,
    /// It holds a permit.
    Running,
    /// It made proofs with this total size.
    Proved {
        /// The total size in bytes.
        bytes: usize,
    },
    /// It made no proof; the reason.
    Failed(String),
    /// It was cancelled, before it began or while it ran.
    Cancelled,
    /// It made proofs that are no longer needed.
    Abandoned,
    /// It panicked.
    Panicked,
}

impl ProverStatus {
    /// Returns true if the job neither waits nor runs.
    pub const fn has_ended(&self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A proof was made that is no longer needed, because its owner cancelled it while it ran.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofAbandoned {
    /// Its purpose.
    pub kind: ProverKind,
    /// Its slot.
    pub slot: Slot,
}

/// The number of slots for which ended jobs stay on the timeline.
pub const TIMELINE_SLOTS: u64 = 64;
/// The largest number of jobs on the timeline. Beyond it the oldest ended jobs are dropped.
pub const TIMELINE_JOBS: usize = 4096;

/// The resources that the prover may use.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProverLimits {
    /// The number of jobs that may run at once, at least one.
    pub permits: usize,
    /// The memory in bytes that running jobs may need together. A job that needs more by itself is
    /// refused.
    pub memory_bytes: usize,
    /// The number of jobs that may wait. Beyond it, a job of a kind with higher priority replaces
    /// the last in the queue; any other job is refused.
    pub queue: usize,
}

impl Default for ProverLimits {
    /// One job fewer than there are cores, so that one core is left for the intervals; 256 MiB; 256
    /// waiting jobs.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { permits: (cores - 1).max(1), memory_bytes: 256 << 20, queue: 256 }
    }
}
