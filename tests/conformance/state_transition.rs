//! Blocks through the state transition, by the test driver's own runner.

use libtest_mimic::Failed;
use quintet_components::{
    containers::{Block, JustificationVotes, JustifiedSlots, Root, RootList, State, Validators},
    rejection::Rejection,
};
use quintet_plugins::scenario::TransitionRun;
use serde_json::Value;
use tree_hash::TreeHash;

use crate::vectors::{entries, field, find, optional, read, same};

pub fn run(case: &Value) -> Result<(), Failed> {
    // The driver reads them once more.
    field::<State>(case, "pre")?;
    field::<Vec<Block>>(case, "blocks")?;
    let mut run = TransitionRun::read(case)?;
    let reason: Option<String> = optional(case, "rejectionReason")?;
    let header = run.state.latest_block_header;
    let mut chain = vec![(header.slot, header.tree_hash_root())];
    chain.extend(run.blocks().iter().map(|block| (block.slot, block.tree_hash_root())));
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
    let Some(post) = find(case, "post") else { return Ok(()) };
    for (name, expected) in entries(post)? {
        check(&run.state, name, expected, &chain)?;
    }
    Ok(())
}

/// A label's block. A case does not say which one it is: a number at the label's end is its slot, or
/// its place in the case.
fn labelled(root: Root, label: &str, chain: &[(u64, Root)]) -> Result<(), Failed> {
    let number = label.strip_prefix("block_").and_then(|number| number.parse::<u64>().ok());
    let found = (0..).zip(chain).any(|(place, (slot, block))| {
        *block == root && number.is_none_or(|number| number == *slot || number == place)
    });
    same(&format!("{root} is {label}"), &found, &true)
}

/// Compares one expectation. The chain is every block of the case, by slot and root, the parent of
/// the first one included.
fn check(state: &State, name: &str, expected: &Value, chain: &[(u64, Root)]) -> Result<(), Failed> {
    let header = &state.latest_block_header;
    macro_rules! equal {
        ($actual:expr, $type:ty) => {
            same(name, &$actual, &read::<$type>(expected)?)
        };
    }
    match name {
        "slot" => equal!(state.slot, u64),
        "latestJustifiedSlot" => equal!(state.latest_justified.slot, u64),
        "latestJustifiedRoot" => equal!(state.latest_justified.root, Root),
        "latestJustifiedRootLabel" => {
            labelled(state.latest_justified.root, &read::<String>(expected)?, chain)
        }
        "latestFinalizedSlot" => equal!(state.latest_finalized.slot, u64),
        "latestFinalizedRoot" => equal!(state.latest_finalized.root, Root),
        "latestFinalizedRootLabel" => {
            labelled(state.latest_finalized.root, &read::<String>(expected)?, chain)
        }
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
            let mut roots = state.justifications_roots.iter();
            roots.try_for_each(|root| {
                let named = labels.iter().any(|label| labelled(*root, label, chain).is_ok());
                same("a pending target has a label", &named, &true)
            })
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
