//! The votes' weights in the block tree.

use bevy_ecs::prelude::*;
use quintet_components::tree::{BlockTree, NodeId};

use super::runs::{Blocks, NONE, Runs, place};

/// Vote weights over the tree. The heaviest leaf, where on a tie the larger root wins, is found from
/// what has changed.
#[derive(Resource, Debug, Default)]
pub struct VoteWeights {
    runs: Runs,
}

/// A vote that moves from one block to another; `None` is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteMove {
    /// Where it counted.
    pub from: Option<NodeId>,
    /// Where it counts now.
    pub to: Option<NodeId>,
}

impl VoteWeights {
    /// Takes in the blocks that are new in the tree.
    pub fn follow(&mut self, tree: &BlockTree) {
        for (id, _) in tree.iter_from(self.runs.len()) {
            self.runs.insert(place(id), Blocks(tree));
        }
    }

    /// Moves votes: the weights of all ancestors follow.
    pub fn move_votes(&mut self, moves: &[VoteMove], tree: &BlockTree) {
        self.follow(tree);
        let place = |id: Option<NodeId>| id.map_or(NONE, place);
        let moves = moves.iter().map(|each| (place(each.from), place(each.to)));
        self.runs.move_votes(moves, Blocks(tree));
    }

    /// The leaf that heaviest children lead to from `start`, among the blocks that were followed.
    pub fn heaviest_leaf(&mut self, start: NodeId) -> NodeId {
        NodeId::at(self.runs.heaviest_leaf(place(start)))
    }

    /// How many latest votes count for the block or a descendant.
    pub fn weight(&self, id: NodeId, tree: &BlockTree) -> u32 {
        self.runs.weight(place(id), Blocks(tree))
    }

    /// Every block's weight, by its place: cheaper than one by one.
    pub fn weights(&self, tree: &BlockTree) -> Vec<u32> {
        let mut weights = self.runs.votes().to_vec();
        weights.resize(tree.places(), 0);
        tree.add_to_ancestors(&mut weights);
        weights
    }

    /// Begins anew on a tree whose blocks have other places, with these votes.
    pub fn rebuild(&mut self, tree: &BlockTree, votes: impl Iterator<Item = NodeId>) {
        *self = Self::default();
        let moves: Vec<VoteMove> = votes.map(|id| VoteMove { from: None, to: Some(id) }).collect();
        self.move_votes(&moves, tree);
    }
}

/// The leaf that is reached from `start` through the heaviest children of at least `minimum`
/// votes, when these blocks are voted for and nothing else.
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
