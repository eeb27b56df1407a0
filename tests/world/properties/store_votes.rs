//! Votes: latest votes, weights, head, safe target, and the attestation to produce.

use std::collections::BTreeMap;

use quintet_components::containers::{AttestationData, Checkpoint, Root, Slot};
use tree_hash::TreeHash;

use crate::properties::{
    ledger::justifiable,
    store::{Payload, Pool, Store},
};

impl Store {
    /// Each validator's newest vote in a pool; of two for one slot the one with the larger root.
    pub fn latest_votes(&self, pool: &Pool<Payload>) -> BTreeMap<u64, AttestationData> {
        let mut latest: BTreeMap<u64, AttestationData> = BTreeMap::new();
        for (data, payloads) in pool {
            if data.head.slot <= self.finalized.slot {
                continue;
            }
            for voter in payloads.iter().flat_map(|payload| &payload.voters) {
                let rank = |data: &AttestationData| (data.slot, data.tree_hash_root());
                if latest.get(voter).is_none_or(|other| rank(other) < rank(data)) {
                    latest.insert(*voter, *data);
                }
            }
        }
        latest
    }

    /// The number of these votes for each block or a descendant of it. Blocks up to `start` have
    /// none.
    fn weights(&self, votes: &BTreeMap<u64, AttestationData>, start: Slot) -> BTreeMap<Root, u32> {
        let mut weights: BTreeMap<Root, u32> = self.blocks.keys().map(|root| (*root, 0)).collect();
        for data in votes.values() {
            for block in self.chain(data.head.root) {
                if block.slot > start {
                    *weights.get_mut(&block.root).expect("on a chain") += 1;
                }
            }
        }
        weights
    }

    /// The weights of all blocks after the finalized slot.
    pub fn block_weights(&self) -> Vec<(Root, u32)> {
        let votes = self.latest_votes(&self.known);
        let mut weights = self.weights(&votes, self.finalized.slot);
        weights.retain(|root, _| self.slot_of(root) > self.finalized.slot);
        weights.into_iter().collect()
    }

    /// From the justified block to the heaviest child, and again, until there is none of at least
    /// `minimum` votes; of two as heavy the one with the larger root.
    fn ghost(&self, votes: &BTreeMap<u64, AttestationData>, minimum: u32) -> Root {
        let start = self.justified.root;
        let weights = self.weights(votes, self.slot_of(&start));
        let mut at = start;
        loop {
            let children = self
                .blocks
                .iter()
                .filter(|(root, block)| block.parent_root == at && weights[*root] >= minimum);
            match children.map(|(root, _)| (weights[root], *root)).max() {
                Some((_, heaviest)) => at = heaviest,
                None => return at,
            }
        }
    }

    pub fn update_head(&mut self) {
        self.head = self.ghost(&self.latest_votes(&self.known), 0);
        // As the head's chain has it, even where that is less than before.
        let slot = self.states[&self.head].finalized.slot;
        if let Some(block) = self.chain(self.head).into_iter().find(|block| block.slot == slot) {
            self.finalized = block;
        }
    }

    pub fn update_safe_target(&mut self) {
        let minimum = (0..).find(|votes| u64::from(3 * votes) >= 2 * self.validators);
        let minimum = minimum.expect("some number is large enough");
        self.safe_target = self.ghost(&self.latest_votes(&self.new), minimum);
    }

    /// The target to attest with this head.
    fn target(&self, head: Root) -> Checkpoint {
        let lowest = self.slot_of(&self.safe_target).max(self.finalized.slot);
        let mut chain = self.chain(head).into_iter();
        let mut target = chain.next().expect("the head is known");
        for _ in 0..3 {
            if target.slot > lowest {
                target = chain.next().expect("a block after another has a parent");
            }
        }
        while target.slot > self.finalized.slot && !justifiable(target.slot - self.finalized.slot) {
            target = chain.next().expect("a block after another has a parent");
        }
        target
    }

    /// The attestation to give in this slot: for the newest block of the head's chain that is not
    /// newer than the slot, if finality has not passed it.
    pub fn attestation_to_give(&self, slot: Slot) -> Option<AttestationData> {
        let head = self.chain(self.head).into_iter().find(|block| block.slot <= slot)?;
        if head.slot < self.finalized.slot {
            return None;
        }
        let mut source = self.states[&head.root].justified;
        if source.root == Root::ZERO {
            source.root = head.root;
        }
        let target = self.target(head.root);
        let target = if target.slot < source.slot { source } else { target };
        Some(AttestationData { slot, head, target, source })
    }
}
