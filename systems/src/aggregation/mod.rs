//! Aggregation: which proofs to make, and the sessions that make them off the loop.

pub mod commit;
mod coverage;
pub mod job;
pub mod plan;
pub mod reaggregation;
pub mod session;
pub mod subnets;
mod value;

pub use coverage::{Coverage, select_proofs_for_coverage};
pub use value::{ConsensusValue, Valuation};
