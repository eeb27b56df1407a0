//! The block tree: one entity per block, and the index that fork choice walks.

use std::collections::HashMap;

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

use crate::containers::{Checkpoint, Root, Slot, ValidatorIndex};

/// No block.
const NONE: u32 = u32::MAX;

/// A block for fork choice, without body and state. Inserting and despawning it keeps [`BlockTree`]
/// exact.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable, on_insert = index_block, on_discard = unindex_block)]
pub struct BlockNode {
    /// The block's root.
    pub root: Root,
    /// The root of its parent.
    pub parent_root: Root,
    /// Its slot.
    pub slot: Slot,
    /// The validator that proposed it.
    pub proposer_index: ValidatorIndex,
    /// The root of its post-state.
    pub state_root: Root,
    /// The justified checkpoint of its post-state.
    pub justified: Checkpoint,
    /// The finalized slot of its post-state.
    pub finalized_slot: Slot,
}

/// A block's index in [`BlockTree`]. Parents have lower ids than their children. Valid until blocks
/// are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The index in an array over all blocks.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The block with this index in an array over all blocks.
    #[inline]
    pub const fn at(place: u32) -> Self {
        Self(place)
    }

    #[inline]
    fn some(id: u32) -> Option<Self> {
        (id != NONE).then_some(Self(id))
    }
}

/// Every known block by its root, with its links, in arrays over all blocks, which suit the
/// processor's cache.
#[derive(Resource, Debug, Default)]
pub struct BlockTree {
    by_root: HashMap<Root, u32>,
    parents: Vec<u32>,
    /// An ancestor further up. A search for an ancestor follows it if it does not go too far, and
    /// therefore takes logarithmic time.
    jumps: Vec<u32>,
    depths: Vec<u32>,
    first_child: Vec<u32>,
    next_sibling: Vec<u32>,
    slots: Vec<Slot>,
    roots: Vec<Root>,
    blocks: Vec<BlockNode>,
    entities: Vec<Entity>,
}

fn index_block(mut world: DeferredWorld, hook: HookContext) {
    let block = *world.get::<BlockNode>(hook.entity).expect("just inserted");
    world.resource_mut::<BlockTree>().insert(block, hook.entity);
}

fn unindex_block(mut world: DeferredWorld, hook: HookContext) {
    let root = world.get::<BlockNode>(hook.entity).expect("still present").root;
    world.resource_mut::<BlockTree>().by_root.remove(&root);
}

impl BlockTree {
    fn insert(&mut self, block: BlockNode, entity: Entity) {
        let id = u32::try_from(self.blocks.len()).expect("fewer than 2^32 blocks");
        let parent = self.by_root.get(&block.parent_root).copied().unwrap_or(NONE);
        let (jump, depth, next_sibling) = match NodeId::some(parent) {
            None => (NONE, 0, NONE),
            Some(above) => (
                self.jump_below(parent),
                self.depths[above.index()] + 1,
                std::mem::replace(&mut self.first_child[above.index()], id),
            ),
        };
        self.parents.push(parent);
        self.jumps.push(jump);
        self.depths.push(depth);
        self.first_child.push(NONE);
        self.next_sibling.push(next_sibling);
        self.slots.push(block.slot);
        self.roots.push(block.root);
        self.blocks.push(block);
        self.entities.push(entity);
        self.by_root.insert(block.root, id);
    }

    /// The jump of a child of `parent`: twice as far as the parent's jump if two equal jumps meet.
    fn jump_below(&self, parent: u32) -> u32 {
        let depth = |id: u32| self.depths[id as usize];
        let first = self.jumps[parent as usize];
        if first == NONE {
            return parent;
        }
        let second = self.jumps[first as usize];
        if second != NONE && depth(parent) - depth(first) == depth(first) - depth(second) {
            second
        } else {
            parent
        }
    }

    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.by_root.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_root.is_empty()
    }

    /// The block with this root.
    pub fn find(&self, root: &Root) -> Option<NodeId> {
        self.by_root.get(root).copied().map(NodeId)
    }

    /// Returns true if the block is known.
    pub fn contains(&self, root: &Root) -> bool {
        self.by_root.contains_key(root)
    }

    /// The data of a block.
    #[inline]
    pub fn get(&self, id: NodeId) -> &BlockNode {
        &self.blocks[id.index()]
    }

    /// A block's entity.
    pub fn entity(&self, id: NodeId) -> Entity {
        self.entities[id.index()]
    }

    /// A block's slot.
    #[inline]
    pub fn slot(&self, id: NodeId) -> Slot {
        self.slots[id.index()]
    }

    /// A block's parent, unless the tree begins with this block.
    #[inline]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        NodeId::some(self.parents[id.index()])
    }

    /// The blocks, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &BlockNode)> {
        (0..).map(NodeId).zip(&self.blocks)
    }

    /// The blocks from index `first` on, parents before children.
    pub fn iter_from(&self, first: usize) -> impl Iterator<Item = (NodeId, &BlockNode)> {
        let first = first.min(self.blocks.len());
        let places = u32::try_from(first).expect("fewer than 2^32 blocks")..;
        places.map(NodeId).zip(&self.blocks[first..])
    }

    /// The length of an array over all blocks, including removed ones.
    pub fn places(&self) -> usize {
        self.blocks.len()
    }

    /// A block's root.
    #[inline]
    pub fn root(&self, id: NodeId) -> &Root {
        &self.roots[id.index()]
    }

    /// A block's children, newest first.
    #[inline]
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let first = NodeId::some(self.first_child[id.index()]);
        std::iter::successors(first, |child| NodeId::some(self.next_sibling[child.index()]))
    }

    /// The newest block at or before `slot` on the chain that ends in `id`; `None` if the tree
    /// begins later. Takes time logarithmic in the chain's length.
    pub fn ancestor_at(&self, id: NodeId, slot: Slot) -> Option<NodeId> {
        let mut at = id.0;
        while self.slots[at as usize] > slot {
            let jump = self.jumps[at as usize];
            let far = jump != NONE && self.slots[jump as usize] >= slot;
            at = if far { jump } else { self.parents[at as usize] };
            NodeId::some(at)?;
        }
        Some(NodeId(at))
    }

    /// Returns true if `ancestor` is on the chain that ends in `descendant`: the block at its slot
    /// has its root.
    pub fn is_ancestor(&self, ancestor: Checkpoint, descendant: Checkpoint) -> bool {
        ancestor.slot <= descendant.slot
            && self
                .find(&descendant.root)
                .and_then(|id| self.ancestor_at(id, ancestor.slot))
                .is_some_and(|id| {
                    self.slot(id) == ancestor.slot && self.get(id).root == ancestor.root
                })
    }

    /// Turns the number of votes for each block, by index, into weights. A vote counts for all
    /// ancestors too.
    pub fn add_to_ancestors(&self, weights: &mut [u32]) {
        for id in (1..weights.len()).rev() {
            if let Some(parent) = NodeId::some(self.parents[id]) {
                weights[parent.index()] += weights[id];
            }
        }
    }

    /// Removes the data of removed blocks and assigns new ids. Returns a map from old to new ids,
    /// with which the caller must update every other holder of ids.
    pub fn compact(&mut self) -> Vec<Option<NodeId>> {
        let old = std::mem::take(self);
        let mut moved = vec![None; old.blocks.len()];
        for (id, block) in old.blocks.iter().enumerate() {
            if old.by_root.get(&block.root).is_some_and(|kept| *kept as usize == id) {
                moved[id] = Some(NodeId(u32::try_from(self.blocks.len()).expect("fewer")));
                self.insert(*block, old.entities[id]);
            }
        }
        moved
    }
}

impl std::ops::Index<NodeId> for BlockTree {
    type Output = BlockNode;

    fn index(&self, id: NodeId) -> &BlockNode {
        self.get(id)
    }
}
