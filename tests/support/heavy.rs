//! A chain of 4096 validators, two attestations a block, built without a node.

use std::sync::Arc;

use quintet_components::containers::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, Checkpoint,
    MultiMessageAggregate, ProofBytes, Root, SignedBlock, State,
};
use quintet_plugins::Anchor;
use quintet_systems::transition::{
    is_justifiable_after, process_block, process_slots, proposer_for_slot,
};
use tree_hash::TreeHash;

use super::chain;

pub const VALIDATORS: u64 = 4096;
/// Fewer than two thirds.
const MINORITY: u64 = 2700;

/// A chain that is built block by block.
pub struct HeavyChain {
    pub anchor: Anchor,
    pub head: Checkpoint,
    pub state: Arc<State>,
    /// True if two thirds attest to every head. Otherwise nothing is ever justified, pending votes
    /// pile up, and every block adds to them.
    finalizes: bool,
    proof: usize,
    seed: u64,
}

impl HeavyChain {
    /// A chain whose blocks have proofs of so many bytes.
    pub fn new(finalizes: bool, proof: usize) -> Self {
        let anchor = chain::genesis(VALIDATORS);
        let head = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
        let state = Arc::clone(&anchor.state);
        Self { anchor, head, state, finalizes, proof, seed: 1 }
    }

    /// The next block and its root; the chain's head is then this block, with its state.
    pub fn grow(&mut self) -> (Root, Arc<SignedBlock>) {
        let slot = self.head.slot + 1;
        let attestations = self.votes();
        let mut state = State::clone(&self.state);
        process_slots(&mut state, slot).expect("later");
        let mut block = Block {
            slot,
            proposer_index: proposer_for_slot(slot, state.validators.len()).expect("not empty"),
            parent_root: self.head.root,
            state_root: Root::ZERO,
            body: chain::body(attestations),
        };
        process_block(&mut state, &block).expect("valid");
        block.state_root = state.tree_hash_root();
        let root: Root = block.tree_hash_root();
        self.head = Checkpoint { root, slot };
        self.state = Arc::new(state);
        let bytes = self.bytes(self.proof);
        let proof = ProofBytes::new(bytes).expect("below the limit");
        (root, Arc::new(SignedBlock { block, proof: MultiMessageAggregate { proof } }))
    }

    /// Two attestations for the two newest slots that can be justified.
    fn votes(&mut self) -> Vec<AggregatedAttestation> {
        let finalized = self.state.latest_finalized.slot;
        let history = self.state.historical_block_hashes.clone();
        let targets: Vec<Checkpoint> = (1..=self.head.slot)
            .rev()
            .filter(|slot| is_justifiable_after(*slot, finalized))
            .take(2)
            .map(|slot| {
                let root = if slot == self.head.slot { None } else { history.get(slot).copied() };
                Checkpoint { slot, root: root.unwrap_or(self.head.root) }
            })
            .collect();
        let source = self.state.latest_justified;
        let head = self.head;
        let vote = |target: Checkpoint| AggregatedAttestation {
            aggregation_bits: self.voters(),
            data: AttestationData { slot: head.slot, head, target, source },
        };
        targets.into_iter().map(vote).collect()
    }

    fn voters(&mut self) -> AggregationBits {
        if self.finalizes {
            return AggregationBits::from_indices(0..VALIDATORS).expect("in range");
        }
        let bits = self.bytes(usize::try_from(MINORITY).expect("small"));
        let voters = (0..MINORITY).zip(bits).filter(|(_, bit)| bit % 2 == 0);
        let voters: Vec<u64> = voters.map(|(index, _)| index).collect();
        AggregationBits::from_indices(voters).expect("in range")
    }

    /// Bytes that do not compress.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        std::iter::repeat_with(|| {
            self.seed = self
                .seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            self.seed.to_be_bytes()[0]
        })
        .take(count)
        .collect()
    }
}
