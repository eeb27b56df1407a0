//! Chains to sync.

use std::{collections::HashMap, sync::Arc};

use quintet_components::containers::{
    AttestationData, Checkpoint, MultiMessageAggregate, ProofBytes, Root, SignedBlock, Slot, State,
    Status,
};
use quintet_plugins::Anchor;
use tree_hash::TreeHash;

use crate::support::{
    chain::{aggregated, build_on, genesis, signed},
    mocked,
};

pub const VALIDATORS: u64 = 4;

#[derive(Clone)]
pub struct Link {
    pub root: Root,
    pub block: Arc<SignedBlock>,
    pub state: Arc<State>,
}

impl Link {
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { root: self.root, slot: self.block.block.slot }
    }
}

/// A chain of blocks after an anchor, ascending by slot.
#[derive(Clone)]
pub struct Chain {
    pub anchor: Anchor,
    pub anchor_root: Root,
    pub links: Vec<Link>,
    by_root: HashMap<Root, usize>,
}

impl Chain {
    pub fn genesis() -> Self {
        let anchor = genesis(VALIDATORS);
        let anchor_root = anchor.block.tree_hash_root();
        Self { anchor, anchor_root, links: Vec::new(), by_root: HashMap::new() }
    }

    /// One block a slot up to this one, each with attestations of all to its parent: finality
    /// follows two slots behind.
    pub fn voted(last_slot: Slot) -> Self {
        Self::genesis().grow(1..=last_slot, VALIDATORS)
    }

    /// More blocks at these slots, each with this many attestations to its parent.
    pub fn grow(mut self, slots: impl IntoIterator<Item = Slot>, voters: u64) -> Self {
        for slot in slots {
            let parent = self.tip_state();
            let head = self.tip();
            let justified = parent.latest_justified;
            let source = if justified.root == Root::ZERO {
                Checkpoint { root: self.anchor_root, slot: 0 }
            } else {
                justified
            };
            let voters: Vec<u64> = (0..voters).collect();
            let votes = if head.slot == 0 || voters.is_empty() {
                vec![]
            } else {
                let data = AttestationData { slot: head.slot, head, target: head, source };
                vec![aggregated(data, &voters)]
            };
            let (block, state) = build_on(&parent, slot, votes).expect("a valid block");
            let root = block.tree_hash_root();
            self.by_root.insert(root, self.links.len());
            let (block, state) = (Arc::new(signed(block)), Arc::new(state));
            self.links.push(Link { root, block, state });
        }
        self
    }

    /// Gives every block a proof of this many bytes.
    pub fn enlarge(&mut self, bytes: usize) {
        let mut proof = mocked::PREFIX.to_vec();
        proof.resize(bytes, 7);
        let proof = ProofBytes::new(proof).expect("within the limit");
        for link in &mut self.links {
            let proof = MultiMessageAggregate { proof: proof.clone() };
            link.block = Arc::new(SignedBlock { block: link.block.block.clone(), proof });
        }
    }

    /// This chain up to a slot.
    pub fn up_to(&self, slot: Slot) -> Self {
        let mut chain = self.clone();
        chain.links.retain(|link| link.block.block.slot <= slot);
        chain.by_root = (0..).zip(&chain.links).map(|(index, link)| (link.root, index)).collect();
        chain
    }

    pub fn tip_state(&self) -> Arc<State> {
        self.links.last().map_or_else(|| Arc::clone(&self.anchor.state), |l| Arc::clone(&l.state))
    }

    pub fn tip(&self) -> Checkpoint {
        self.links.last().map_or(Checkpoint { root: self.anchor_root, slot: 0 }, Link::checkpoint)
    }

    pub fn status(&self) -> Status {
        let finalized = self.tip_state().latest_finalized;
        let finalized = if finalized.root == Root::ZERO {
            Checkpoint { root: self.anchor_root, slot: 0 }
        } else {
            finalized
        };
        Status { finalized, head: self.tip() }
    }

    pub fn get(&self, root: &Root) -> Option<&Link> {
        self.by_root.get(root).map(|index| &self.links[*index])
    }

    pub fn at(&self, slot: Slot) -> &Link {
        let index = self.links.binary_search_by_key(&slot, |link| link.block.block.slot);
        &self.links[index.expect("a block of this slot")]
    }

    pub fn range(&self, start: Slot, count: u64) -> Vec<Link> {
        let end = start.saturating_add(count);
        let slots = start..end;
        self.links.iter().filter(|link| slots.contains(&link.block.block.slot)).cloned().collect()
    }
}
