//! Aggregation: which proofs to make, and the sessions that make them off the loop.
//!
//! A session opens at interval 2 ([`open`]), or in interval 1 as soon as two thirds of the attestations
//! that the node expects are in ([`early`]). One that opened early is extended at interval 2 by what
//! came since.

pub mod commit;
pub mod early;
pub mod job;
pub mod open;
pub mod plan;
pub mod reaggregation;
pub mod session;
pub mod subnets;
