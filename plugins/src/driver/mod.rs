//! The test driver: leanSpec's vectors over HTTP. A node serves it only if
//! `HIVE_LEAN_TEST_DRIVER=1`.
//!
//! The vectors run in a [`Scenario`](crate::scenario::Scenario) on a thread of the driver. The code
//! that builds the node passes these [`routes()`] to the HTTP server.
//!
//! | what grows | limit | beyond it |
//! | --- | --- | --- |
//! | requests waiting for the thread | 16 | the caller waits |
//! | a body | 32 MiB | 413 |
//! | scenarios | 1 | init replaces it |

mod routes;
mod worker;

pub use routes::{MAX_BODY_BYTES, MAX_REQUESTS, TestDriverPlugin, routes};
pub use worker::{Answer, Driver, DriverError, Request};
