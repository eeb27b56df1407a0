//! The block tree: an entity a block, and the index that fork choice walks.

use std::collections::HashMap;

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

use crate::containers::{Checkpoint, Root, Slot, ValidatorIndex};

/// A block as fork choice sees it; neither body nor state is on it. Inserting and despawning
/// keeps [`BlockTree`] exact.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable, on_insert = index_block, on_discard = unindex_block)]
pub struct BlockNode {
    /// The block's root.
    pub root: Root,
    /// Its parent's root.
    pub parent_root: Root,
    /// Its slot.
    pub slot: Slot,
    /// Who proposed it.
    pub proposer_index: ValidatorIndex,
    /// The root of its post-state.
    pub state_root: Root,
    /// What its post-state holds justified.
    pub justified: Checkpoint,
    /// The slot that its post-state holds finalized.
    pub finalized_slot: Slot,
}

/// A block's place in [`BlockTree`]: parents have lower ids than their children. Valid until
/// blocks are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

const NONE: u32 = u32::MAX;

impl NodeId {
    /// The place in an array over all blocks.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    fn some(id: u32) -> Option<Self> {
        (id != NONE).then_some(Self(id))
    }
}

/// The links of one block, kept apart from its facts so that walks stay in the cache.
#[derive(Clone, Copy, Debug)]
struct Links {
    /// An ancestor further up; following it where it does not overshoot makes every ancestor
    /// query logarithmic.
    jump: u32,
    depth: u32,
    first_child: u32,
    next_sibling: u32,
}

/// Every known block by its root, with vote weights. Each block's best child, the heaviest and on
/// a tie the one of the larger root, is exact at all times.
#[derive(Resource, Debug, Default)]
pub struct BlockTree {
    by_root: HashMap<Root, u32>,
    /// Parents, best children and weights stand alone: a vote that moves far touches nothing else.
    parents: Vec<u32>,
    best_children: Vec<u32>,
    weights: Vec<u32>,
    links: Vec<Links>,
    slots: Vec<Slot>,
    blocks: Vec<BlockNode>,
    entities: Vec<Entity>,
    /// Whether the block is on the cached path of best children.
    on_path: Vec<bool>,
    path: Option<Path>,
    deltas: Vec<i32>,
}

/// The path of best children that was walked last.
#[derive(Clone, Copy, Debug)]
struct Path {
    leaf: u32,
    /// The first block on the path whose best child has changed since.
    stale_from: u32,
}

/// A vote that moves from one block to another; `None` is no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteMove {
    /// Where it counted.
    pub from: Option<NodeId>,
    /// Where it counts now.
    pub to: Option<NodeId>,
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
        let (jump, depth) = match NodeId::some(parent) {
            None => (NONE, 0),
            Some(parent_id) => {
                let above = self.links[parent_id.index()];
                (self.jump_below(parent), above.depth + 1)
            }
        };
        let next_sibling = NodeId::some(parent).map_or(NONE, |parent| {
            std::mem::replace(&mut self.links[parent.index()].first_child, id)
        });
        self.parents.push(parent);
        self.best_children.push(NONE);
        self.links.push(Links { jump, depth, first_child: NONE, next_sibling });
        self.slots.push(block.slot);
        self.weights.push(0);
        self.blocks.push(block);
        self.entities.push(entity);
        self.on_path.push(false);
        self.by_root.insert(block.root, id);
        self.raised(id);
    }

    /// The jump of a child of `parent`: twice as far as the parent's where two equal jumps meet.
    fn jump_below(&self, parent: u32) -> u32 {
        let depth = |id: u32| self.links[id as usize].depth;
        let first = self.links[parent as usize].jump;
        if first == NONE {
            return parent;
        }
        let second = self.links[first as usize].jump;
        if second != NONE && depth(parent) - depth(first) == depth(first) - depth(second) {
            second
        } else {
            parent
        }
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.by_root.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_root.is_empty()
    }

    /// The block of this root.
    pub fn find(&self, root: &Root) -> Option<NodeId> {
        self.by_root.get(root).copied().map(NodeId)
    }

    /// Whether the block is known.
    pub fn contains(&self, root: &Root) -> bool {
        self.by_root.contains_key(root)
    }

    /// A block's facts.
    pub fn get(&self, id: NodeId) -> &BlockNode {
        &self.blocks[id.index()]
    }

    /// A block's entity.
    pub fn entity(&self, id: NodeId) -> Entity {
        self.entities[id.index()]
    }

    /// A block's slot.
    pub fn slot(&self, id: NodeId) -> Slot {
        self.slots[id.index()]
    }

    /// A block's parent, unless the tree begins here.
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        NodeId::some(self.parents[id.index()])
    }

    /// How many latest votes count for the block or a descendant.
    pub fn weight(&self, id: NodeId) -> u32 {
        self.weights[id.index()]
    }

    /// The blocks, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &BlockNode)> {
        (0..).map(NodeId).zip(&self.blocks)
    }

    /// A block's children, newest first.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let first = NodeId::some(self.links[id.index()].first_child);
        std::iter::successors(first, |child| NodeId::some(self.links[child.index()].next_sibling))
    }

    /// The newest block at or before `slot` on the chain that ends in `id`; `None` when the tree
    /// begins later. Logarithmic in the chain's length.
    pub fn ancestor_at(&self, id: NodeId, slot: Slot) -> Option<NodeId> {
        let mut at = id.0;
        while self.slots[at as usize] > slot {
            let jump = self.links[at as usize].jump;
            let far = jump != NONE && self.slots[jump as usize] >= slot;
            at = if far { jump } else { self.parents[at as usize] };
            NodeId::some(at)?;
        }
        Some(NodeId(at))
    }

    /// Whether `ancestor` is on the chain that ends in `descendant`: at its slot stands its root.
    pub fn is_ancestor(&self, ancestor: Checkpoint, descendant: Checkpoint) -> bool {
        ancestor.slot <= descendant.slot
            && self
                .find(&descendant.root)
                .and_then(|id| self.ancestor_at(id, ancestor.slot))
                .is_some_and(|id| {
                    self.slot(id) == ancestor.slot && self.get(id).root == ancestor.root
                })
    }

    /// Applies vote moves to the weights of all ancestors. Few short moves walk their own paths;
    /// many, or long ones, share one pass over the tree.
    pub fn move_votes(&mut self, moves: &[VoteMove]) {
        // Enough for one vote across the whole tree.
        let mut steps = self.blocks.len() + 64;
        for VoteMove { from, to } in moves {
            let mut lower = from.map_or(NONE, |id| id.0);
            let mut raise = to.map_or(NONE, |id| id.0);
            // Parents have lower ids, so the larger id is never above the paths' meeting point.
            while lower != raise && steps > 0 {
                steps -= 1;
                if raise == NONE || (lower != NONE && lower > raise) {
                    self.weights[lower as usize] -= 1;
                    steps = steps.saturating_sub(self.lowered(lower));
                    lower = self.parents[lower as usize];
                } else {
                    self.weights[raise as usize] += 1;
                    self.raised(raise);
                    raise = self.parents[raise as usize];
                }
            }
            if lower != raise {
                self.deltas.resize(self.blocks.len(), 0);
                for (id, delta) in [(lower, -1), (raise, 1)] {
                    if id != NONE {
                        self.deltas[id as usize] += delta;
                    }
                }
            }
        }
        if !self.deltas.is_empty() {
            self.apply_deltas();
        }
    }

    /// One pass, children before parents; then every parent of a changed block looks at its
    /// children once.
    fn apply_deltas(&mut self) {
        let mut deltas = std::mem::take(&mut self.deltas);
        let mut parents = Vec::new();
        for id in (0..deltas.len()).rev() {
            if deltas[id] == 0 {
                continue;
            }
            self.weights[id] = self.weights[id].wrapping_add_signed(deltas[id]);
            if let Some(parent) = NodeId::some(self.parents[id]) {
                deltas[parent.index()] += deltas[id];
                if parents.last() != Some(&parent) {
                    parents.push(parent);
                }
            }
        }
        parents.sort_unstable();
        parents.dedup();
        for parent in parents {
            self.find_best(parent);
        }
        deltas.clear();
        self.deltas = deltas;
    }

    fn heavier(&self, one: u32, other: u32) -> bool {
        let (one, other) = (one as usize, other as usize);
        match self.weights[one].cmp(&self.weights[other]) {
            std::cmp::Ordering::Equal => self.blocks[one].root > self.blocks[other].root,
            order => order.is_gt(),
        }
    }

    /// Keeps the parent's best child exact after `id` became heavier, or new.
    fn raised(&mut self, id: u32) {
        let Some(parent) = NodeId::some(self.parents[id as usize]) else { return };
        let best = self.best_children[parent.index()];
        if best != id && (best == NONE || self.heavier(id, best)) {
            self.set_best(parent, id);
        }
    }

    /// Keeps the parent's best child exact after `id` became lighter. Returns how many children
    /// were looked at.
    fn lowered(&mut self, id: u32) -> usize {
        match NodeId::some(self.parents[id as usize]) {
            Some(parent) if self.best_children[parent.index()] == id => self.find_best(parent),
            _ => 0,
        }
    }

    fn find_best(&mut self, parent: NodeId) -> usize {
        let mut seen = 0;
        let best = self.children(parent).map(|child| child.0).reduce(|best, child| {
            seen += 1;
            if self.heavier(child, best) { child } else { best }
        });
        self.set_best(parent, best.unwrap_or(NONE));
        seen
    }

    fn set_best(&mut self, parent: NodeId, best: u32) {
        let link = &mut self.best_children[parent.index()];
        if *link != best {
            *link = best;
            if let Some(path) = self.path.as_mut().filter(|_| self.on_path[parent.index()]) {
                path.stale_from = path.stale_from.min(parent.0);
            }
        }
    }

    /// The leaf that best children lead to from `start`. Only what changed since the last walk is
    /// walked again.
    pub fn heaviest_leaf(&mut self, start: NodeId) -> NodeId {
        let mut leaf = start.0;
        if let Some(path) = self.path {
            let known = self.on_path[start.index()];
            if known && path.stale_from == NONE {
                return NodeId(path.leaf);
            }
            let kept = (known && path.stale_from >= start.0).then_some(path.stale_from);
            let mut at = path.leaf;
            while at != NONE && self.on_path[at as usize] && Some(at) != kept {
                self.on_path[at as usize] = false;
                at = self.parents[at as usize];
            }
            leaf = kept.unwrap_or(leaf);
        }
        self.on_path[leaf as usize] = true;
        while self.best_children[leaf as usize] != NONE {
            leaf = self.best_children[leaf as usize];
            self.on_path[leaf as usize] = true;
        }
        self.path = Some(Path { leaf, stale_from: NONE });
        NodeId(leaf)
    }

    /// The leaf that is reached from `start` through the heaviest children of at least `minimum`
    /// votes, when these blocks are voted for and nothing else.
    pub fn supported_leaf(
        &self,
        start: NodeId,
        votes: impl Iterator<Item = NodeId>,
        minimum: u32,
    ) -> NodeId {
        let mut weights = vec![0u32; self.blocks.len()];
        for id in votes {
            weights[id.index()] += 1;
        }
        for id in (1..weights.len()).rev() {
            if let Some(parent) = NodeId::some(self.parents[id]) {
                weights[parent.index()] += weights[id];
            }
        }
        let mut leaf = start;
        while let Some(child) = self
            .children(leaf)
            .filter(|child| weights[child.index()] >= minimum)
            .max_by_key(|child| (weights[child.index()], self.get(*child).root))
        {
            leaf = child;
        }
        leaf
    }

    /// Forgets removed blocks for good: ids are given anew, weights are kept. The caller tells
    /// everyone who holds ids, through the returned map from old to new.
    pub fn compact(&mut self) -> Vec<Option<NodeId>> {
        let old = std::mem::take(self);
        let mut moved = vec![None; old.blocks.len()];
        for (id, block) in old.blocks.iter().enumerate() {
            if old.by_root.get(&block.root).is_some_and(|kept| *kept as usize == id) {
                moved[id] = Some(NodeId(u32::try_from(self.blocks.len()).expect("fewer")));
                self.insert(*block, old.entities[id]);
                *self.weights.last_mut().expect("just inserted") = old.weights[id];
            }
        }
        for id in 0..u32::try_from(self.blocks.len()).expect("fewer") {
            self.raised(id);
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
