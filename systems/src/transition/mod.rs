//! The state transition: pure functions over values. Signatures are checked elsewhere.

mod attestations;
mod genesis;
mod header;
mod justifiable;
mod justifications;

use quintet_components::{
    containers::{Block, Root, State},
    rejection::{Rejection, RejectionReason},
};
use tree_hash::TreeHash;

pub use attestations::{is_slot_justified, lies_on_chain, process_attestations};
pub use genesis::{anchor_block, generate_genesis};
pub use header::{extended_history, process_block_header, process_slots};
pub use justifiable::{is_justifiable_after, justified_index_after};
pub use justifications::pending_votes;

/// The validator that proposes in a slot: round robin.
///
/// # Errors
/// `EMPTY_VALIDATOR_REGISTRY`.
pub fn proposer_for_slot(slot: u64, validator_count: usize) -> Result<u64, Rejection> {
    slot.checked_rem(validator_count as u64).ok_or_else(|| {
        RejectionReason::EmptyValidatorRegistry.because(format!("no proposer for slot {slot}"))
    })
}

/// The post-state of a block whose slot the state was advanced to, state root unchecked.
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
    let mut state = parent.clone();
    process_slots(&mut state, block.slot)?;
    process_block(&mut state, block)?;
    let computed: Root = state.tree_hash_root();
    if block.state_root != computed {
        return Err(RejectionReason::StateRootMismatch.because(format!(
            "the block at slot {} says {}, its post-state is {computed}",
            block.slot, block.state_root
        )));
    }
    Ok(state)
}
