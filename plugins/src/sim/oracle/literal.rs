//! Checks that blocks justify and finalize what a literal model of the transition says.

use std::collections::BTreeMap;

use quintet_components::{
    containers::{Block, Checkpoint, Root, Slot},
    storage::Blocks,
    tree::{BlockNode, BlockTree, NodeId},
};
use tree_hash::TreeHash;

use super::{Broken, View, broken, checkpoints};
use crate::sim::{
    crypto,
    machine::GENESIS_MS,
    model::{Body, Ledger},
    scenario::Scenario,
};

/// The largest number of states that are kept. Blocks on older ones are not compared.
const MAX_LEDGERS: usize = 2_048;

/// The state of every block, computed once for all nodes.
#[derive(Default)]
pub(super) struct Literal {
    ledgers: BTreeMap<(Slot, Root), Ledger>,
    /// Each node's checkpoints after its last update, and its number of blocks.
    last: BTreeMap<usize, ([Checkpoint; 3], usize)>,
    /// The slot that each node had justified when it started.
    floors: BTreeMap<usize, Slot>,
}

impl Literal {
    pub(super) fn look(&mut self, view: &View<'_>) -> Result<(), Broken> {
        let tree = view.world.resource::<BlockTree>();
        let now = (checkpoints(view.world), tree.places());
        if self.last.insert(view.node, now) == Some(now) {
            return Ok(());
        }
        for (id, block) in tree.iter() {
            if !self.ledgers.contains_key(&(block.slot, block.root)) {
                self.add(view, (tree, id), block)?;
            }
            if let Some(ledger) = self.ledgers.get(&(block.slot, block.root)) {
                compare(block, ledger)?;
            }
        }
        let [head, justified, finalized] = now.0;
        let floor = *self.floors.entry(view.node).or_insert(justified.slot);
        let of_blocks = tree.iter().map(|(_, block)| block.justified.slot).max().unwrap_or(0);
        let expected = of_blocks.max(floor);
        if justified.slot != expected {
            let text = format!("slot {expected} is justified, and it has {justified:?}");
            return broken("not-the-model", text);
        }
        match self.finalized_of(tree, head) {
            Some(expected) if expected != finalized => {
                let text =
                    format!("its head {head:?} finalizes {expected:?}, and it has {finalized:?}");
                broken("not-the-model", text)
            }
            _ => Ok(()),
        }
    }

    /// Forgets a node that starts again.
    pub(super) fn crashed(&mut self, node: usize) {
        self.last.remove(&node);
        self.floors.remove(&node);
    }

    /// Computes a block's state, if its parent's state is known.
    fn add(
        &mut self,
        view: &View<'_>,
        (tree, id): (&BlockTree, NodeId),
        node: &BlockNode,
    ) -> Result<(), Broken> {
        let (slot, root) = (node.slot, node.root);
        if slot == 0 {
            self.ledgers.insert((slot, root), genesis(view.scenario));
            return Ok(());
        }
        let parent = tree.parent(id).map(|parent| (tree.slot(parent), *tree.root(parent)));
        let Some(parent) = parent.and_then(|parent| self.ledgers.get(&parent)) else {
            return Ok(());
        };
        let Ok(Some(signed)) = view.world.resource::<Blocks>().0.signed_block(&root) else {
            return Ok(());
        };
        match after(parent, &signed.block) {
            Ok(ledger) => self.ledgers.insert((slot, root), ledger),
            Err(text) => return broken("not-the-model", format!("block {root}: {text}")),
        };
        if self.ledgers.len() > MAX_LEDGERS {
            self.ledgers.pop_first();
        }
        Ok(())
    }

    /// The checkpoint that a head finalizes, block by block.
    fn finalized_of(&self, tree: &BlockTree, head: Checkpoint) -> Option<Checkpoint> {
        let slot = self.ledgers.get(&(head.slot, head.root))?.finalized.slot;
        let mut at = tree.find(&head.root)?;
        while tree.slot(at) > slot {
            at = tree.parent(at)?;
        }
        (tree.slot(at) == slot).then(|| Checkpoint { root: *tree.root(at), slot })
    }
}

fn genesis(scenario: &Scenario) -> Ledger {
    Ledger::genesis(GENESIS_MS / 1000, crypto::registry(scenario.validators))
}

/// The state after a block that a node has imported.
fn after(parent: &Ledger, block: &Block) -> Result<Ledger, String> {
    let votes: Body = block
        .body
        .attestations
        .iter()
        .map(|each| (each.data, each.aggregation_bits.indices().collect()))
        .collect();
    let mut ledger = parent.clone();
    let refused = |reason| format!("the model refuses it: {reason:?}");
    ledger.process_slots(block.slot).map_err(refused)?;
    ledger.process_block(block, &votes).map_err(refused)?;
    let state_root: Root = ledger.state().tree_hash_root();
    if state_root != block.state_root {
        return Err(format!("its state is {}, the model has {state_root}", block.state_root));
    }
    // The next block's transition needs it again.
    ledger.header.state_root = state_root;
    Ok(ledger)
}

fn compare(block: &BlockNode, ledger: &Ledger) -> Result<(), Broken> {
    let expected = (ledger.justified, ledger.finalized.slot);
    if (block.justified, block.finalized_slot) == expected {
        return Ok(());
    }
    let text =
        format!("the model justifies {:?} and finalizes {:?} by {block:?}", expected.0, expected.1);
    broken("not-the-model", text)
}
