//! Rules that must hold at all times.

use std::collections::BTreeMap;

use quintet_components::{
    containers::{Checkpoint, Root, Slot},
    tree::BlockTree,
};

use super::{Broken, View, broken, checkpoints};

/// Checks three rules: all honest nodes have one finalized chain; the justified checkpoint does not
/// go back; data that was on the disk is there after a crash.
#[derive(Default)]
pub(super) struct Safety {
    /// The blocks of the finalized chain. The first node to finalize a slot decides.
    chain: BTreeMap<Slot, Root>,
    /// The highest slot that any node has finalized.
    finalized: Slot,
    /// Each node's checkpoints after its last update.
    last: BTreeMap<usize, [Checkpoint; 3]>,
    /// The checkpoint that a crash must not lose.
    kept: BTreeMap<usize, Checkpoint>,
}

impl Safety {
    pub(super) fn look(&mut self, view: &View<'_>) -> Result<(), Broken> {
        let now = checkpoints(view.world);
        let before = self.last.insert(view.node, now);
        if before == Some(now) {
            return Ok(());
        }
        let [_, justified, finalized] = now;
        if let Some([_, earlier, _]) = before
            && earlier.slot > justified.slot
        {
            let text = format!("justified goes back from {earlier:?} to {justified:?}");
            return broken("justified-goes-back", text);
        }
        if before.is_none_or(|[_, _, earlier]| earlier != finalized) {
            self.finalize(view, finalized)?;
        }
        Ok(())
    }

    /// Compares the chain of a finalized block with what others have finalized.
    fn finalize(&mut self, view: &View<'_>, finalized: Checkpoint) -> Result<(), Broken> {
        let tree = view.world.resource::<BlockTree>();
        let mut at = tree.find(&finalized.root);
        while let Some(id) = at {
            let (slot, root) = (tree.slot(id), *tree.root(id));
            if slot <= self.finalized {
                break;
            }
            self.chain.insert(slot, root);
            at = tree.parent(id);
        }
        let newest = self.finalized.min(finalized.slot);
        self.finalized = self.finalized.max(finalized.slot);
        // The newest of its blocks that is not after the slot finalized so far. Others have
        // finalized it, or a block beside it.
        let Some(id) = at else { return Ok(()) };
        let (slot, root) = (tree.slot(id), *tree.root(id));
        match self.chain.range(..=newest.max(slot)).next_back() {
            None => _ = self.chain.insert(slot, root),
            Some((_, known)) if *known == root => {}
            Some(_) if 3 * view.scenario.unreliable_validators() >= view.scenario.validators => {}
            Some((other, known)) => {
                let text = format!(
                    "{finalized:?} is finalized on {root} of slot {slot}, and another node has \
                     finalized {known} of slot {other}"
                );
                return broken("conflicting-finality", text);
            }
        }
        Ok(())
    }

    /// A node is about to lose everything except this checkpoint.
    pub(super) fn crashed(&mut self, node: usize, kept: Option<Checkpoint>) {
        self.last.remove(&node);
        self.kept.remove(&node);
        if let Some(kept) = kept {
            self.kept.insert(node, kept);
        }
    }

    /// A node continues from its disk.
    pub(super) fn resumed(&mut self, node: usize, finalized: Checkpoint) -> Result<(), Broken> {
        match self.kept.remove(&node) {
            Some(kept) if kept != finalized => {
                let text =
                    format!("its disk had {kept:?} finalized, and it resumes at {finalized:?}");
                broken("acknowledged-is-lost", text)
            }
            _ => Ok(()),
        }
    }
}
