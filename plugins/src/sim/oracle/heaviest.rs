//! Checks that the head is the one that a literal fork choice selects, without runs and without a
//! cached path.

use std::collections::BTreeMap;

use quintet_components::{
    attestations::LatestVotes,
    chain::{Head, Justified},
    clock::CurrentInterval,
    containers::Slot,
    tree::{BlockTree, NodeId},
};

use super::{Broken, View, broken};

/// Compares heads once per slot.
#[derive(Default)]
pub(super) struct Heaviest {
    /// The slot of each node's last comparison.
    compared: BTreeMap<usize, Slot>,
}

impl Heaviest {
    pub(super) fn look(&mut self, view: &View<'_>) -> Result<(), Broken> {
        let slot = view.world.resource::<CurrentInterval>().slot();
        if self.compared.insert(view.node, slot) == Some(slot) {
            return Ok(());
        }
        let tree = view.world.resource::<BlockTree>();
        let (head, justified) =
            (view.world.resource::<Head>().0, view.world.resource::<Justified>().0);
        let Some(start) = tree.find(&justified.root) else {
            return broken("not-the-heaviest", format!("{justified:?} is not in the tree"));
        };
        let votes = view.world.resource::<LatestVotes>().counted.iter().flatten().copied();
        let leaf = heaviest(tree, votes, start, 0);
        if *tree.root(leaf) == head.root {
            return Ok(());
        }
        let text = format!(
            "from {justified:?} the heaviest leaf is {} of slot {}, and the head is {head:?}",
            tree.root(leaf),
            tree.slot(leaf)
        );
        broken("not-the-heaviest", text)
    }
}

/// Walks from a block to the leaf with the most votes, child by child. Each child needs at least
/// this many votes; on a tie the larger root wins.
pub(super) fn heaviest(
    tree: &BlockTree,
    votes: impl IntoIterator<Item = NodeId>,
    start: NodeId,
    minimum: u64,
) -> NodeId {
    let mut weights: BTreeMap<usize, u64> = BTreeMap::new();
    for vote in votes {
        let mut at = Some(vote);
        while let Some(id) = at.filter(|id| tree.slot(*id) > tree.slot(start)) {
            *weights.entry(id.index()).or_default() += 1;
            at = tree.parent(id);
        }
    }
    let weight = |id: &NodeId| weights.get(&id.index()).copied().unwrap_or(0);
    let mut leaf = start;
    loop {
        let children = tree.children(leaf).filter(|child| weight(child) >= minimum);
        match children.max_by_key(|child| (weight(child), *tree.root(*child))) {
            Some(child) => leaf = child,
            None => return leaf,
        }
    }
}
