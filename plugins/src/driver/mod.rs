//! The test driver: leanSpec's vectors through the world of a node.
//!
//! [`Scenario`] and [`TransitionRun`] run a vector against the node's own plugins, systems and
//! functions, on a clock that the steps turn. The conformance suite uses them, and [`routes()`] is
//! their HTTP face, which a node serves only when `HIVE_LEAN_TEST_DRIVER=1`.
//!
//! It is the one module here that both speaks HTTP and uses `systems`. It is a module of its own,
//! so that the HTTP server needs neither: whoever builds the node hands these routes to the server.
//! The driver's worlds are not the node's: a vector cannot touch the chain, the keys or the disk of
//! the node that it is posted to.
//!
//! | what grows | limit | beyond it |
//! | --- | --- | --- |
//! | requests waiting for the thread | 16 | the caller waits |
//! | a body | 32 MiB | 413 |
//! | blocks in a scenario | 4096 | the step is a 400 |
//! | intervals that a step walks | 20480 | the step is a 400 |
//! | scenarios | 1 | init replaces it |

mod authored;
mod node;
pub mod placeholder;
mod proofs;
mod read;
mod routes;
mod scenario;
mod transition;
mod worker;

pub use authored::{PayloadPoolEntry, payload_pool};
pub use node::DrivenNode;
pub use read::{ReadError, field, optional};
pub use routes::{MAX_BODY_BYTES, MAX_REQUESTS, TestDriverPlugin, routes};
pub use scenario::{
    BlockStep, InitError, MAX_BLOCKS, MAX_INTERVALS_A_STEP, MAX_SLOT, Scenario, Step, Summary, Time,
};
pub use transition::{PostState, TransitionRun, verify_signatures};
pub use worker::{Answer, Driver, DriverError, Request};
