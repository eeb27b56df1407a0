//! Checks that a node may start from a state that was fetched from another node.

use crate::{
    clock::SlotClock,
    constants::VALIDATOR_REGISTRY_LIMIT,
    containers::{Block, BlockHeader, Checkpoint, Root, Slot, State, Validators},
};
use tree_hash::TreeHash;

/// The facts that this node knows about the chain that it wants to join.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownGenesis<'a> {
    /// Unix time of slot 0 in seconds.
    pub genesis_time: Option<u64>,
    /// The validators. No transition of this fork changes a registry.
    pub validators: Option<&'a Validators>,
    /// The clock, in Unix milliseconds; a state from the future is refused.
    pub now_ms: Option<u64>,
    /// The header of the genesis block, without its state root.
    pub genesis_header: Option<BlockHeader>,
}

/// The reason a node cannot start from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The registry is empty.
    #[error("the checkpoint's state has no validators")]
    NoValidators,
    /// The registry is larger than the protocol allows.
    #[error("the checkpoint's state has {0} validators, the limit is {VALIDATOR_REGISTRY_LIMIT}")]
    TooManyValidators(usize),
    /// The genesis time is that of another network.
    #[error("the checkpoint's genesis time is {found}, this network's is {expected}")]
    GenesisTime {
        /// The state's genesis time.
        found: u64,
        /// This network's genesis time.
        expected: u64,
    },
    /// The validators are those of another network.
    #[error("the checkpoint's validators are not this network's")]
    Validators,
    /// The state is for a slot that has not begun.
    #[error("the checkpoint is of slot {slot}, the current slot is {now}")]
    FromTheFuture {
        /// The state's slot.
        slot: Slot,
        /// The slot of the clock.
        now: Slot,
    },
    /// The state contradicts itself.
    #[error("the checkpoint's state contradicts itself: {0}")]
    Contradiction(&'static str),
    /// The block does not belong to the state. The source may have finalized another block between
    /// two requests: fetch both again.
    #[error("the checkpoint's block commits to state {committed}, the state is {computed}")]
    OtherState {
        /// The state root in the block.
        committed: Root,
        /// The root of the state.
        computed: Root,
    },
    /// The block is not the newest block of the state.
    #[error("the checkpoint's block is not the newest block of its state")]
    OtherBlock,
}

/// Checks an anchor that was fetched from elsewhere: the state against itself and against the known
/// facts of the genesis, and the block against the state. Only the source can know that the chain
/// has finalized it.
///
/// # Errors
/// The first [`CheckpointError`] that applies.
pub fn verify_checkpoint(
    state: &State,
    block: Option<&Block>,
    known: KnownGenesis<'_>,
) -> Result<(), CheckpointError> {
    check_registry(state, known.validators)?;
    check_time(state, known)?;
    check_history(state).map_err(CheckpointError::Contradiction)?;
    block.map_or(Ok(()), |block| check_block(state, block))
}

fn check_registry(state: &State, known: Option<&Validators>) -> Result<(), CheckpointError> {
    match state.validators.len() {
        0 => return Err(CheckpointError::NoValidators),
        count if count > VALIDATOR_REGISTRY_LIMIT => {
            return Err(CheckpointError::TooManyValidators(count));
        }
        _ => {}
    }
    if !state.validators.iter().zip(0..).all(|(validator, index)| validator.index == index) {
        return Err(CheckpointError::Contradiction("its validators are not in order"));
    }
    match known {
        Some(known) if *known != state.validators => Err(CheckpointError::Validators),
        _ => Ok(()),
    }
}

fn check_time(state: &State, known: KnownGenesis<'_>) -> Result<(), CheckpointError> {
    let found = state.config.genesis_time;
    if let Some(expected) = known.genesis_time.filter(|expected| *expected != found) {
        return Err(CheckpointError::GenesisTime { found, expected });
    }
    let now = known.now_ms.map(|now_ms| SlotClock::new(found).current_slot(now_ms));
    match now {
        Some(now) if state.slot > now => {
            Err(CheckpointError::FromTheFuture { slot: state.slot, now })
        }
        _ => Ok(()),
    }
}

/// Checks that the history has one root for every slot before the newest block's, and that it
/// contains the checkpoints.
fn check_history(state: &State) -> Result<(), &'static str> {
    let header = &state.latest_block_header;
    let history = &state.historical_block_hashes;
    if header.slot > state.slot {
        return Err("its newest block is after its slot");
    }
    if history.len() as u64 != header.slot {
        return Err("its history does not reach from genesis to its newest block");
    }
    if !history.is_empty() && header.parent_root != parent_in(state) {
        return Err("its newest block's parent is not in its history");
    }
    if state.latest_finalized.slot > state.latest_justified.slot {
        return Err("its finalized checkpoint is after its justified one");
    }
    for checkpoint in [state.latest_justified, state.latest_finalized] {
        if !is_in_history(state, checkpoint) {
            return Err("a checkpoint is not in its history");
        }
    }
    Ok(())
}

/// The newest root in the history. The slots after it are empty.
fn parent_in(state: &State) -> Root {
    let history = &state.historical_block_hashes;
    (0..history.len() as u64)
        .rev()
        .filter_map(|slot| history.get(slot))
        .find(|root| **root != Root::ZERO)
        .copied()
        .unwrap_or_default()
}

/// Returns true if a checkpoint is in the history. Genesis has no root in the history of a state
/// that no block follows yet.
fn is_in_history(state: &State, checkpoint: Checkpoint) -> bool {
    match state.historical_block_hashes.get(checkpoint.slot) {
        Some(root) => *root == checkpoint.root,
        None => checkpoint.slot == 0 && checkpoint.root == Root::ZERO,
    }
}

fn check_block(state: &State, block: &Block) -> Result<(), CheckpointError> {
    let computed: Root = state.tree_hash_root();
    if block.state_root != computed {
        return Err(CheckpointError::OtherState { committed: block.state_root, computed });
    }
    let header = BlockHeader { state_root: state.latest_block_header.state_root, ..block.header() };
    if header == state.latest_block_header { Ok(()) } else { Err(CheckpointError::OtherBlock) }
}
