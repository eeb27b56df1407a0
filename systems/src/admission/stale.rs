//! Marks stale items on their way into the pools, as the pools themselves are pruned. The result is
//! then the same whether a check ended before or after the block that made its attestation stale.

use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{AttestationData, Checkpoint},
    messages::AttestationsPruned,
    tree::BlockTree,
};

use super::{aggregates::AggregateChecks, attestations::AttestationChecks};
use crate::pool::is_passed;

/// Marks items that finality has passed: they are judged but not kept.
pub fn mark_stale(
    mut pruned: MessageReader<AttestationsPruned>,
    tree: Res<BlockTree>,
    mut attestations: ResMut<AttestationChecks>,
    mut aggregates: ResMut<AggregateChecks>,
) {
    let finalized: Vec<Checkpoint> = pruned.read().map(|pruned| pruned.0).collect();
    let is_stale =
        |data: &AttestationData| finalized.iter().any(|block| is_passed(&tree, *block, data));
    for each in attestations.iter_mut() {
        each.keep &= !is_stale(&each.item.data);
    }
    for each in aggregates.iter_mut() {
        each.keep &= !is_stale(&each.item.data);
    }
}
