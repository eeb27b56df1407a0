//! What bounds the tree and the states, whether or not the chain finalizes.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::LatestVotes,
    chain::{Finalized, Head, Justified, SafeTarget, States},
    tree::{BlockNode, BlockTree},
};

use crate::pool::limits::PoolLimits;

/// Drops the oldest states beyond the cache's limit, never one that fork choice stands on.
pub fn shrink_states(world: &mut World) {
    let held = [
        world.resource::<Head>().0.root,
        world.resource::<SafeTarget>().0.root,
        world.resource::<Justified>().0.root,
        world.resource::<Finalized>().0.root,
    ];
    world.resource_mut::<States>().shrink(&held);
}

/// Drops blocks that nobody may ask for any more: further behind the finalized slot than peers
/// are served. Works in batches, so that the tree is rebuilt once in many slots.
pub fn prune_blocks(world: &mut World) {
    let limits = *world.get_resource_or_init::<PoolLimits>();
    let finalized = world.resource::<Finalized>().0;
    let oldest = finalized.slot.saturating_sub(limits.served_slots);
    let batch = limits.served_slots / 4;
    let tree = world.resource::<BlockTree>();
    let first = tree.iter().next().map_or(0, |(_, block)| block.slot);
    if first.saturating_add(batch) >= oldest {
        return;
    }
    let mut blocks = world.query::<(Entity, &BlockNode)>();
    let gone: Vec<Entity> = blocks
        .iter(world)
        .filter(|(_, block)| block.slot < oldest)
        .map(|(entity, _)| entity)
        .collect();
    for block in gone {
        world.despawn(block);
    }
    let moved = world.resource_mut::<BlockTree>().compact();
    let mut latest = world.resource_mut::<LatestVotes>();
    let LatestVotes { votes, counted, .. } = &mut *latest;
    let heads = votes.iter_mut().flatten().map(|vote| &mut vote.head);
    for head in heads.chain(counted) {
        *head = head.and_then(|id| moved[id.index()]);
    }
}
