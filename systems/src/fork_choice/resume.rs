//! Rebuilds a world from a store.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::States,
    containers::{Checkpoint, Root},
    rejection::{Rejection, RejectionReason},
    storage::{LatestVoteRecord, ResumeData},
};
use tree_hash::TreeHash;

use super::{anchor::begin_chain, head::block_weights};
use crate::pool::with_pool;

/// Rebuilds the world of the store's last batch: the same tree, checkpoints and latest votes. The
/// pools are empty. Returns the head. Everything that the world had before is removed.
///
/// # Errors
/// `ANCHOR_STATE_ROOT_MISMATCH`, and `MALFORMED_STATE` if a checkpoint's block or state is missing;
/// the world is then unchanged.
pub fn resume(world: &mut World, data: ResumeData) -> Result<Checkpoint, Rejection> {
    let facts = data.facts;
    let state_root: Root = data.anchor_state.tree_hash_root();
    if data.anchor_block.state_root != state_root {
        return Err(RejectionReason::AnchorStateRootMismatch.because(format!(
            "the finalized block commits to {}, the state is {state_root}",
            data.anchor_block.state_root
        )));
    }
    for Checkpoint { root, slot } in
        [facts.head, facts.safe_target, facts.justified, facts.finalized]
    {
        let is_known = data.blocks.iter().any(|block| block.root == root)
            && data.states.iter().any(|(of, _)| *of == root);
        if !is_known {
            return Err(RejectionReason::MalformedState
                .because(format!("the block {root} at slot {slot} or its state is missing")));
        }
    }
    begin_chain(world, &data.anchor_state, facts);
    for block in data.blocks {
        world.spawn(block);
    }
    let mut states = world.resource_mut::<States>();
    for (root, state) in data.states {
        states.insert(root, state);
    }
    // The saved votes are in no pool, because there is no proof of them to publish.
    with_pool(world, |pool| {
        for LatestVoteRecord { data, participants } in &data.votes {
            pool.count_saved(data, participants);
        }
    });
    block_weights(world);
    Ok(facts.head)
}
