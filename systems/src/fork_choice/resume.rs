//! A world rebuilt from what a store kept.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{LatestVote, LatestVotes},
    chain::States,
    containers::{Checkpoint, Root},
    rejection::{Rejection, RejectionReason},
    storage::{LatestVoteRecord, ResumeData},
    tree::BlockTree,
};
use tree_hash::TreeHash;

use super::anchor::begin_chain;
use crate::pool::{self, count_votes};

/// Makes the world that of the store's last batch: the same tree, checkpoints and newest votes.
/// The pools begin empty. Returns the head. What the world held before is gone.
///
/// # Errors
/// `ANCHOR_STATE_ROOT_MISMATCH`, and `MALFORMED_STATE` when a checkpoint's block or state is
/// missing; the world is then unchanged.
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
                .because(format!("the block {root} at slot {slot} or its state is not there")));
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
    for vote in data.votes {
        count(world, &vote);
    }
    count_votes(world);
    Ok(facts.head)
}

/// Counts a saved vote for the head. It is in no pool: there is no proof of it to pass on.
fn count(world: &mut World, record: &LatestVoteRecord) {
    let LatestVoteRecord { data, participants } = record;
    let head = world.resource::<BlockTree>().find(&data.head.root);
    if data.head.slot <= world.resource::<LatestVotes>().cutoff {
        return;
    }
    let vote = pool::vote(world, data);
    let latest = LatestVote { vote, slot: data.slot, head_slot: data.head.slot, head };
    let mut votes = world.resource_mut::<LatestVotes>();
    for index in participants.indices() {
        let index = usize::try_from(index).expect("a registry has at most 4096 validators");
        if index >= votes.votes.len() {
            votes.votes.resize(index + 1, None);
            votes.counted.resize(index + 1, None);
        }
        votes.votes[index] = Some(latest);
        votes.changed.push(index);
    }
}
