//! The duties of a node's own validators: proposing at interval 0, attesting at interval 1.
//! Building and signing are tasks. The end of each duty is counted and recorded.

mod attest;
mod gate;
mod proposal;
mod propose;
mod record;

pub use attest::{AttestationTask, collect_attestations, is_attesting, start_attestations};
pub use gate::{Gate, duties_are_due, skip_attestations};
pub use propose::{
    Proposals, Proposers, Proposing, announce_proposal, begin_held_proposal, collect_proposals,
    commit_proposals, expire_proposals, give_up_held_proposal, has_proposals, has_signed,
    hold_proposal, prepare_proposal, start_proposal,
};
pub use record::{DutyLog, record_duties};
