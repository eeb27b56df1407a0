//! The vote that a validator gives.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head, SafeTarget},
    constants::JUSTIFICATION_LOOKBACK_SLOTS,
    containers::{AttestationData, Checkpoint, Root, Slot},
    tree::{BlockTree, NodeId},
};

use crate::transition::is_justifiable_after;

/// The block to vote for: from the head a few steps back towards the safe target, then back to a
/// slot that may be justified; never behind the finalized block.
pub fn attestation_target(
    tree: &BlockTree,
    head: NodeId,
    safe_target_slot: Slot,
    finalized_slot: Slot,
) -> Checkpoint {
    let lower_bound = safe_target_slot.max(finalized_slot);
    let parent = |id: NodeId| tree.parent(id).filter(|_| tree.slot(id) > finalized_slot);
    let mut target = head;
    for _ in 0..JUSTIFICATION_LOOKBACK_SLOTS {
        match parent(target) {
            Some(above) if tree.slot(target) > lower_bound => target = above,
            _ => break,
        }
    }
    while !is_justifiable_after(tree.slot(target), finalized_slot) {
        match parent(target) {
            Some(above) => target = above,
            None => break,
        }
    }
    Checkpoint { root: tree[target].root, slot: tree.slot(target) }
}

/// The vote to give in a slot, as this node sees the chain.
pub fn produce_attestation_data(world: &World, slot: Slot) -> AttestationData {
    let tree = world.resource::<BlockTree>();
    let head = world.resource::<Head>().0;
    let id = tree.find(&head.root).expect("the head is in the tree");
    let target = attestation_target(
        tree,
        id,
        world.resource::<SafeTarget>().0.slot,
        world.resource::<Finalized>().0.slot,
    );
    // The head's own justified checkpoint, not the store's: a minority fork may have moved that
    // one. Before the first block it has no root yet, and the head is genesis.
    let mut source = tree[id].justified;
    if source.root == Root::ZERO {
        source.root = head.root;
    }
    AttestationData { slot, head, target, source }
}
