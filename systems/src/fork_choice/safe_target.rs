//! The safe target: the deepest block that two thirds of the validators support in this slot.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{New, Phase},
    chain::{Finalized, Justified, Registry, SafeTarget},
    containers::{Checkpoint, Root, Slot},
    rules::{Rules, VoteTie},
    tree::{BlockTree, NodeId},
};

use super::weights::supported_leaf;
use crate::pool::Attestations;

/// Interval 3: walks from the justified block through children that have the votes of two thirds of
/// the registry in the new pool.
pub fn update_safe_target(
    pool: Attestations,
    tree: Res<BlockTree>,
    registry: Res<Registry>,
    (justified, finalized): (Res<Justified>, Res<Finalized>),
    rules: Res<Rules>,
    mut safe_target: ResMut<SafeTarget>,
) {
    let minimum = u32::try_from((2 * registry.len()).div_ceil(3)).expect("at most 4096");
    let start = tree.find(&justified.0.root).expect("the justified block is known");
    let votes = latest_new_votes(&pool, &tree, registry.len(), finalized.0.slot, rules.vote_tie);
    let leaf = supported_leaf(&tree, start, votes.into_iter().flatten(), minimum);
    safe_target.0 = Checkpoint { root: *tree.root(leaf), slot: tree.slot(leaf) };
}

/// The head of each validator's newest attestation in the new pool. Of two for one slot, the one
/// that counts.
fn latest_new_votes(
    pool: &Attestations,
    tree: &BlockTree,
    validator_count: usize,
    finalized_slot: Slot,
    tie: VoteTie,
) -> Vec<Option<NodeId>> {
    type Newest = (Slot, Root, Option<NodeId>);
    let mut newest: Vec<Option<Newest>> = vec![None; validator_count];
    for attestation in pool.members::<New>() {
        let pooled = pool.data(attestation);
        let data = &pooled.data;
        if data.head.slot <= finalized_slot {
            continue;
        }
        let head = tree.find(&data.head.root);
        for (_, payload) in pool.payloads(attestation, Phase::New) {
            for index in payload.participants.indices() {
                let place = usize::try_from(index).ok().and_then(|index| newest.get_mut(index));
                let Some(entry) = place else { continue };
                let counts = |(slot, root, _): Newest| match tie {
                    VoteTie::LargerRoot => (slot, root) < (data.slot, pooled.root),
                    VoteTie::EarlierInPool => slot < data.slot,
                };
                if entry.is_none_or(counts) {
                    *entry = Some((data.slot, pooled.root, head));
                }
            }
        }
    }
    newest.into_iter().map(|entry| entry.and_then(|(.., head)| head)).collect()
}
