//! With the attestations and aggregates that the author of a block step had, the node's own
//! proposer builds the same body.

use std::collections::HashSet;

use bevy_ecs::prelude::*;
use libtest_mimic::Failed;
use quintet_components::{
    constants::MAX_ATTESTATIONS_DATA,
    containers::{Block, Slot},
    tree::BlockTree,
};
use quintet_prover::CancelToken;
use quintet_systems::production::{BlockInputs, BuildError, BuiltBlock, Preference, build_block};

use crate::{support::mocked, vectors::same};

/// The node's own proposer builds the same body; attestations that the author forced past the
/// builder follow it. Where everything fits, it does so of itself; else only with leanSpec's
/// preference.
pub fn rebuild(world: &mut World, block: &Block) -> Result<(), Failed> {
    if !world.resource::<BlockTree>().contains(&block.parent_root) {
        return Ok(());
    }
    let inputs =
        BlockInputs::on_parent(world, block.parent_root, block.slot, block.proposer_index)?;
    let built = build(&BlockInputs { preference: Preference::Spec, ..inputs.clone() })?;
    let (ours, theirs) = (&built.block.body.attestations, &block.body.attestations);
    let slots: HashSet<Slot> = ours.iter().map(|each| each.data.slot).collect();
    if ours.len() < MAX_ATTESTATIONS_DATA && slots.len() == ours.len() {
        let of_itself = build(&inputs)?;
        same("the body that the node builds of itself", &of_itself.block.body.attestations, ours)?;
    }
    if theirs.len() > ours.len() {
        let prefix: Vec<_> = theirs.iter().take(ours.len()).collect();
        return same("the builder's part of the body", &ours.iter().collect(), &prefix);
    }
    same("the body that the node builds", ours, theirs)?;
    same("the state root that the node computes", &built.block.state_root, &block.state_root)
}

fn build(inputs: &BlockInputs) -> Result<BuiltBlock, BuildError> {
    build_block(inputs, &mocked::MockedProofs, &CancelToken::default())
}
