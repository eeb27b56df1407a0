//! Aggregation: which proofs to make, and the sessions that make them off the loop.

mod coverage;
pub mod job;
pub mod session;

pub use coverage::{Coverage, select_proofs_for_coverage};
