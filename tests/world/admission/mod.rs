//! Admission: the steps that every block, attestation and aggregate passes, from any source.

mod aggregates;
mod blocks;
mod equivocation;
mod pools;
mod rules;
mod waiting;

use std::sync::Arc;

use quintet_components::{
    containers::{
        AttestationData, Block, Checkpoint, SignedAggregatedAttestation, SignedAttestation,
    },
    messages::{
        AggregateReceived, AttestationReceived, BlockReceived, IgnoreReason, InputId, Verdict,
    },
    rejection::RejectionReason,
    tree::BlockTree,
};
use quintet_plugins::{Anchor, InboundLanes};
use tree_hash::TreeHash;

use crate::support::{
    chain::{build_on, genesis, signed},
    node::{Setup, TestNode},
};

const VALIDATORS: u64 = 8;

/// A node and what peers send it.
struct Gate {
    node: TestNode,
    anchor: Anchor,
    sent: u64,
}

impl Gate {
    fn new() -> Self {
        Self::with(Setup::accepting_signatures)
    }

    fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let anchor = genesis(VALIDATORS);
        let node = TestNode::new(change(Setup::new(anchor.clone())));
        Self { node, anchor, sent: 0 }
    }

    fn genesis(&self) -> Checkpoint {
        Checkpoint { root: self.anchor.block.tree_hash_root(), slot: 0 }
    }

    fn id(&mut self) -> InputId {
        self.sent += 1;
        InputId(1 << 40 | self.sent)
    }

    fn lanes(&mut self) -> InboundLanes {
        self.node.world().resource::<InboundLanes>().clone()
    }

    fn block_from(&mut self, peer: &str, block: Block) -> InputId {
        let id = self.id();
        let received = BlockReceived::new(id, Arc::new(signed(block))).sent_by(peer.into());
        assert!(self.lanes().blocks.offer(received));
        id
    }

    fn attestation_from(&mut self, peer: &str, attestation: SignedAttestation) -> InputId {
        let id = self.id();
        let received = AttestationReceived::new(id, Arc::new(attestation)).sent_by(peer.into());
        assert!(self.lanes().attestations.offer(received));
        id
    }

    fn aggregate_from(&mut self, peer: &str, aggregate: SignedAggregatedAttestation) -> InputId {
        let id = self.id();
        let received = AggregateReceived::new(id, Arc::new(aggregate)).sent_by(peer.into());
        assert!(self.lanes().aggregates.offer(received));
        id
    }

    /// The verdict on an item once nothing is under way; `None` if it waits.
    fn verdict(&mut self, id: InputId) -> Option<Verdict> {
        self.node.settle();
        self.node.verdict_now(id)
    }

    /// Imports a block on genesis at this slot, whose time has come.
    fn import(&mut self, slot: u64) -> Checkpoint {
        let (block, _) = build_on(&self.anchor.state, slot, vec![]).expect("valid");
        let root = block.tree_hash_root();
        assert_eq!(self.node.block(signed(block)), Verdict::Accepted);
        Checkpoint { root, slot }
    }

    fn knows(&mut self, block: &Block) -> bool {
        let root = block.tree_hash_root();
        self.node.world().resource::<BlockTree>().contains(&root)
    }

    /// An attestation for this head, from genesis to genesis.
    fn attestation(&self, slot: u64, head: Checkpoint) -> AttestationData {
        AttestationData { slot, head, target: self.genesis(), source: self.genesis() }
    }
}

fn ignored(reason: IgnoreReason) -> Verdict {
    Verdict::Ignored(reason)
}

fn reason(verdict: Option<Verdict>) -> Option<RejectionReason> {
    match verdict {
        Some(Verdict::Rejected(rejection)) => Some(rejection.reason),
        _ => None,
    }
}
