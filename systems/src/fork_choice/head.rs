//! The head, and the finality of the head's chain.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    attestations::LatestVotes,
    chain::{Finalized, Head, Justified},
    containers::{Checkpoint, Root, Slot},
    messages::{FinalizedAdvanced, HeadChanged},
    tree::{BlockTree, NodeId},
};

use super::{
    HAS_CHAIN,
    rule::{HeadChoice, HeadRule},
    weights::{VoteMove, VoteWeights},
};
use crate::pool::AttestationPool;

/// The resources that select the head.
#[derive(SystemParam)]
pub struct ForkChoice<'w> {
    tree: Res<'w, BlockTree>,
    weights: ResMut<'w, VoteWeights>,
    latest: ResMut<'w, LatestVotes>,
    justified: Res<'w, Justified>,
    head: ResMut<'w, Head>,
    finalized: ResMut<'w, Finalized>,
    rule: Option<Res<'w, HeadRule>>,
    head_changed: MessageWriter<'w, HeadChanged>,
    finalized_advanced: MessageWriter<'w, FinalizedAdvanced>,
}

impl ForkChoice<'_> {
    /// Updates the weights with the latest votes.
    fn count_votes(&mut self) {
        move_counted(&mut self.latest, &mut self.weights, &self.tree);
    }

    /// Selects the head: from the justified block to the heaviest leaf, or what a custom rule
    /// selects. The finalized checkpoint becomes that of the head's chain. Returns true if it
    /// advanced.
    fn select_head(&mut self) -> bool {
        let old = self.head.0;
        let start = self.tree.find(&self.justified.0.root);
        let start = start.expect("the justified block is in the tree");
        let mut leaf = self.weights.heaviest_leaf(start);
        if let Some(rule) = &self.rule {
            let (tree, votes) = (&*self.tree, &*self.latest);
            let current = tree.find(&old.root);
            leaf =
                rule.select(HeadChoice { tree, votes, justified: start, heaviest: leaf, current });
        }
        let new = Checkpoint { root: *self.tree.root(leaf), slot: self.tree.slot(leaf) };
        if new != old {
            let reorg_depth = reorg_depth(&self.tree, &old.root, leaf);
            self.head.0 = new;
            self.head_changed.write(HeadChanged { old, new, reorg_depth });
        }
        // Behind a checkpoint-sync anchor there is no block that could be finalized: the anchor
        // stays.
        let Some(finalized) = finalized_of(&self.tree, leaf) else { return false };
        if finalized == self.finalized.0 {
            return false;
        }
        let before = std::mem::replace(&mut self.finalized.0, finalized);
        let has_advanced = finalized.slot > before.slot;
        if has_advanced {
            self.finalized_advanced.write(FinalizedAdvanced(finalized));
        }
        has_advanced
    }
}

/// Moves the weights of the votes that have changed.
fn move_counted(latest: &mut LatestVotes, weights: &mut VoteWeights, tree: &BlockTree) {
    let LatestVotes { votes, counted, changed, .. } = latest;
    let mut moves = Vec::with_capacity(changed.len());
    for index in changed.drain(..) {
        let to = votes[index].and_then(|vote| vote.head);
        let from = std::mem::replace(&mut counted[index], to);
        if from != to {
            moves.push(VoteMove { from, to });
        }
    }
    weights.move_votes(&moves, tree);
}

/// Sets which votes count, by the finalized slot. Runs before [`select_head`].
pub fn follow_finality(mut pool: AttestationPool) {
    pool.follow_finality();
}

/// Counts the latest votes and selects the head. Returns true if finality advanced.
pub fn select_head(mut fork_choice: ForkChoice) -> bool {
    fork_choice.count_votes();
    fork_choice.select_head()
}

/// [`select_head`] for a schedule.
pub fn follow_votes(fork_choice: ForkChoice) {
    select_head(fork_choice);
}

/// The block at the slot that is finalized in this block's post-state.
fn finalized_of(tree: &BlockTree, head: NodeId) -> Option<Checkpoint> {
    let slot = tree[head].finalized_slot;
    let id = tree.ancestor_at(head, slot)?;
    (tree.slot(id) == slot).then(|| Checkpoint { root: tree[id].root, slot })
}

/// The number of blocks on the old head's chain that are not on the new one's.
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

/// Selects the head of a world that the caller owns. Returns true if finality advanced.
///
/// Panics if the world has no chain.
pub fn update_head(world: &mut World) -> bool {
    world.run_system_cached(follow_finality).expect(HAS_CHAIN);
    world.run_system_cached(select_head).expect(HAS_CHAIN)
}

/// The vote weight of every block after the finalized slot, ascending by root. For digests and
/// tests: it first updates the weights.
///
/// Panics if the world has no chain.
pub fn block_weights(world: &mut World) -> Vec<(Root, u32)> {
    world.run_system_cached(follow_finality).expect(HAS_CHAIN);
    world.run_system_cached(weigh_blocks).expect(HAS_CHAIN)
}

fn weigh_blocks(mut fork_choice: ForkChoice) -> Vec<(Root, u32)> {
    fork_choice.count_votes();
    let finalized_slot: Slot = fork_choice.finalized.0.slot;
    let tree = &fork_choice.tree;
    let mut weights: Vec<(Root, u32)> = tree
        .iter()
        .zip(fork_choice.weights.weights(tree))
        .filter(|((_, block), _)| block.slot > finalized_slot)
        .map(|((_, block), weight)| (block.root, weight))
        .collect();
    weights.sort_unstable();
    weights
}
