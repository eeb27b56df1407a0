//! The safe target: the deepest block that two thirds of this slot's voters back.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{New, Phase, PooledAttestation},
    chain::{Finalized, Justified, Registry, SafeTarget},
    containers::{Checkpoint, Slot},
    tree::{BlockTree, NodeId},
};

use crate::pool;

/// Walks from the justified block through children that two thirds of the registry vote for in
/// the new pool.
pub fn update_safe_target(world: &mut World) {
    let validator_count = world.resource::<Registry>().len();
    let minimum = u32::try_from((2 * validator_count).div_ceil(3)).expect("at most 4096");
    let tree = world.resource::<BlockTree>();
    let start =
        tree.find(&world.resource::<Justified>().0.root).expect("the justified block is known");
    let votes = latest_new_votes(world, validator_count);
    let leaf = tree.supported_leaf(start, votes.into_iter().flatten(), minimum);
    let target = Checkpoint { root: tree[leaf].root, slot: tree.slot(leaf) };
    world.resource_mut::<SafeTarget>().0 = target;
}

/// The head that each validator's newest vote in the new pool is for.
fn latest_new_votes(world: &World, validator_count: usize) -> Vec<Option<NodeId>> {
    let finalized_slot = world.resource::<Finalized>().0.slot;
    let tree = world.resource::<BlockTree>();
    let mut newest: Vec<Option<(Slot, Option<NodeId>)>> = vec![None; validator_count];
    for vote in pool::members::<New>(world) {
        let data = world.get::<PooledAttestation>(vote).expect("a pool holds votes").data;
        if data.head.slot <= finalized_slot {
            continue;
        }
        let head = tree.find(&data.head.root);
        for (_, payload) in pool::payloads(world, vote, Phase::New) {
            for index in payload.participants.indices() {
                let Some(entry) = usize::try_from(index).ok().and_then(|i| newest.get_mut(i))
                else {
                    continue;
                };
                if entry.is_none_or(|(slot, _)| slot < data.slot) {
                    *entry = Some((data.slot, head));
                }
            }
        }
    }
    newest.into_iter().map(|entry| entry.and_then(|(_, head)| head)).collect()
}
