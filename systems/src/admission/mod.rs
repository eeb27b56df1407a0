//! Decides which input is let in. Every block, attestation and aggregate passes the same steps,
//! wherever it comes from, before it is kept, verified or forwarded:
//!
//! 1. **Clock horizon**: it does not start too far ahead of the clock.
//! 2. **Registry**: its validators exist.
//! 3. **Novelty**: its content is not known yet.
//! 4. **Limits**: its validators and its source have room.
//! 5. **Consistency**: it agrees with the tree, as far as that is cheap to check.
//! 6. **Signature or proof**: checked by a task.
//!
//! Then the item goes to the pools, to the tree, or to the waiting room for an unknown block. The
//! first step that fails decides. Each step costs less than those after it.
//!
//! | kind | the steps are in | destination |
//! | --- | --- | --- |
//! | block | [`blocks`] | [`ImportQueue`](crate::fork_choice::import::ImportQueue), or sync's orphans |
//! | attestation | [`attestations`] | [`AttestationPool`](crate::pool::AttestationPool), or the waiting room |
//! | aggregate | [`aggregates`] | the same |

pub mod aggregates;
pub mod attestations;
pub mod blocks;
mod clock;
mod source_queue;
pub mod stale;
mod validation;
pub mod waiting;

pub use clock::LocalTime;
pub use source_queue::SourceQueue;
pub use validation::validate_attestation;

use quintet_components::task::TaskPanic;

/// Returns the outcome, if the work did not panic. A panic is this node's fault and not the
/// sender's: it is logged, and the sender is not blamed.
fn panicked<T>(outcome: Result<T, TaskPanic>, what: &str) -> Option<T> {
    outcome.inspect_err(|panic| tracing::error!(%panic, "{what} panicked")).ok()
}
