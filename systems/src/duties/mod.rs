//! The duties of a node's own validators: proposing at interval 0, voting at interval 1. Building
//! and signing are tasks; a duty whose slot is over when its task ends is missed.

mod attest;
mod gate;
mod propose;

pub use attest::{AttestationTask, collect_attestations, start_attestations};
pub use gate::{duties_are_due, skip_attestations, skip_proposal};
pub use propose::{ProposalTask, announce_proposal, collect_proposal, start_proposal};
