//! The state transition: pure functions over values. Signatures are checked elsewhere.

mod attestations;
mod genesis;
mod header;
mod justifiable;
mod justifications;
mod view;

use std::time::Instant;

use quintet_components::{
    containers::{Block, Root, State},
    metrics::TransitionTimes,
    rejection::{Rejection, RejectionReason},
};
use tree_hash::TreeHash;

pub use attestations::{is_slot_justified, lies_on_chain, process_attestations};
pub use genesis::{anchor_block, generate_genesis};
pub use header::{extended_history, process_block_header, process_slots};
pub use justifiable::{is_justifiable_after, justified_index_after};
pub use justifications::pending_votes;
pub use view::ChainView;

/// The validator that proposes in a slot: round robin.
///
/// # Errors
/// `EMPTY_VALIDATOR_REGISTRY`.
pub fn proposer_for_slot(slot: u64, validator_count: usize) -> Result<u64, Rejection> {
    slot.checked_rem(validator_count as u64).ok_or_else(|| {
        RejectionReason::EmptyValidatorRegistry.because(format!("no proposer for slot {slot}"))
    })
}

/// [`state_transition`], and how long each of its phases took.
///
/// # Errors
/// Like [`state_transition`].
pub fn timed_transition(
    parent: &State,
    block: &Block,
) -> Result<(State, TransitionTimes), Rejection> {
    let began = Instant::now();
    let mut state = parent.clone();
    process_slots(&mut state, block.slot)?;
    let slots_time = began.elapsed();
    process_block_header(&mut state, block)?;
    let header_time = began.elapsed();
    process_attestations(&mut state, &block.body.attestations)?;
    let applied_time = began.elapsed();
    check_state_root(&state, block)?;
    let times = TransitionTimes {
        slots: block.slot.saturating_sub(parent.slot),
        slots_time,
        attestations: block.body.attestations.len() as u64,
        attestations_time: applied_time - header_time,
        block_time: applied_time - slots_time,
        time: began.elapsed(),
    };
    Ok((state, times))
}

/// Applies a block to a state that was advanced to its slot. Does not check the state root.
///
/// # Errors
/// Any reason of header or attestation processing; the state is then unusable.
pub fn process_block(state: &mut State, block: &Block) -> Result<(), Rejection> {
    process_block_header(state, block)?;
    process_attestations(state, &block.body.attestations)
}

/// The post-state of a block on top of its parent's post-state.
///
/// # Errors
/// Any reason of slot, header or attestation processing, and `STATE_ROOT_MISMATCH`.
pub fn state_transition(parent: &State, block: &Block) -> Result<State, Rejection> {
    timed_transition(parent, block).map(|(state, _)| state)
}

fn check_state_root(state: &State, block: &Block) -> Result<(), Rejection> {
    let computed: Root = state.tree_hash_root();
    if block.state_root == computed {
        Ok(())
    } else {
        Err(RejectionReason::StateRootMismatch.because(format!(
            "the block at slot {} says {}, its post-state is {computed}",
            block.slot, block.state_root
        )))
    }
}
