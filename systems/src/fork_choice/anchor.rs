//! The trusted state and block that fork choice starts from.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{AttestationsByData, LatestVotes, PooledAttestation},
    chain::{
        Finalized, Genesis, Head, IsAggregator, Justified, LandedProposal, Registry, SafeTarget,
        States,
    },
    clock::{CurrentInterval, SlotClock, first_interval},
    containers::{Block, Checkpoint, Root, State},
    rejection::{Rejection, RejectionReason},
    rules::Rules,
    storage::ForkChoiceFacts,
    tree::{BlockNode, BlockTree},
};
use tree_hash::TreeHash;

use super::weights::VoteWeights;

/// Makes this state and its block the world's anchor: justified, finalized, head and safe target,
/// at the anchor's slot. Everything of another chain is removed from the world.
///
/// # Errors
/// `ANCHOR_STATE_ROOT_MISMATCH`; the world is then unchanged.
pub fn set_anchor(
    world: &mut World,
    state: Arc<State>,
    block: &Block,
) -> Result<Checkpoint, Rejection> {
    let state_root: Root = state.tree_hash_root();
    if block.state_root != state_root {
        return Err(RejectionReason::AnchorStateRootMismatch.because(format!(
            "the block commits to {}, the state is {state_root}",
            block.state_root
        )));
    }
    let root = block.tree_hash_root();
    let anchor = Checkpoint { root, slot: block.slot };
    let facts =
        ForkChoiceFacts { head: anchor, safe_target: anchor, justified: anchor, finalized: anchor };
    begin_chain(world, &state, facts);
    world.spawn(BlockNode {
        root,
        parent_root: block.parent_root,
        slot: block.slot,
        proposer_index: block.proposer_index,
        state_root,
        justified: state.latest_justified,
        finalized_slot: state.latest_finalized.slot,
    });
    world.resource_mut::<States>().insert(root, state);
    Ok(anchor)
}

/// Empties the world and inserts the chain's facts, at the head's slot.
pub(super) fn begin_chain(world: &mut World, state: &State, facts: ForkChoiceFacts) {
    clear(world);
    world.insert_resource(Genesis(state.config));
    world.insert_resource(SlotClock::new(state.config.genesis_time));
    let count = first_interval(facts.head.slot);
    world.insert_resource(CurrentInterval { count, late_ms: 0 });
    world.insert_resource(Head(facts.head));
    world.insert_resource(SafeTarget(facts.safe_target));
    world.insert_resource(Justified(facts.justified));
    world.insert_resource(Finalized(facts.finalized));
    world.insert_resource(Registry::new(&state.validators));
    world.resource_mut::<LatestVotes>().cutoff = facts.finalized.slot;
}

/// Empties the indices.
fn clear(world: &mut World) {
    world.init_resource::<BlockTree>();
    world.init_resource::<AttestationsByData>();
    world.init_resource::<IsAggregator>();
    world.init_resource::<Rules>();
    world.init_resource::<LandedProposal>();
    let mut entities =
        world.query_filtered::<Entity, Or<(With<BlockNode>, With<PooledAttestation>)>>();
    for entity in entities.iter(world).collect::<Vec<_>>() {
        world.despawn(entity);
    }
    world.insert_resource(BlockTree::default());
    world.insert_resource(VoteWeights::default());
    world.insert_resource(LatestVotes::default());
    world.insert_resource(States::default());
}
