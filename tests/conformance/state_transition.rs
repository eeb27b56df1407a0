//! Blocks through the state transition.

use libtest_mimic::Failed;
use quintet_components::{
    containers::{Block, JustificationVotes, JustifiedSlots, Root, RootList, State, Validators},
    rejection::{Rejection, RejectionReason},
};
use quintet_systems::transition::{
    process_block, process_slots, proposer_for_slot, state_transition,
};
use serde_json::Value;
use tree_hash::TreeHash;

use crate::vectors::{field, optional, same};

pub fn run(case: &Value) -> Result<(), Failed> {
    let mut state: State = field(case, "pre")?;
    let blocks: Vec<Block> = field(case, "blocks")?;
    let reason: Option<String> = optional(case, "rejectionReason")?;
    let mut roots = vec![state.latest_block_header.tree_hash_root()];
    let mut refused = None;
    if blocks.is_empty() {
        refused =
            reason.as_deref().map(|reason| refusal_before_a_block(&state, reason)).transpose()?;
    }
    for (index, block) in blocks.iter().enumerate() {
        roots.push(block.tree_hash_root());
        let before = state.tree_hash_root();
        let last = index + 1 == blocks.len();
        match apply(&state, block, reason.as_deref(), last) {
            Ok(post) => state = post,
            Err(rejection) => {
                same("the state after a refusal", &state.tree_hash_root(), &before)?;
                same("the refused block is the last", &last, &true)?;
                refused = Some(rejection);
            }
        }
    }
    let named = refused.as_ref().map(|rejection| rejection.reason.name().to_owned());
    same("rejection reason", &named, &reason)?;
    if let Some(root) = optional::<Root>(case, "postStateRoot")? {
        same("post-state root", &state.tree_hash_root(), &root)?;
    }
    let Some(post) = case.get("post").and_then(Value::as_object) else { return Ok(()) };
    for (name, expected) in post.iter().filter(|(_, expected)| !expected.is_null()) {
        check(&state, name, expected, &roots)?;
    }
    Ok(())
}

/// Slot processing is left out where only that reaches the reason: no field of a vector tells.
fn apply(
    state: &State,
    block: &Block,
    reason: Option<&str>,
    last: bool,
) -> Result<State, Rejection> {
    let skipped = [
        RejectionReason::BlockSlotMismatch.name(),
        RejectionReason::BlockOlderThanLatestHeader.name(),
    ];
    if reason.is_some_and(|reason| skipped.contains(&reason)) && (last || block.slot <= state.slot)
    {
        let mut post = state.clone();
        return process_block(&mut post, block).map(|()| post);
    }
    state_transition(state, block)
}

/// A vector without blocks was refused while its block was being made: advancing the state, or
/// asking who proposes.
fn refusal_before_a_block(state: &State, reason: &str) -> Result<Rejection, Failed> {
    let mut advanced = state.clone();
    let outcome = if reason == RejectionReason::EmptyValidatorRegistry.name() {
        proposer_for_slot(state.slot + 1, state.validators.len()).map(|_| ())
    } else {
        process_slots(&mut advanced, state.slot)
    };
    outcome.err().ok_or_else(|| format!("nothing refuses with {reason}").into())
}

fn check(state: &State, name: &str, expected: &Value, roots: &[Root]) -> Result<(), Failed> {
    let header = &state.latest_block_header;
    // A vector does not say which block a label names; the post-state root pins the choice.
    let labelled = |root: &Root| same(&format!("{name} is a block"), &roots.contains(root), &true);
    macro_rules! equal {
        ($actual:expr, $type:ty) => {
            same(name, &$actual, &read::<$type>(expected)?)
        };
    }
    match name {
        "slot" => equal!(state.slot, u64),
        "latestJustifiedSlot" => equal!(state.latest_justified.slot, u64),
        "latestJustifiedRoot" => equal!(state.latest_justified.root, Root),
        "latestJustifiedRootLabel" => labelled(&state.latest_justified.root),
        "latestFinalizedSlot" => equal!(state.latest_finalized.slot, u64),
        "latestFinalizedRoot" => equal!(state.latest_finalized.root, Root),
        "latestFinalizedRootLabel" => labelled(&state.latest_finalized.root),
        "validatorCount" => equal!(state.validators.len(), usize),
        "validators" => equal!(state.validators, Validators),
        "configGenesisTime" => equal!(state.config.genesis_time, u64),
        "latestBlockHeaderSlot" => equal!(header.slot, u64),
        "latestBlockHeaderProposerIndex" => equal!(header.proposer_index, u64),
        "latestBlockHeaderParentRoot" => equal!(header.parent_root, Root),
        "latestBlockHeaderStateRoot" => equal!(header.state_root, Root),
        "latestBlockHeaderBodyRoot" => equal!(header.body_root, Root),
        "historicalBlockHashesCount" => equal!(state.historical_block_hashes.len(), usize),
        "historicalBlockHashes" => equal!(state.historical_block_hashes, RootList),
        "justifiedSlots" => equal!(state.justified_slots, JustifiedSlots),
        "justificationsRoots" => equal!(state.justifications_roots, RootList),
        "justificationsRootsCount" => equal!(state.justifications_roots.len(), usize),
        "justificationsRootsLabels" => {
            let labels: Vec<String> = read(expected)?;
            same(name, &state.justifications_roots.len(), &labels.len())?;
            state.justifications_roots.iter().try_for_each(labelled)
        }
        "justificationsValidators" => {
            equal!(state.justifications_validators, JustificationVotes)
        }
        "justificationsValidatorsCount" => {
            equal!(state.justifications_validators.len(), usize)
        }
        name => Err(format!("unknown expectation {name}").into()),
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Failed> {
    Ok(quintet_components::json::from_value(value.clone())?)
}
