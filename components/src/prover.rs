//! The prover's timeline: every job as an entity, from queued to finished.

use bevy_ecs::prelude::*;

use crate::containers::Slot;

/// What a job is for. Earlier kinds go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProverKind {
    /// The proof of an own block.
    Proposal,
    /// An aggregate of a session.
    Aggregation,
    /// Payloads from an imported block's proof.
    Reaggregation,
}

impl ProverKind {
    /// Every kind, first served first.
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

/// A job of the prover; its entity outlives the job by [`TIMELINE_SLOTS`].
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
#[require(ProverTimes, ProverStatus)]
pub struct ProverJob {
    /// What for.
    pub kind: ProverKind,
    /// The slot that it belongs to.
    pub slot: Slot,
    /// How many proofs go in.
    pub children: u32,
    /// How many signatures go in.
    pub signatures: u32,
    /// The attestation subnet of the signers, when all are of one and it matters.
    pub subnet: Option<u64>,
    /// Bytes that it is expected to need while it runs.
    pub memory_bytes: usize,
}

/// When a job was queued, started and finished, in Unix milliseconds.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProverTimes {
    /// Its number in the order of asking, from 1.
    pub number: u64,
    /// When it was asked for.
    pub queued_ms: u64,
    /// When it got a permit.
    pub started_ms: Option<u64>,
    /// When the node saw that it had ended.
    pub finished_ms: Option<u64>,
}

/// How far a job is.
#[derive(Component, Clone, Debug, Default, PartialEq, Eq)]
pub enum ProverStatus {
    /// It waits for a permit.
    #[default]
    Queued,
    /// It holds a permit.
    Running,
    /// It made proofs of this many bytes together.
    Proved {
        /// Their bytes.
        bytes: usize,
    },
    /// It made none.
    Failed(String),
    /// It was given up, before it began or while it ran.
    Cancelled,
    /// It made proofs that nobody waits for any more.
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

/// A proof was made that nobody waited for any more: its owner gave it up while it ran.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofAbandoned {
    /// What it was for.
    pub kind: ProverKind,
    /// The slot that it belonged to.
    pub slot: Slot,
}

/// Slots for which ended jobs stay on the timeline.
pub const TIMELINE_SLOTS: u64 = 64;
/// Jobs on the timeline at most; the oldest that have ended go first.
pub const TIMELINE_JOBS: usize = 4096;

/// What the prover may use.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProverLimits {
    /// Jobs that run at once, at least one.
    pub permits: usize,
    /// Bytes that running jobs may need together. A job that alone needs more is refused.
    pub memory_bytes: usize,
    /// Jobs that wait at most. One more of a kind that goes first takes the place of the last in
    /// line; any other is refused.
    pub queue: usize,
}

impl Default for ProverLimits {
    /// A core less than there are, so that a proof leaves one to the ticks; 256 MiB; 256 jobs.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { permits: (cores - 1).max(1), memory_bytes: 256 << 20, queue: 256 }
    }
}
