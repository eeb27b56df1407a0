//! What validators produce: blocks and votes.

pub mod attestation;
pub mod block;
mod selection;

pub use attestation::{attestation_target, produce_attestation_data};
pub use block::{BlockInputs, BuildError, BuiltBlock, build_block};
pub use selection::{Candidate, select_attestations};
