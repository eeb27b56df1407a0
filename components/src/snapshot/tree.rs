//! The block tree that HTTP serves: blocks in chunks that snapshots share, and the votes for each.
//! The first reader computes the weights.

use std::sync::{Arc, OnceLock};

use crate::{
    containers::{Root, Slot, ValidatorIndex},
    tree::{BlockTree, NodeId},
};

/// The number of blocks in a chunk. A new block copies at most the last chunk.
const CHUNK_BLOCKS: usize = 256;
/// Stands for no parent.
const NONE: u32 = u32::MAX;

/// A block of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownBlock {
    /// Its root.
    pub root: Root,
    /// Its slot.
    pub slot: Slot,
    /// Its parent's root.
    pub parent_root: Root,
    /// The validator that proposed it.
    pub proposer_index: ValidatorIndex,
    /// The index of the parent in the tree.
    parent: u32,
}

/// The tree at one moment.
#[derive(Debug, Default)]
pub struct TreeView {
    chunks: Vec<Arc<Vec<ShownBlock>>>,
    votes: Vec<u32>,
    weights: OnceLock<Vec<u32>>,
}

impl TreeView {
    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.votes.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.votes.is_empty()
    }

    /// The blocks, parents before children, each with its weight: the number of latest votes for it
    /// or a descendant.
    pub fn iter(&self) -> impl Iterator<Item = (&ShownBlock, u32)> {
        self.blocks().zip(self.weights().iter().copied())
    }

    fn blocks(&self) -> impl DoubleEndedIterator<Item = &ShownBlock> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    fn weights(&self) -> &[u32] {
        self.weights.get_or_init(|| {
            let mut weights = self.votes.clone();
            for (block, id) in self.blocks().rev().zip((0..weights.len()).rev()) {
                if block.parent != NONE {
                    weights[block.parent as usize] += weights[id];
                }
            }
            weights
        })
    }
}

/// Makes views of a tree that changes. Keeps the chunks of the last view.
#[derive(Debug, Default)]
pub struct TreeViewer {
    chunks: Vec<Arc<Vec<ShownBlock>>>,
    len: usize,
}

impl TreeViewer {
    /// The tree now, with the blocks for which votes are counted. The cost is that of the new
    /// blocks and a pass over the votes; after blocks were removed, that of all blocks.
    pub fn view<'a>(
        &mut self,
        tree: &BlockTree,
        counted: impl IntoIterator<Item = &'a NodeId>,
    ) -> Arc<TreeView> {
        let mut votes = vec![0; tree.places()];
        for id in counted {
            votes[id.index()] += 1;
        }
        if !self.is_prefix_of(tree) {
            *self = Self::default();
        }
        for (id, block) in tree.iter_from(self.len) {
            let shown = ShownBlock {
                root: block.root,
                slot: block.slot,
                parent_root: block.parent_root,
                proposer_index: block.proposer_index,
                parent: tree.parent(id).map_or(NONE, |parent| {
                    u32::try_from(parent.index()).expect("fewer than 2^32 blocks")
                }),
            };
            match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK_BLOCKS) {
                Some(chunk) => Arc::make_mut(chunk).push(shown),
                None => self.chunks.push(Arc::new(vec![shown])),
            }
        }
        self.len = votes.len();
        Arc::new(TreeView { chunks: self.chunks.clone(), votes, weights: OnceLock::new() })
    }

    /// Returns true if the tree still begins with the blocks of the last view. Indices change when
    /// blocks are removed.
    fn is_prefix_of(&self, tree: &BlockTree) -> bool {
        let Some(last) = self.chunks.last().and_then(|chunk| chunk.last()) else { return true };
        let first = self.chunks[0][0].root;
        let place = |root: &Root| tree.find(root).map(NodeId::index);
        place(&first) == Some(0) && place(&last.root) == Some(self.len - 1)
    }
}

#[cfg(test)]
mod tests {
    use bevy_ecs::prelude::*;

    use super::*;
    use crate::{containers::Checkpoint, tree::BlockNode};

    #[derive(Resource, Default)]
    struct Votes(Vec<NodeId>);

    fn root(number: u64) -> Root {
        Root::left_padding_from(&number.wrapping_add(1).to_be_bytes())
    }

    fn add(world: &mut World, number: u64, parent: u64) -> Entity {
        world
            .spawn(BlockNode {
                root: root(number),
                parent_root: root(parent),
                slot: number,
                proposer_index: number % 4,
                state_root: Root::ZERO,
                justified: Checkpoint::default(),
                finalized_slot: 0,
            })
            .id()
    }

    /// Blocks and weights from the tree itself.
    fn exact(world: &World) -> Vec<(Root, Root, u32)> {
        let tree = world.resource::<BlockTree>();
        let mut weights = vec![0; tree.places()];
        for id in &world.resource::<Votes>().0 {
            weights[id.index()] += 1;
        }
        tree.add_to_ancestors(&mut weights);
        tree.iter()
            .zip(weights)
            .map(|((_, block), weight)| (block.root, block.parent_root, weight))
            .collect()
    }

    fn view(viewer: &mut TreeViewer, world: &World) -> Arc<TreeView> {
        viewer.view(world.resource(), &world.resource::<Votes>().0)
    }

    fn shown(view: &TreeView) -> Vec<(Root, Root, u32)> {
        view.iter().map(|(block, weight)| (block.root, block.parent_root, weight)).collect()
    }

    fn vote(world: &mut World, number: u64) {
        let id = world.resource::<BlockTree>().find(&root(number)).expect("it is there");
        world.resource_mut::<Votes>().0.push(id);
    }

    #[test]
    fn a_view_is_the_tree_of_its_moment_and_shares_old_blocks() {
        let mut world = World::new();
        world.init_resource::<BlockTree>();
        world.init_resource::<Votes>();
        let mut viewer = TreeViewer::default();
        add(&mut world, 0, u64::MAX - 1);
        for number in 1..600 {
            // A fork at every seventh block.
            add(&mut world, number, if number % 7 == 0 { number / 2 } else { number - 1 });
            if number % 5 == 0 {
                vote(&mut world, number);
            }
            if number % 97 == 0 {
                let view = view(&mut viewer, &world);
                assert_eq!(shown(&view), exact(&world));
            }
        }
        let before = view(&mut viewer, &world);
        let expected = exact(&world);
        vote(&mut world, 599);
        add(&mut world, 600, 599);
        let after = view(&mut viewer, &world);
        assert_eq!((shown(&before), shown(&after)), (expected, exact(&world)));
        assert!(Arc::ptr_eq(&before.chunks[0], &after.chunks[0]));
        assert_eq!((before.len(), after.len()), (600, 601));
    }

    #[test]
    fn removed_blocks_are_gone_from_the_next_view() {
        let mut world = World::new();
        world.init_resource::<BlockTree>();
        world.init_resource::<Votes>();
        let mut viewer = TreeViewer::default();
        let entities: Vec<Entity> =
            (0..10).map(|number| add(&mut world, number, number.wrapping_sub(1))).collect();
        assert_eq!(view(&mut viewer, &world).len(), 10);
        vote(&mut world, 9);
        for entity in &entities[..4] {
            world.despawn(*entity);
        }
        let moved = world.resource_mut::<BlockTree>().compact();
        for id in &mut world.resource_mut::<Votes>().0 {
            *id = moved[id.index()].expect("it stays");
        }
        let view = view(&mut viewer, &world);
        assert_eq!(shown(&view), exact(&world));
        assert_eq!(view.len(), 6);
    }
}
