//! A literal model of the state transition. It uses plain vectors, walks every slot and scans every
//! set. It shares no code with the node's transition.

use std::collections::{BTreeMap, BTreeSet};

use quintet_components::{
    containers::{
        AttestationData, Block, BlockBody, BlockHeader, Checkpoint, GenesisConfig, Root, RootList,
        Slot, State, Validators,
    },
    rejection::RejectionReason as Reason,
};
use tree_hash::TreeHash;

/// A vote of a block, with its voters as plain numbers.
pub type Votes = [(AttestationData, Vec<u64>)];
/// All votes of a block.
pub type Body = Vec<(AttestationData, Vec<u64>)>;

/// A state.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Genesis, in Unix seconds.
    pub genesis_time: u64,
    /// Its slot.
    pub slot: Slot,
    /// The newest block's header.
    pub header: BlockHeader,
    /// The newest justified block.
    pub justified: Checkpoint,
    /// The newest finalized block.
    pub finalized: Checkpoint,
    /// The block root of each slot before the newest block's, zero where there is none.
    pub history: Vec<Root>,
    /// For each slot after the finalized one: true if it is justified.
    pub justified_slots: Vec<bool>,
    /// The registry.
    pub validators: Validators,
    /// For each target that is not justified yet: the validators that voted for it.
    pub pending: BTreeMap<Root, Vec<bool>>,
}

/// Returns true if a slot at this distance from the finalized one can be justified: it is near, or
/// the distance is a square or the product of two neighbours.
pub fn justifiable(distance: u64) -> bool {
    distance <= 5 || (0..=distance).any(|x| x * x == distance || x * (x + 1) == distance)
}

impl Ledger {
    /// The state of slot 0 with these validators.
    pub fn genesis(genesis_time: u64, validators: Validators) -> Self {
        Self {
            genesis_time,
            slot: 0,
            header: BlockHeader {
                body_root: BlockBody::default().tree_hash_root(),
                ..BlockHeader::default()
            },
            justified: Checkpoint::default(),
            finalized: Checkpoint::default(),
            history: vec![],
            justified_slots: vec![],
            validators,
            pending: BTreeMap::new(),
        }
    }

    /// The state in the node's type. It is built anew, so its hashing is not incremental.
    ///
    /// # Panics
    /// If the history is longer than the protocol allows.
    pub fn state(&self) -> State {
        let pending = self.pending.values().flatten();
        State {
            config: GenesisConfig { genesis_time: self.genesis_time },
            slot: self.slot,
            latest_block_header: self.header,
            latest_justified: self.justified,
            latest_finalized: self.finalized,
            historical_block_hashes: RootList::new(self.history.clone()).expect("short"),
            justified_slots: self.justified_slots.iter().copied().collect(),
            validators: self.validators.clone(),
            justifications_roots: RootList::new(self.pending.keys().copied().collect())
                .expect("few"),
            justifications_validators: pending.copied().collect(),
        }
    }

    /// Advances to a slot without a block.
    ///
    /// # Errors
    /// The slot is not after the state's.
    pub fn process_slots(&mut self, target: Slot) -> Result<(), Reason> {
        if target <= self.slot {
            return Err(Reason::BlockSlotNotInFuture);
        }
        while self.slot < target {
            if self.header.state_root == Root::ZERO {
                self.header.state_root = self.state().tree_hash_root();
            }
            self.slot += 1;
        }
        Ok(())
    }

    /// Adds a block. Its attestations are given as `votes`.
    ///
    /// # Errors
    /// The reason the block is not valid. The state must not be used after an error.
    pub fn process_block(&mut self, block: &Block, votes: &Votes) -> Result<(), Reason> {
        self.process_header(block)?;
        self.process_votes(votes)
    }

    fn process_header(&mut self, block: &Block) -> Result<(), Reason> {
        let parent = self.header;
        if block.slot != self.slot {
            return Err(Reason::BlockSlotMismatch);
        }
        if block.slot <= parent.slot {
            return Err(Reason::BlockOlderThanLatestHeader);
        }
        if block.proposer_index != self.slot % self.validators.len() as u64 {
            return Err(Reason::WrongProposer);
        }
        let parent_root = parent.tree_hash_root();
        if block.parent_root != parent_root {
            return Err(Reason::ParentRootMismatch);
        }
        if parent.slot == 0 {
            self.justified = Checkpoint { root: parent_root, slot: 0 };
            self.finalized = self.justified;
        }
        self.history.push(parent_root);
        while (self.history.len() as u64) < block.slot {
            self.history.push(Root::ZERO);
        }
        while self.finalized.slot + 1 + (self.justified_slots.len() as u64) < block.slot {
            self.justified_slots.push(false);
        }
        self.header = BlockHeader {
            slot: block.slot,
            proposer_index: block.proposer_index,
            parent_root,
            state_root: Root::ZERO,
            body_root: block.body.tree_hash_root(),
        };
        Ok(())
    }

    fn is_justified(&self, slot: Slot) -> Result<bool, Reason> {
        if slot <= self.finalized.slot {
            return Ok(true);
        }
        let place = usize::try_from(slot - self.finalized.slot - 1).unwrap_or(usize::MAX);
        self.justified_slots.get(place).copied().ok_or(Reason::JustifiedSlotOutOfRange)
    }

    fn on_chain(&self, checkpoint: Checkpoint) -> bool {
        let place = usize::try_from(checkpoint.slot).unwrap_or(usize::MAX);
        checkpoint.root != Root::ZERO && self.history.get(place) == Some(&checkpoint.root)
    }

    fn process_votes(&mut self, votes: &Votes) -> Result<(), Reason> {
        let distinct: BTreeSet<&AttestationData> = votes.iter().map(|(data, _)| data).collect();
        if distinct.len() > 8 {
            return Err(Reason::TooManyAttestationData);
        }
        for (data, voters) in votes {
            self.process_vote(data, voters)?;
        }
        Ok(())
    }

    fn process_vote(&mut self, data: &AttestationData, voters: &[u64]) -> Result<(), Reason> {
        let AttestationData { source, target, head, .. } = *data;
        if !self.is_justified(source.slot)? || self.is_justified(target.slot)? {
            return Ok(());
        }
        if !self.on_chain(source) || !self.on_chain(target) || !self.on_chain(head) {
            return Ok(());
        }
        if target.slot <= source.slot || !justifiable(target.slot - self.finalized.slot) {
            return Ok(());
        }
        if voters.is_empty() {
            return Err(Reason::EmptyAggregationBits);
        }
        let count = self.validators.len();
        if voters.iter().any(|voter| *voter >= count as u64) {
            return Err(Reason::ValidatorIndexOutOfRange);
        }
        let tally = self.pending.entry(target.root).or_insert_with(|| vec![false; count]);
        for voter in voters {
            tally[usize::try_from(*voter).expect("below the count")] = true;
        }
        let in_favour = tally.iter().filter(|voted| **voted).count();
        if 3 * in_favour >= 2 * count {
            self.justify(source, target);
        }
        Ok(())
    }

    fn justify(&mut self, source: Checkpoint, target: Checkpoint) {
        if target.slot > self.justified.slot {
            self.justified = target;
        }
        let place = target.slot - self.finalized.slot - 1;
        self.justified_slots[usize::try_from(place).expect("tracked")] = true;
        self.pending.remove(&target.root);
        let between = (source.slot + 1..target.slot)
            .any(|slot| slot >= self.finalized.slot && justifiable(slot - self.finalized.slot));
        if source.slot > self.finalized.slot && !between {
            let gone = usize::try_from(source.slot - self.finalized.slot).expect("tracked");
            self.justified_slots.drain(..gone);
            self.finalized = source;
            let history = &self.history;
            self.pending.retain(|root, _| {
                let slot = history.iter().position(|each| each == root).expect("on the chain");
                slot as u64 > source.slot
            });
        }
    }
}
