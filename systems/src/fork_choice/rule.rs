//! The rule that selects the head, which a custom client may replace.

use std::{fmt::Debug, sync::Arc};

use bevy_ecs::prelude::Resource;
use quintet_components::{
    attestations::LatestVotes,
    tree::{BlockTree, NodeId},
};

/// The facts that a rule selects the head from.
#[derive(Clone, Copy, Debug)]
pub struct HeadChoice<'a> {
    /// The blocks.
    pub tree: &'a BlockTree,
    /// Each validator's latest vote.
    pub votes: &'a LatestVotes,
    /// The justified block. The head is this block or descends from it.
    pub justified: NodeId,
    /// The leaf that LMD-GHOST selects.
    pub heaviest: NodeId,
    /// The head so far; `None` if it was pruned.
    pub current: Option<NodeId>,
}

/// Selects the head.
pub trait SelectHead: Debug + Send + Sync + 'static {
    /// Returns the head. It runs after every imported block and at intervals 0 and 4, so it must
    /// be fast, and the same choice must have the same result.
    fn select(&self, choice: HeadChoice<'_>) -> NodeId;
}

/// The rule of this node. Without this resource LMD-GHOST selects the head. The safe target always
/// follows LMD-GHOST.
#[derive(Resource, Clone, Debug)]
pub struct HeadRule(pub Arc<dyn SelectHead>);

impl HeadRule {
    /// Returns what the rule selects, or the heaviest leaf if that does not descend from the
    /// justified block.
    pub(super) fn select(&self, choice: HeadChoice<'_>) -> NodeId {
        let HeadChoice { tree, justified, heaviest, .. } = choice;
        let selected = self.0.select(choice);
        if tree.ancestor_at(selected, tree.slot(justified)) == Some(justified) {
            return selected;
        }
        let (slot, justified_slot) = (tree.slot(selected), tree.slot(justified));
        tracing::warn!(
            slot,
            justified_slot,
            "the head rule selected a block that does not descend from the justified one: the \
             heaviest leaf is the head"
        );
        heaviest
    }
}
