//! Reads the data from which a restarted node continues.

use std::collections::{BTreeMap, HashMap};

use quintet_components::{
    containers::{Checkpoint, Root},
    storage::{ForkChoiceFacts, ResumeData, StorageError},
    tree::BlockNode,
};

use super::{
    backend::Column,
    records::{VoteRecord, names},
    store::Store,
};

impl Store {
    /// The world of the last batch; `None` if the store was not started.
    ///
    /// # Errors
    /// [`StorageError`] if the store cannot be read, or if its data is inconsistent.
    pub fn resume(&self) -> Result<Option<ResumeData>, StorageError> {
        let Some(facts) = self.facts()? else { return Ok(None) };
        let anchor = self.anchor()?.ok_or_else(|| self.damaged(Column::Metadata, "no anchor"))?;
        let oldest = facts.finalized.slot.saturating_sub(self.retention.window_slots);
        let mut blocks = Vec::new();
        let mut parents = HashMap::new();
        // Before the anchor there is history without states, which the tree does not need.
        self.scan_headers(oldest.max(anchor.slot), None, |block, record| {
            blocks.push(record.node(block.root));
            parents.insert(block.root, record.parent());
        })?;
        self.check_tree(&blocks, &parents, facts)?;
        let anchor_block = self
            .block_at(facts.finalized)?
            .ok_or_else(|| self.damaged(Column::Bodies, "the finalized block has no body"))?;

        // The head's own chain shares what its blocks did not change; the others may be on it.
        let mut states = BTreeMap::new();
        for block in [facts.head, facts.safe_target, facts.justified, facts.finalized] {
            if states.contains_key(&(block.slot, block.root)) {
                continue;
            }
            let rebuilt = self.states_up_to(block)?;
            if rebuilt.is_empty() {
                return Err(self.damaged(Column::StateDiffs, "a checkpoint has no post-state"));
            }
            for (block, stored) in rebuilt {
                // The snapshot may be of a pruned block.
                if parents.contains_key(&block.root) {
                    states.entry((block.slot, block.root)).or_insert(stored.state);
                }
            }
        }
        let anchor_state = states
            .get(&(facts.finalized.slot, facts.finalized.root))
            .cloned()
            .ok_or_else(|| self.damaged(Column::Headers, "the finalized block is missing"))?;
        let votes: Vec<VoteRecord> = self.read(Column::Metadata, names::VOTES)?.unwrap_or_default();
        tracing::info!(
            head_slot = facts.head.slot,
            head = %facts.head.root,
            finalized_slot = facts.finalized.slot,
            finalized = %facts.finalized.root,
            blocks = blocks.len(),
            "resuming from {}", self.place()
        );
        Ok(Some(ResumeData {
            anchor_block,
            anchor_state,
            blocks,
            states: states.into_iter().map(|((_, root), state)| (root, state)).collect(),
            facts,
            votes: votes.into_iter().map(Into::into).collect(),
        }))
    }

    /// Checks that every checkpoint has its block, and every block its parent, as far back as the
    /// tree goes.
    fn check_tree(
        &self,
        blocks: &[BlockNode],
        parents: &HashMap<Root, Option<Checkpoint>>,
        facts: ForkChoiceFacts,
    ) -> Result<(), StorageError> {
        let first = blocks.first().map_or(0, |block| block.slot);
        let orphan = blocks.iter().find(|block| {
            parents[&block.root]
                .is_some_and(|parent| parent.slot >= first && !parents.contains_key(&parent.root))
        });
        if let Some(block) = orphan {
            let detail = format!("{} at slot {} has no parent", block.root, block.slot);
            return Err(self.damaged(Column::Headers, &detail));
        }
        for block in [facts.head, facts.safe_target, facts.justified, facts.finalized] {
            if !parents.contains_key(&block.root) {
                let detail = format!("{} at slot {} is missing", block.root, block.slot);
                return Err(self.damaged(Column::Headers, &detail));
            }
        }
        Ok(())
    }
}
