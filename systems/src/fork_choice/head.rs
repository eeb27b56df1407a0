//! The head, and finality as the head's chain sees it.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head, Justified},
    containers::{Checkpoint, Root, Slot},
    messages::{FinalizedAdvanced, HeadChanged},
    tree::{BlockTree, NodeId},
};

use crate::pool::{self, count_votes};

/// Selects the head: from the justified block to the heaviest leaf. The finalized checkpoint
/// follows the head's chain.
pub fn update_head(world: &mut World) {
    count_votes(world);
    let justified = world.resource::<Justified>().0;
    let old = world.resource::<Head>().0;
    let mut tree = world.resource_mut::<BlockTree>();
    let start = tree.find(&justified.root).expect("the justified block is in the tree");
    let leaf = tree.heaviest_leaf(start);
    let new = Checkpoint { root: tree[leaf].root, slot: tree.slot(leaf) };
    let reorg_depth = reorg_depth(&tree, &old.root, leaf);
    let finalized = finalized_of(&tree, leaf);
    world.resource_mut::<Head>().0 = new;
    if new != old {
        world.write_message(HeadChanged { old, new, reorg_depth });
    }
    // Behind a checkpoint-sync anchor there is no block to point at: the anchor stays.
    let Some(finalized) = finalized else { return };
    let before = std::mem::replace(&mut world.resource_mut::<Finalized>().0, finalized);
    if finalized.slot > before.slot {
        world.write_message(FinalizedAdvanced(finalized));
    }
}

/// The block at the slot that this block's post-state holds finalized.
fn finalized_of(tree: &BlockTree, head: NodeId) -> Option<Checkpoint> {
    let slot = tree[head].finalized_slot;
    let id = tree.ancestor_at(head, slot)?;
    (tree.slot(id) == slot).then(|| Checkpoint { root: tree[id].root, slot })
}

/// Blocks on the old head's chain that are not on the new one's.
fn reorg_depth(tree: &BlockTree, old: &Root, new: NodeId) -> u64 {
    let mut at = tree.find(old);
    let mut depth = 0;
    while let Some(id) = at {
        if tree.ancestor_at(new, tree.slot(id)) == Some(id) {
            break;
        }
        depth += 1;
        at = tree.parent(id);
    }
    depth
}

/// The vote weight of every block after the finalized slot, ascending by root.
pub fn block_weights(world: &mut World) -> Vec<(Root, u32)> {
    count_votes(world);
    let finalized_slot: Slot = world.resource::<Finalized>().0.slot;
    let tree = world.resource::<BlockTree>();
    let mut weights: Vec<(Root, u32)> = tree
        .iter()
        .zip(tree.weights())
        .filter(|((_, block), _)| block.slot > finalized_slot)
        .map(|((_, block), weight)| (block.root, weight))
        .collect();
    weights.sort_unstable();
    weights
}

/// Counts the new payloads and selects the head.
pub fn accept_new(world: &mut World) {
    pool::promote_new(world);
    update_head(world);
}
