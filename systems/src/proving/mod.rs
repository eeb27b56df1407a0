//! The line for the prover: proposals before aggregation before re-aggregation, permits and a memory
//! budget, and a timeline of every job.
//!
//! A job waits in line until it gets a permit; the line is served by kind, then in the order of
//! asking, and nothing overtakes a job that waits for memory. A proposal may run beside as many jobs
//! as there are permits. Work that has begun is not interrupted for work that goes first: it is asked
//! to stop when its owner gives it up or it has run for [`MAX_RUN_MS`], and holds its permit until it
//! does, for [`STRAGGLER_MS`] at most. Then its permit is written off and lent anew, while the memory
//! that it holds stays counted. As many permits may be written off at a time as there are; a job that
//! ends after all gives its own back.

mod line;
mod scheduler;
mod shutdown;
mod timeline;

pub use line::{ProverLine, run_prover};
pub use scheduler::{MAX_RUN_MS, ProverScheduler, STRAGGLER_MS};
pub use shutdown::{JoinTimeout, join_prover};
pub use timeline::prune_timeline;

/// Why a job was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The line is full of jobs that go first, or as soon.
    #[error("the prover's queue is full: {0} jobs wait")]
    QueueFull(usize),
    /// It needs more memory than all jobs together may.
    #[error("the job needs {needs} bytes, the prover's budget is {budget}")]
    TooLarge {
        /// Bytes that it needs.
        needs: usize,
        /// Bytes that there are.
        budget: usize,
    },
}
