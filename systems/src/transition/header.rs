//! Slots and block headers.

use quintet_components::{
    constants::HISTORICAL_ROOTS_LIMIT,
    containers::{Block, BlockHeader, Checkpoint, Root, RootList, State},
    rejection::{Rejection, RejectionReason},
};
use tree_hash::TreeHash;

use super::{justified_index_after, proposer_for_slot};

/// Advances a state through empty slots to `target_slot`. The number of slots does not matter,
/// because only the first one changes anything.
///
/// # Errors
/// `BLOCK_SLOT_NOT_IN_FUTURE`; the state is then unchanged.
pub fn process_slots(state: &mut State, target_slot: u64) -> Result<(), Rejection> {
    if state.slot >= target_slot {
        return Err(RejectionReason::BlockSlotNotInFuture
            .because(format!("slot {target_slot} is not after the state's slot {}", state.slot)));
    }
    if state.latest_block_header.state_root == Root::ZERO {
        state.latest_block_header.state_root = state.tree_hash_root();
    }
    state.slot = target_slot;
    Ok(())
}

/// The history after a block at `slot` is applied: the parent's root at its slot, and zero for
/// every slot without a block.
///
/// # Errors
/// `HISTORY_LIMIT_EXCEEDED`.
pub fn extended_history(
    state: &State,
    parent_root: Root,
    slot: u64,
) -> Result<RootList, Rejection> {
    let too_long = |len| {
        RejectionReason::HistoryLimitExceeded.because(format!(
            "a block at slot {slot} needs {len} roots of history, the limit is \
             {HISTORICAL_ROOTS_LIMIT}"
        ))
    };
    let skipped = slot.saturating_sub(state.latest_block_header.slot).saturating_sub(1);
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    if skipped > HISTORICAL_ROOTS_LIMIT {
        return Err(too_long(skipped));
    }
    let mut history = state.historical_block_hashes.clone();
    let roots = (0..=skipped).map(|index| if index == 0 { parent_root } else { Root::ZERO });
    history.extend(roots.collect::<Vec<_>>().into_iter()).map_err(too_long)?;
    Ok(history)
}

/// Checks a block's header against the state and makes it the newest.
///
/// # Errors
/// `BLOCK_SLOT_MISMATCH`, `BLOCK_OLDER_THAN_LATEST_HEADER`, `EMPTY_VALIDATOR_REGISTRY`,
/// `WRONG_PROPOSER`, `PARENT_ROOT_MISMATCH`, `HISTORY_LIMIT_EXCEEDED`.
pub fn process_block_header(state: &mut State, block: &Block) -> Result<(), Rejection> {
    let parent = state.latest_block_header;
    if block.slot != state.slot {
        return Err(RejectionReason::BlockSlotMismatch.because(format!(
            "the block is for slot {}, the state is at {}",
            block.slot, state.slot
        )));
    }
    if block.slot <= parent.slot {
        return Err(RejectionReason::BlockOlderThanLatestHeader.because(format!(
            "slot {} is not after the latest header's {}",
            block.slot, parent.slot
        )));
    }
    let proposer = proposer_for_slot(state.slot, state.validators.len())?;
    if block.proposer_index != proposer {
        return Err(RejectionReason::WrongProposer.because(format!(
            "validator {} proposed slot {}, which is {proposer}'s",
            block.proposer_index, block.slot
        )));
    }
    let parent_root = parent.tree_hash_root();
    if block.parent_root != parent_root {
        return Err(RejectionReason::ParentRootMismatch
            .because(format!("{}, the latest header is {parent_root}", block.parent_root)));
    }

    state.historical_block_hashes = extended_history(state, parent_root, block.slot)?;
    // Genesis is the chain's anchor: the first block makes it justified and finalized.
    if parent.slot == 0 {
        state.latest_justified = Checkpoint { root: parent_root, slot: 0 };
        state.latest_finalized = state.latest_justified;
    }
    // The window ends at the slot before this one, whose votes are complete when it is over.
    if let Some(index) = justified_index_after(block.slot - 1, state.latest_finalized.slot) {
        state.justified_slots.extend_to(index + 1).map_err(|limit| {
            RejectionReason::HistoryLimitExceeded
                .because(format!("{} justification bits, the limit is {limit}", index + 1))
        })?;
    }
    state.latest_block_header = BlockHeader { state_root: Root::ZERO, ..block.header() };
    Ok(())
}
