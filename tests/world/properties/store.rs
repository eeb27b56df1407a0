//! A literal model of the store: maps and vectors, everything computed again whenever it is asked
//! for. What attestations are worth is in `store_votes`, what an aggregator makes of them in
//! `store_aggregation`.

use std::collections::{BTreeMap, BTreeSet};

use quintet_components::{
    containers::{AttestationData, Block, Checkpoint, Root, Slot},
    rejection::RejectionReason as Reason,
};
use tree_hash::TreeHash;

use crate::{
    properties::ledger::{self, Ledger, Votes},
    support::chain,
};

/// An aggregate: who, and the proof's bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payload {
    pub voters: BTreeSet<u64>,
    pub proof: Vec<u8>,
}

/// Attestations in the order in which they came in, with what there is for each.
pub type Pool<T> = Vec<(AttestationData, BTreeSet<T>)>;

pub struct Store {
    pub validators: u64,
    pub time: u64,
    pub head: Root,
    pub safe_target: Root,
    pub justified: Checkpoint,
    pub finalized: Checkpoint,
    pub blocks: BTreeMap<Root, Block>,
    pub states: BTreeMap<Root, Ledger>,
    /// Validators whose signatures no aggregate has absorbed.
    pub signatures: Pool<u64>,
    pub new: Pool<Payload>,
    pub known: Pool<Payload>,
    /// The recent attestations with their validators; true if one was kept.
    seen: Vec<(AttestationData, u64, bool)>,
}

pub fn find<'a, T>(pool: &'a Pool<T>, data: &AttestationData) -> Option<&'a BTreeSet<T>> {
    pool.iter().find(|(each, _)| each == data).map(|(_, items)| items)
}

fn entry<'a, T>(pool: &'a mut Pool<T>, data: &AttestationData) -> &'a mut BTreeSet<T> {
    let place = pool.iter().position(|(each, _)| each == data).unwrap_or_else(|| {
        pool.push((*data, BTreeSet::new()));
        pool.len() - 1
    });
    &mut pool[place].1
}

impl Store {
    pub fn new(validators: u64) -> Self {
        let anchor = chain::genesis(validators).block;
        let root = anchor.tree_hash_root();
        let checkpoint = Checkpoint { root, slot: 0 };
        Self {
            validators,
            time: 0,
            head: root,
            safe_target: root,
            justified: checkpoint,
            finalized: checkpoint,
            blocks: BTreeMap::from([(root, anchor)]),
            states: BTreeMap::from([(root, ledger::genesis(validators))]),
            signatures: vec![],
            new: vec![],
            known: vec![],
            seen: vec![],
        }
    }

    pub fn slot_of(&self, root: &Root) -> Slot {
        self.blocks[root].slot
    }

    /// The block and its ancestors, as far as they are known.
    pub fn chain(&self, root: Root) -> Vec<Checkpoint> {
        let mut chain = vec![];
        let mut at = root;
        while let Some(block) = self.blocks.get(&at) {
            chain.push(Checkpoint { root: at, slot: block.slot });
            at = block.parent_root;
        }
        chain
    }

    fn is_ancestor(&self, ancestor: Checkpoint, descendant: Checkpoint) -> bool {
        ancestor.slot <= descendant.slot && self.chain(descendant.root).contains(&ancestor)
    }

    /// Validates an attestation against the tree.
    fn validate(&self, data: &AttestationData) -> Result<(), Reason> {
        let AttestationData { slot, head, target, source } = *data;
        let known = |checkpoint: Checkpoint| self.blocks.contains_key(&checkpoint.root);
        let misplaced = |checkpoint: Checkpoint| self.slot_of(&checkpoint.root) != checkpoint.slot;
        let fails: [(&dyn Fn() -> bool, Reason); 12] = [
            (&|| !known(source), Reason::UnknownSourceBlock),
            (&|| !known(target), Reason::UnknownTargetBlock),
            (&|| !known(head), Reason::UnknownHeadBlock),
            (&|| source.slot > target.slot, Reason::SourceAfterTarget),
            (&|| target.slot > head.slot, Reason::HeadOlderThanTarget),
            (&|| misplaced(source), Reason::SourceSlotMismatch),
            (&|| misplaced(target), Reason::TargetSlotMismatch),
            (&|| misplaced(head), Reason::HeadSlotMismatch),
            (&|| !self.is_ancestor(source, target), Reason::SourceNotAncestorOfTarget),
            (&|| !self.is_ancestor(target, head), Reason::TargetNotAncestorOfHead),
            (&|| !self.is_ancestor(self.finalized, head), Reason::HeadNotDescendantOfFinalized),
            (&|| slot < head.slot, Reason::AttestationSlotBeforeHead),
        ];
        fails.iter().find(|(fails, _)| fails()).map_or(Ok(()), |(_, reason)| Err(*reason))
    }

    fn validate_slot(&self, data: &AttestationData) -> Result<(), Reason> {
        let is_early = data.slot > (self.time + 1) / 5;
        if is_early {
            self.validate(data).and(Err(Reason::AttestationTooFarInFuture))
        } else {
            Ok(())
        }
    }

    /// Whom the payloads of an attestation cover.
    fn covered(&self, data: &AttestationData) -> BTreeSet<u64> {
        let payloads = [&self.new, &self.known].into_iter().filter_map(|pool| find(pool, data));
        payloads.flatten().flat_map(|payload| payload.voters.iter().copied()).collect()
    }

    /// Returns true if the validator supports two other attestations of the slot.
    fn is_equivocator(&self, data: &AttestationData, validator: u64) -> bool {
        let payloads = self.new.iter().chain(&self.known).map(|(other, _)| other);
        let of_slot: BTreeSet<&AttestationData> = payloads
            .chain(self.signatures.iter().map(|(other, _)| other))
            .filter(|other| other.slot == data.slot && *other != data)
            .collect();
        let signed =
            |other| find(&self.signatures, other).is_some_and(|it| it.contains(&validator));
        let supported = of_slot
            .into_iter()
            .filter(|other| signed(other) || self.covered(other).contains(&validator));
        supported.count() >= 2
    }

    pub fn on_attestation(
        &mut self,
        data: &AttestationData,
        validator: u64,
        is_aggregator: bool,
    ) -> Result<(), Reason> {
        self.validate_slot(data)?;
        if validator >= self.validators {
            return Err(Reason::ValidatorNotInState);
        }
        // Whatever says nothing new is left alone. Four slots are remembered.
        let newest = self.seen.iter().map(|(each, ..)| each.slot).max().unwrap_or(0);
        let newest = newest.max(data.slot);
        let of_validator = |(each, who, _): &&(AttestationData, u64, bool)| {
            *who == validator && each.slot == data.slot
        };
        let given: Vec<_> = self.seen.iter().filter(of_validator).collect();
        let says_nothing = match given.iter().find(|(each, ..)| each == data) {
            Some((.., kept)) => *kept || !is_aggregator,
            None => given.len() >= 2,
        };
        if says_nothing {
            return Ok(());
        }
        self.validate(data)?;
        if data.slot + 4 > newest {
            self.seen.retain(|(each, who, _)| {
                each.slot + 4 > newest && (each, *who) != (data, validator)
            });
            self.seen.push((*data, validator, is_aggregator));
        }
        if is_aggregator && !self.is_equivocator(data, validator) {
            entry(&mut self.signatures, data).insert(validator);
        }
        Ok(())
    }

    pub fn on_aggregate(&mut self, data: &AttestationData, payload: Payload) -> Result<(), Reason> {
        self.validate_slot(data)?;
        if payload.voters.is_empty() {
            return Err(Reason::EmptyAggregationBits);
        }
        if payload.voters.iter().any(|voter| *voter >= self.validators) {
            return Err(Reason::ValidatorNotInState);
        }
        let covered = self.covered(data);
        let mut fresh = payload.voters.difference(&covered);
        if fresh.all(|voter| self.is_equivocator(data, *voter)) {
            return Ok(());
        }
        self.validate(data)?;
        entry(&mut self.new, data).insert(payload);
        Ok(())
    }

    /// The block's attestations are given as `votes`.
    pub fn on_block(&mut self, block: &Block, votes: &Votes) -> Result<(), Reason> {
        let root = block.tree_hash_root();
        if block.slot > self.time / 5 + 1 {
            return Err(Reason::BlockTooFarInFuture);
        }
        if block.proposer_index >= self.validators {
            return Err(Reason::ProposerIndexOutOfRange);
        }
        if self.blocks.contains_key(&root) {
            return Ok(());
        }
        for (place, (data, _)) in votes.iter().enumerate() {
            if votes[..place].iter().any(|(earlier, _)| earlier == data) {
                return Err(Reason::DuplicateAttestationData);
            }
        }
        let Some(parent) = self.states.get(&block.parent_root) else {
            return Err(Reason::UnknownParentBlock);
        };
        for (_, voters) in votes {
            if voters.is_empty() {
                return Err(Reason::EmptyAggregationBits);
            }
            if voters.iter().any(|voter| *voter >= self.validators) {
                return Err(Reason::ValidatorIndexOutOfRange);
            }
        }
        let mut state = parent.clone();
        state.process_slots(block.slot)?;
        state.process_block(block, votes)?;
        if block.state_root != state.state().tree_hash_root() {
            return Err(Reason::StateRootMismatch);
        }

        if state.justified.slot > self.justified.slot {
            self.justified = state.justified;
        }
        self.blocks.insert(root, block.clone());
        self.states.insert(root, state);
        let mut known: Pool<Payload> = vec![];
        for (data, _) in votes {
            known.push((*data, find(&self.known, data).cloned().unwrap_or_default()));
        }
        known.extend(
            self.known
                .iter()
                .filter(|(data, _)| find(&known, data).is_none())
                .cloned()
                .collect::<Vec<_>>(),
        );
        self.known = known;
        let finalized_before = self.finalized.slot;
        self.update_head();
        if self.finalized.slot > finalized_before {
            self.prune();
        }
        Ok(())
    }

    fn prune(&mut self) {
        let finalized = self.finalized;
        let stale: Vec<AttestationData> = (self.signatures.iter().map(|(data, _)| data))
            .chain(self.new.iter().chain(&self.known).map(|(data, _)| data))
            .filter(|data| {
                data.head.slot <= finalized.slot || !self.is_ancestor(finalized, data.head)
            })
            .copied()
            .collect();
        self.signatures.retain(|(data, _)| !stale.contains(data));
        self.new.retain(|(data, _)| !stale.contains(data));
        self.known.retain(|(data, _)| !stale.contains(data));
    }

    fn accept_new(&mut self) {
        for (data, payloads) in std::mem::take(&mut self.new) {
            entry(&mut self.known, &data).extend(payloads);
        }
        self.update_head();
    }

    /// One interval after the other.
    pub fn tick_to(&mut self, time: u64, has_proposal: bool, is_aggregator: bool) {
        while self.time < time {
            self.time += 1;
            match self.time % 5 {
                0 if has_proposal && self.time == time => self.accept_new(),
                2 if is_aggregator => self.aggregate(),
                3 => self.update_safe_target(),
                4 => self.accept_new(),
                _ => {}
            }
        }
    }
}
