//! With the votes and aggregates that the author of a block step had, the node's own proposer
//! builds the same body.

use bevy_ecs::prelude::*;
use libtest_mimic::Failed;
use quintet_components::{containers::Block, tree::BlockTree};
use quintet_prover::CancelToken;
use quintet_systems::production::{BlockInputs, build_block};

use crate::{support::mocked, vectors::same};

/// The node's own proposer builds the same body; attestations that the author forced past the
/// builder follow it.
pub fn rebuild(world: &World, block: &Block) -> Result<(), Failed> {
    if !world.resource::<BlockTree>().contains(&block.parent_root) {
        return Ok(());
    }
    let inputs =
        BlockInputs::on_parent(world, block.parent_root, block.slot, block.proposer_index)?;
    let built = build_block(&inputs, &mocked::MockedProofs, &CancelToken::default())?;
    let (ours, theirs) = (&built.block.body.attestations, &block.body.attestations);
    if theirs.len() > ours.len() {
        let prefix: Vec<_> = theirs.iter().take(ours.len()).collect();
        return same("the builder's part of the body", &ours.iter().collect(), &prefix);
    }
    same("the body that the node builds", ours, theirs)?;
    same("the state root that the node computes", &built.block.state_root, &block.state_root)
}
