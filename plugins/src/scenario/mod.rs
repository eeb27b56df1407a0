//! Runs leanSpec's vectors with a node's own plugins, systems and functions.
//!
//! A [`Scenario`] runs the steps of a vector in a world whose clock the steps set. A
//! [`TransitionRun`] runs a vector of the state transition. The conformance suite and the test
//! driver use both. Their worlds are separate from the node's: a vector cannot touch the chain, the
//! keys or the disk of a node.
//!
//! | what grows | limit | beyond it |
//! | --- | --- | --- |
//! | blocks in a scenario | 4096 | the step is refused |
//! | intervals that a step walks | 20480 | the step is refused |

mod authored;
mod node;
pub mod placeholder;
mod proofs;
mod read;
mod steps;
mod transition;

pub use authored::{PayloadPoolEntry, payload_pool};
pub use node::DrivenNode;
pub use read::{ReadError, field, optional};
pub use steps::{
    BlockStep, InitError, MAX_BLOCKS, MAX_INTERVALS_A_STEP, MAX_SLOT, Scenario, Step, Summary, Time,
};
pub use transition::{PostState, TransitionRun, verify_signatures};
