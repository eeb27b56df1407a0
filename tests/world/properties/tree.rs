//! The incremental tree against weights counted anew: every way of moving votes, few and many,
//! gives the same weights, best children and heaviest leaf.

use bevy_ecs::prelude::*;
use proptest::{prelude::*, sample::Index};
use quintet_components::{
    containers::{Checkpoint, Root},
    tree::{BlockNode, BlockTree, NodeId},
};
use quintet_systems::fork_choice::weights::{VoteMove, VoteWeights, supported_leaf};
use tree_hash::merkle_root;

/// A tree by parents: each block's parent comes before it, and is older.
#[derive(Clone, Debug)]
struct Plan {
    parents: Vec<(Index, u64)>,
    /// Rounds of votes: each moves some validators to a block, or nowhere.
    rounds: Vec<Vec<(usize, Option<Index>)>>,
    /// Blocks inserted between rounds.
    late: Vec<(Index, u64)>,
    start: Index,
}

const VALIDATORS: usize = 40;

fn plan() -> impl Strategy<Value = Plan> {
    // Long chains and bushes: parents near the end, or anywhere.
    let block = (any::<Index>(), 1u64..4);
    let vote = (0..VALIDATORS, prop::option::weighted(0.9, any::<Index>()));
    let round = prop_oneof![
        prop::collection::vec(vote.clone(), 1..3),
        prop::collection::vec(vote, 20..VALIDATORS),
    ];
    (
        prop::collection::vec(block.clone(), 0..160),
        prop::collection::vec(round, 1..12),
        prop::collection::vec(block, 0..12),
        any::<Index>(),
    )
        .prop_map(|(parents, rounds, late, start)| Plan { parents, rounds, late, start })
}

struct Model {
    world: World,
    /// Root, slot and parent of each block.
    blocks: Vec<(Root, u64, Option<usize>)>,
    votes: Vec<Option<usize>>,
}

impl Model {
    fn new() -> Self {
        let mut world = World::new();
        world.init_resource::<BlockTree>();
        world.init_resource::<VoteWeights>();
        let mut model = Self { world, blocks: vec![], votes: vec![None; VALIDATORS] };
        model.insert(None, 0);
        model
    }

    fn insert(&mut self, parent: Option<usize>, slot: u64) {
        let number = u64::try_from(self.blocks.len()).expect("few").to_le_bytes();
        let root = merkle_root(&number, 0);
        let root = merkle_root(root.as_slice(), 2);
        let parent_root = parent.map_or(Root::ZERO, |parent| self.blocks[parent].0);
        self.world.spawn(BlockNode {
            root,
            parent_root,
            slot,
            proposer_index: 0,
            state_root: Root::ZERO,
            justified: Checkpoint::default(),
            finalized_slot: 0,
        });
        self.blocks.push((root, slot, parent));
    }

    /// Half of the picks are the newest block.
    fn grow(&mut self, (index, distance): &(Index, u64)) {
        let count = self.blocks.len();
        let parent = (count - 1).min(index.index(2 * count));
        let slot = self.blocks[parent].1 + distance;
        self.insert(Some(parent), slot);
    }

    fn tree(&self) -> &BlockTree {
        self.world.resource()
    }

    fn with_weights<R>(&mut self, act: impl FnOnce(&mut VoteWeights, &BlockTree) -> R) -> R {
        self.world.resource_scope(|world, mut weights: Mut<VoteWeights>| {
            act(&mut weights, world.resource::<BlockTree>())
        })
    }

    /// The head from this block, as the node finds it.
    fn found_leaf(&mut self, start: NodeId) -> NodeId {
        self.with_weights(|weights, tree| {
            weights.follow(tree);
            weights.heaviest_leaf(start)
        })
    }

    fn weight(&self, block: usize) -> u32 {
        self.world.resource::<VoteWeights>().weight(self.id(block), self.tree())
    }

    fn id(&self, block: usize) -> NodeId {
        self.tree().find(&self.blocks[block].0).expect("inserted")
    }

    /// The block and its ancestors.
    fn chain(&self, block: usize) -> Vec<usize> {
        std::iter::successors(Some(block), |at| self.blocks[*at].2).collect()
    }

    fn weights(&self) -> Vec<u32> {
        let mut weights = vec![0; self.blocks.len()];
        for block in self.votes.iter().flatten().flat_map(|block| self.chain(*block)) {
            weights[block] += 1;
        }
        weights
    }

    fn heaviest(&self, start: usize, minimum: u32) -> usize {
        let weights = self.weights();
        let mut at = start;
        while let Some(child) = (0..self.blocks.len())
            .filter(|child| self.blocks[*child].2 == Some(at) && weights[*child] >= minimum)
            .max_by_key(|child| (weights[*child], self.blocks[*child].0))
        {
            at = child;
        }
        at
    }

    fn vote(&mut self, round: &[(usize, Option<Index>)]) {
        let mut moves = vec![];
        for (validator, to) in round {
            let to = to.map(|to| to.index(self.blocks.len()));
            let from = std::mem::replace(&mut self.votes[*validator], to);
            let id = |block: Option<usize>| block.map(|block| self.id(block));
            moves.push(VoteMove { from: id(from), to: id(to) });
        }
        self.with_weights(|weights, tree| weights.move_votes(&moves, tree));
    }

    fn check(&mut self, start: usize) -> Result<(), TestCaseError> {
        self.with_weights(VoteWeights::follow);
        for (block, weight) in self.weights().into_iter().enumerate() {
            prop_assert_eq!(self.weight(block), weight, "block {}", block);
        }
        // The walk keeps what it found; whichever block it starts from, and the same again.
        for start in [0, start, start] {
            let (start, leaf) = (self.id(start), self.heaviest(start, 0));
            let found = self.found_leaf(start);
            prop_assert_eq!(found, self.id(leaf));
        }
        for minimum in [1, 3, 14] {
            let votes = self.votes.iter().flatten().map(|block| self.id(*block));
            let found = supported_leaf(self.tree(), self.id(start), votes, minimum);
            prop_assert_eq!(found, self.id(self.heaviest(start, minimum)));
        }
        Ok(())
    }

    /// Every ancestor query, at every slot.
    fn check_ancestors(&self) -> Result<(), TestCaseError> {
        for block in (0..self.blocks.len()).step_by(7) {
            let chain = self.chain(block);
            for slot in 0..self.blocks[block].1 + 2 {
                let newest = chain.iter().find(|at| self.blocks[**at].1 <= slot);
                let found = self.tree().ancestor_at(self.id(block), slot);
                prop_assert_eq!(found, newest.map(|at| self.id(*at)));
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn incremental_weights_and_heads_equal_those_counted_anew(plan in plan()) {
        let mut model = Model::new();
        for block in &plan.parents {
            model.grow(block);
        }
        model.check_ancestors()?;
        let mut late = plan.late.iter();
        for round in &plan.rounds {
            model.vote(round);
            let start = plan.start.index(model.blocks.len());
            model.check(start)?;
            if let Some(block) = late.next() {
                model.grow(block);
                model.check(start)?;
            }
        }
    }

    /// Blocks that nobody asks for any more go, and with them their votes; ids are given anew.
    #[test]
    fn a_compacted_tree_keeps_the_weights_of_what_is_left(plan in plan(), oldest in 0u64..60) {
        let mut model = Model::new();
        for block in &plan.parents {
            model.grow(block);
        }
        for round in &plan.rounds {
            model.vote(round);
        }
        let weights = model.weights();
        let old_ids: Vec<NodeId> = (0..model.blocks.len()).map(|block| model.id(block)).collect();
        let kept: Vec<bool> = model.blocks.iter().map(|(_, slot, _)| *slot >= oldest).collect();
        let mut nodes = model.world.query::<(Entity, &BlockNode)>();
        let gone: Vec<Entity> = nodes
            .iter(&model.world)
            .filter(|(_, node)| node.slot < oldest)
            .map(|(entity, _)| entity)
            .collect();
        for entity in gone {
            model.world.despawn(entity);
        }
        let votes: Vec<NodeId> =
            model.votes.iter().flatten().map(|block| old_ids[*block]).collect();
        let moved = model.world.resource_mut::<BlockTree>().compact();
        let votes = votes.into_iter().filter_map(|id| moved[id.index()]);
        model.with_weights(|weights, tree| weights.rebuild(tree, votes));
        prop_assert_eq!(model.tree().len(), kept.iter().filter(|kept| **kept).count());
        for (block, (root, ..)) in model.blocks.clone().iter().enumerate() {
            prop_assert_eq!(model.tree().find(root), moved[old_ids[block].index()]);
            prop_assert_eq!(model.tree().contains(root), kept[block]);
            if kept[block] {
                prop_assert_eq!(model.weight(block), weights[block]);
                let parent = model.blocks[block].2.filter(|parent| kept[*parent]);
                let expected = parent.map(|parent| model.id(parent));
                prop_assert_eq!(model.tree().parent(model.id(block)), expected);
                let leaf = model.heaviest(block, 0);
                let id = model.id(block);
                let found = model.found_leaf(id);
                prop_assert_eq!(found, model.id(leaf));
            }
        }
    }
}
