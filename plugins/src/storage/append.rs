//! Writes one atomic batch per update.

use std::sync::Arc;

use quintet_components::{
    containers::{Block, Checkpoint, ProofBytes, Root, SignedBlock, Slot, State},
    storage::{ForkChoiceFacts, LatestVoteRecord, StorageError},
};
use tree_hash::TreeHash;

use super::{
    backend::{Batch, Column, Durability},
    records::{FactsRecord, HeaderRecord, VoteRecord, encode, names, slot_key},
    state_records::{HistoryChunk, HistoryLink, Snapshot, StateDiff, StoredState},
    states::history_key,
    store::{Store, WriterState},
};

/// A block that was imported, with its post-state.
#[derive(Clone, Debug)]
pub struct ImportedBlock {
    /// The block's root.
    pub root: Root,
    /// The block.
    pub block: Arc<SignedBlock>,
    /// Its post-state.
    pub state: Arc<State>,
}

/// The changes of one update.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// Imported blocks, parents before children.
    pub blocks: Vec<ImportedBlock>,
    /// The checkpoints after it, if they changed.
    pub facts: Option<ForkChoiceFacts>,
    /// The latest votes, if they are to be saved.
    pub votes: Option<Vec<LatestVoteRecord>>,
}

/// The result of writing an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Blocks that are stored now.
    pub blocks: usize,
    /// Blocks that were left out because their parents are not stored.
    pub orphans: usize,
    /// Bytes of keys and values, before compression.
    pub bytes: usize,
}

/// Blocks of a batch that is not written yet.
struct Staged(Vec<(Checkpoint, StoredState)>);

impl Staged {
    fn find(&self, root: &Root) -> Option<&(Checkpoint, StoredState)> {
        self.0.iter().rev().find(|(block, _)| block.root == *root)
    }
}

impl Store {
    /// Writes the changes of an update, all or none. A block whose parent is not stored is left
    /// out, and so are checkpoints that name such a block: the stored data is always consistent.
    ///
    /// # Errors
    /// [`StorageError`], also if the store was not started; the same update may be tried again.
    pub fn append(&self, update: &Update) -> Result<Written, StorageError> {
        let mut writer = self.lock_writer();
        if writer.facts.is_none() {
            return Err(StorageError(format!(
                "{} was not started, so it cannot store blocks; give it the anchor with \
                 Store::begin before the node starts",
                self.place()
            )));
        }
        let mut batch = Batch::default();
        let mut staged = Staged(Vec::new());
        let mut written = Written::default();
        for imported in &update.blocks {
            if staged.find(&imported.root).is_some() || self.slot_of(&imported.root)?.is_some() {
                continue;
            }
            match self.parent_of(imported, &staged, &writer)? {
                None => written.orphans += 1,
                Some((parent_slot, parent)) => {
                    let (at, stored) =
                        self.put_import(&mut batch, imported, parent_slot, &parent)?;
                    staged.0.push((at, stored));
                    written.blocks += 1;
                }
            }
        }
        let facts = self.storable(update.facts, &staged)?;
        if let Some(facts) = facts {
            batch.put(Column::Metadata, names::FACTS, encode(&FactsRecord::from(facts)));
        }
        if let Some(votes) = &update.votes {
            let votes: Vec<VoteRecord> = votes.iter().map(VoteRecord::from).collect();
            batch.put(Column::Metadata, names::VOTES, encode(&votes));
        }
        if batch.0.is_empty() {
            return Ok(written);
        }
        written.bytes = batch.bytes();
        self.backend.write(&batch, Durability::Process)?;
        for (block, stored) in staged.0 {
            writer.remember(block.root, stored);
        }
        if let Some(facts) = facts {
            writer.facts = Some(facts);
            if let Some(head) = writer.find(&facts.head.root) {
                self.know_head(facts.head, &head.state);
            }
        }
        Ok(written)
    }

    /// The slot and post-state of a block's parent.
    fn parent_of(
        &self,
        imported: &ImportedBlock,
        staged: &Staged,
        writer: &WriterState,
    ) -> Result<Option<(Slot, StoredState)>, StorageError> {
        let root = imported.block.block.parent_root;
        if let Some((parent, stored)) = staged.find(&root) {
            return Ok(Some((parent.slot, stored.clone())));
        }
        let Some(slot) = self.slot_of(&root)? else { return Ok(None) };
        let stored = match writer.find(&root) {
            Some(stored) => Some(stored.clone()),
            None => self.stored_state(Checkpoint { root, slot })?,
        };
        Ok(stored.map(|stored| (slot, stored)))
    }

    fn put_import(
        &self,
        batch: &mut Batch,
        imported: &ImportedBlock,
        parent_slot: Slot,
        parent: &StoredState,
    ) -> Result<(Checkpoint, StoredState), StorageError> {
        let ImportedBlock { root, block: signed, state } = imported;
        self.check_frame(state, *root)?;
        let at = Checkpoint { root: *root, slot: signed.block.slot };
        let base = Checkpoint { root: signed.block.parent_root, slot: parent_slot };
        put_block(batch, at, &signed.block, Some(&signed.proof.proof), state, parent_slot);
        let link = self.put_chunks(batch, state, parent.link);
        let depth = parent.depth.saturating_add(1);
        let diff = (depth < self.retention.snapshot_every)
            .then(|| StateDiff::between(base, &parent.state, state, depth, link))
            .flatten();
        let depth = match diff {
            Some(diff) => {
                batch.put(Column::StateDiffs, slot_key(at), encode(&diff));
                depth
            }
            None => {
                batch.put(Column::States, slot_key(at), encode(&Snapshot::of(state, link)));
                0
            }
        };
        Ok((at, StoredState { state: Arc::clone(state), depth, link }))
    }

    /// Checks that a post-state has the stored registry.
    pub(super) fn check_frame(&self, state: &State, root: Root) -> Result<(), StorageError> {
        let frame = self.frame()?;
        if state.validators.tree_hash_root() == frame.validators.tree_hash_root()
            && state.config == frame.config
        {
            return Ok(());
        }
        Err(StorageError(format!(
            "the post-state of {root} has another registry than {}; this release stores one \
             registry per chain",
            self.place()
        )))
    }

    /// Writes the chunks that a history has filled since `link`. Returns the link to the last one.
    pub(super) fn put_chunks(
        &self,
        batch: &mut Batch,
        state: &State,
        mut link: HistoryLink,
    ) -> HistoryLink {
        let size = self.retention.history_chunk_roots;
        let history = &state.historical_block_hashes;
        loop {
            let start = usize::try_from(link.count).unwrap_or(usize::MAX);
            if history.len().saturating_sub(start) < size {
                return link;
            }
            let roots = history.iter_from(start).take(size).copied().collect();
            let chunk = HistoryChunk { previous: link, roots };
            if self.retention.archive {
                self.extend_history(&chunk);
            }
            link = chunk.link();
            batch.put(Column::History, history_key(link), encode(&chunk));
        }
    }

    /// The checkpoints, if every block that they name is stored or staged.
    fn storable(
        &self,
        facts: Option<ForkChoiceFacts>,
        staged: &Staged,
    ) -> Result<Option<ForkChoiceFacts>, StorageError> {
        let Some(facts) = facts else { return Ok(None) };
        for block in [facts.head, facts.safe_target, facts.justified, facts.finalized] {
            if staged.find(&block.root).is_none() && self.slot_of(&block.root)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(facts))
    }
}

pub(super) fn put_block(
    batch: &mut Batch,
    at: Checkpoint,
    block: &Block,
    proof: Option<&ProofBytes>,
    state: &State,
    parent_slot: Slot,
) {
    let key = slot_key(at);
    let record = HeaderRecord {
        header: block.header(),
        parent_slot,
        justified: state.latest_justified,
        finalized_slot: state.latest_finalized.slot,
    };
    batch.put(Column::Headers, key.clone(), encode(&record));
    batch.put(Column::Bodies, key.clone(), encode(&block.body));
    if let Some(proof) = proof {
        batch.put(Column::Proofs, key, encode(proof));
    }
    batch.put(Column::Slots, at.root.as_slice(), encode(&at.slot));
}
