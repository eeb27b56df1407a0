//! The weights of votes in the block tree.

use bevy_ecs::prelude::*;
use quintet_components::tree::{BlockTree, NodeId};

use super::runs::{Blocks, NONE, Runs, place};

/// Vote weights over the tree. The heaviest leaf is found from what has changed; if several are
/// equally heavy, the larger root wins.
#[derive(Resource, Debug, Default)]
pub struct VoteWeights {
    runs: Runs,
}

/// A vote that moves from one block to another; `None` is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteMove {
    /// The block where it counted.
    pub from: Option<NodeId>,
    /// The block where it counts now.
    pub to: Option<NodeId>,
}

impl VoteWeights {
    /// Adds the blocks that are new in the tree.
    pub fn follow(&mut self, tree: &BlockTree) {
        for (id, _) in tree.iter_from(self.runs.len()) {
            self.runs.insert(place(id), Blocks(tree));
        }
    }

    /// Moves votes, and the weights of all ancestors with them.
    pub fn move_votes(&mut self, moves: &[VoteMove], tree: &BlockTree) {
        self.follow(tree);
        let place = |id: Option<NodeId>| id.map_or(NONE, place);
        let moves = moves.iter().map(|each| (place(each.from), place(each.to)));
        self.runs.move_votes(moves, Blocks(tree));
    }

    /// The leaf reached from `start` through the heaviest children, among the blocks added so far.
    pub fn heaviest_leaf(&mut self, start: NodeId) -> NodeId {
        NodeId::at(self.runs.heaviest_leaf(place(start)))
    }

    /// The number of latest votes for the block or a descendant.
    pub fn weight(&self, id: NodeId, tree: &BlockTree) -> u32 {
        self.runs.weight(place(id), Blocks(tree))
    }

    /// Every block's weight, by its index: cheaper than one by one.
    pub fn weights(&self, tree: &BlockTree) -> Vec<u32> {
        let mut weights = self.runs.votes().to_vec();
        weights.resize(tree.places(), 0);
        tree.add_to_ancestors(&mut weights);
        weights
    }

    /// Starts anew on a tree whose blocks have new indices, with these votes.
    pub fn rebuild(&mut self, tree: &BlockTree, votes: impl Iterator<Item = NodeId>) {
        *self = Self::default();
        let moves: Vec<VoteMove> = votes.map(|id| VoteMove { from: None, to: Some(id) }).collect();
        self.move_votes(&moves, tree);
    }
}

/// The leaf reached from `start` through the heaviest children that have at least `minimum` votes,
/// if only these blocks have votes.
pub fn supported_leaf(
    tree: &BlockTree,
    start: NodeId,
    votes: impl Iterator<Item = NodeId>,
    minimum: u32,
) -> NodeId {
    let mut weights = vec![0u32; tree.places()];
    for id in votes {
        weights[id.index()] += 1;
    }
    tree.add_to_ancestors(&mut weights);
    let mut leaf = start;
    while let Some(child) = tree
        .children(leaf)
        .filter(|child| weights[child.index()] >= minimum)
        .max_by_key(|child| (weights[child.index()], *tree.root(*child)))
    {
        leaf = child;
    }
    leaf
}
