//! Production of what validators publish: blocks and attestations.

pub mod attestation;
pub mod block;
mod cover;
mod draft;
mod selection;

pub use attestation::{
    Facts, Sight, attestation_data, attestation_target, produce_attestation_data,
};
pub use block::{BlockInputs, BlockSources, BuildError, BuiltBlock, build_block};
pub use selection::{Candidate, LeftOut, Preference, Selection, select_attestations};
