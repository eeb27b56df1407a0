//! Aggregation: which proofs to make, and the sessions that make them off the loop.

pub mod commit;
pub mod job;
pub mod plan;
pub mod reaggregation;
pub mod session;
pub mod shutdown;
pub mod subnets;
