//! Blocks through the state transition, by the test driver's own runner.

use libtest_mimic::Failed;
use quintet_components::{
    containers::{JustificationVotes, JustifiedSlots, Root, RootList, State, Validators},
    rejection::Rejection,
};
use quintet_plugins::driver::TransitionRun;
use serde_json::Value;
use tree_hash::TreeHash;

use crate::vectors::{optional, same};

pub fn run(case: &Value) -> Result<(), Failed> {
    let mut run = TransitionRun::read(case)?;
    let reason: Option<String> = optional(case, "rejectionReason")?;
    let mut roots = vec![run.state.latest_block_header.tree_hash_root()];
    roots.extend(run.blocks().iter().map(TreeHash::tree_hash_root));
    let mut refused: Option<Rejection> = None;
    let mut before = run.state.tree_hash_root();
    while let Some(outcome) = run.advance() {
        same("the refused block is the last", &refused.is_some(), &false)?;
        if let Err(rejection) = outcome {
            same("the state after a refusal", &run.state.tree_hash_root(), &before)?;
            refused = Some(rejection);
        }
        before = run.state.tree_hash_root();
    }
    let named = refused.as_ref().map(|rejection| rejection.reason.name().to_owned());
    same("rejection reason", &named, &reason)?;
    if let Some(root) = optional::<Root>(case, "postStateRoot")? {
        same("post-state root", &run.state.tree_hash_root(), &root)?;
    }
    let Some(post) = case.get("post").and_then(Value::as_object) else { return Ok(()) };
    for (name, expected) in post.iter().filter(|(_, expected)| !expected.is_null()) {
        check(&run.state, name, expected, &roots)?;
    }
    Ok(())
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
