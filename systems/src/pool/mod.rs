//! The pools of attestations: membership, signatures, payloads, votes and limits.
//!
//! An attestation, a signature on it and an aggregated payload for it are entities, which
//! `AttestationsByData` finds. [`Attestations`] reads the pools. [`AttestationPool`] changes them:
//! the index at once, the entities by commands.

mod attestation_pool;
mod coverage;
mod job;
mod latest_votes;
pub mod limits;
pub mod seen;
mod value;
mod whole_world;

pub use attestation_pool::{AttestationPool, Attestations, is_passed};
pub use coverage::{Coverage, select_proofs_for_coverage};
pub use job::{AggregationJob, proof_bytes};
pub use value::{ConsensusValue, Valuation};
pub use whole_world::*;
