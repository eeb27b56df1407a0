//! Aggregation: decides which proofs to make, and runs the sessions that make them in tasks.
//!
//! A session opens at interval 2 ([`open`]), or in interval 1 as soon as two thirds of the expected
//! attestations have arrived ([`early`]). An early session is extended at interval 2 by what
//! arrived since.

pub mod commit;
pub mod early;
pub mod job;
pub mod open;
pub mod plan;
pub mod reaggregation;
pub mod session;
pub mod subnets;
