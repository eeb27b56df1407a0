//! Limits the tree and the states, whether or not the chain finalizes.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::LatestVotes,
    chain::{Finalized, Head, Justified, SafeTarget, States},
    messages::AttestationsPruned,
    planted::{Planted, is_planted},
    tree::{BlockNode, BlockTree},
};

use super::weights::VoteWeights;
use crate::pool::{AttestationPool, limits::PoolLimits};

/// Drops from the pools what finality has passed, and announces it to the items on their way there.
pub fn prune_stale(
    mut pool: AttestationPool,
    finalized: Res<Finalized>,
    mut pruned: MessageWriter<AttestationsPruned>,
) {
    pool.prune_stale();
    pruned.write(AttestationsPruned(finalized.0));
}

/// Drops the lowest states beyond the cache's limit, but never one that fork choice needs.
pub fn shrink_states(
    mut states: ResMut<States>,
    head: Res<Head>,
    safe_target: Res<SafeTarget>,
    (justified, finalized): (Res<Justified>, Res<Finalized>),
) {
    let held = [head.0, safe_target.0, justified.0, finalized.0].map(|checkpoint| checkpoint.root);
    states.shrink(&held);
}

/// Drops blocks that are further behind the finalized slot than peers are served. Works in batches,
/// so that the tree is rebuilt once in many slots.
pub fn prune_blocks(
    mut commands: Commands,
    tree: Res<BlockTree>,
    (head, finalized): (Res<Head>, Res<Finalized>),
    limits: Res<PoolLimits>,
) {
    let (oldest, batch) = if is_planted(Planted::PrunesTooEarly) {
        (head.0.slot.saturating_sub(8), 0)
    } else {
        (finalized.0.slot.saturating_sub(limits.served_slots), limits.served_slots / 4)
    };
    let first = tree.iter().next().map_or(0, |(_, block)| block.slot);
    if first.saturating_add(batch) >= oldest {
        return;
    }
    let old = tree.iter().filter(|(_, block)| block.slot < oldest);
    for (id, _) in old {
        commands.entity(tree.entity(id)).despawn();
    }
}

/// Gives the blocks new indices after some were removed, and updates every holder of indices.
pub fn compact_tree(
    mut tree: ResMut<BlockTree>,
    mut weights: ResMut<VoteWeights>,
    mut latest: ResMut<LatestVotes>,
    mut removed: RemovedComponents<BlockNode>,
) {
    if removed.read().count() == 0 {
        return;
    }
    let moved = tree.compact();
    let LatestVotes { votes, counted, .. } = &mut *latest;
    let heads = votes.iter_mut().flatten().map(|vote| &mut vote.head);
    for head in heads.chain(counted.iter_mut()) {
        *head = head.and_then(|id| moved[id.index()]);
    }
    weights.rebuild(&tree, counted.iter().flatten().copied());
}
