//! The prover's queue: proposals before aggregation before re-aggregation, permits and a memory
//! budget, and a timeline of all jobs.
//!
//! A job waits until it gets a permit. Jobs are served by kind, then in the order of the requests,
//! and no job overtakes one that waits for memory. A proposal may run beside as many jobs as there
//! are permits. Running work is not interrupted for a job of higher priority. A job is asked to
//! stop when its owner cancels it or when it has run for [`MAX_RUN_MS`]. It keeps its permit until
//! it stops, but at most for [`STRAGGLER_MS`]: then its permit is written off and given to another
//! job, while its memory stays reserved. At most as many permits as there are may be written off at
//! a time. If such a job ends after all, its permit returns.

mod line;
mod scheduler;
mod shutdown;
mod timeline;

pub use line::{ProverLine, has_jobs, run_prover};
pub use scheduler::{MAX_RUN_MS, ProverScheduler, STRAGGLER_MS};
pub use shutdown::{JoinTimeout, join_prover};
pub use timeline::prune_timeline;

/// The reason a job was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full of jobs with the same or a higher priority.
    #[error("the prover's queue is full: {0} jobs wait")]
    QueueFull(usize),
    /// It needs more memory than all jobs together may use.
    #[error("the job needs {needs} bytes, the prover's budget is {budget}")]
    TooLarge {
        /// The memory that it needs, in bytes.
        needs: usize,
        /// The memory budget, in bytes.
        budget: usize,
    },
}
