//! The events of a simulation, for a page that shows them.

use quintet_components::{
    containers::{Root, Slot, ValidatorIndex},
    task::TaskKind,
};
use serde::Serialize;

use super::{
    edge::Content,
    machine::GENESIS_MS,
    report::{NodeReport, Report},
    run::Run,
    scenario::Scenario,
};

/// The largest number of moments that are kept. Later ones are left out, and counted.
const MAX_MOMENTS: usize = 400_000;

/// An action of a node, with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Milliseconds since genesis.
    pub at_ms: u64,
    /// The node.
    pub node: usize,
    /// The action.
    #[serde(flatten)]
    pub what: What,
}

/// An action of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// It published a block.
    Block {
        /// Its slot.
        slot: Slot,
        /// Its root.
        root: Root,
        /// Its parent's root.
        parent: Root,
    },
    /// One of its validators attested.
    Attestation {
        /// Its slot.
        slot: Slot,
        /// The validator.
        validator: ValidatorIndex,
        /// The head that it attests to.
        head: Root,
    },
    /// It published an aggregate.
    Aggregate {
        /// Its slot.
        slot: Slot,
        /// The number of its validators.
        participants: usize,
    },
    /// Its prover began a proof.
    Proof {
        /// The time at which the proof ends, in milliseconds since genesis.
        until_ms: u64,
    },
    /// It started.
    Start,
    /// It went down.
    Stop,
    /// It banned a peer.
    Ban {
        /// The peer.
        peer: usize,
    },
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The scenario.
    pub scenario: Scenario,
    /// The moments, in the order of time.
    pub moments: Vec<Moment>,
    /// The number of moments that were left out.
    pub left_out: u64,
    /// Each node's chain at the end of each slot, from slot 0 on.
    pub slots: Vec<Vec<NodeReport>>,
    /// The result.
    pub report: Report,
}

/// Records moments, if it is turned on.
#[derive(Default)]
pub(super) struct Recorder {
    is_on: bool,
    pub(super) moments: Vec<Moment>,
    pub(super) left_out: u64,
}

impl Recorder {
    pub(super) fn turn_on(&mut self) {
        self.is_on = true;
    }

    fn keep(&mut self, moment: Moment) {
        if self.moments.len() < MAX_MOMENTS {
            self.moments.push(moment);
        } else {
            self.left_out += 1;
        }
    }
}

impl Run {
    pub(super) fn record(&mut self, node: usize, what: What) {
        if self.recorder.is_on {
            let at_ms = self.now_ms.saturating_sub(GENESIS_MS);
            self.recorder.keep(Moment { at_ms, node, what });
        }
    }

    pub(super) fn record_content(&mut self, node: usize, content: &Content) {
        if !self.recorder.is_on {
            return;
        }
        let what = match content {
            Content::Block(block) => What::Block {
                slot: block.block.slot,
                root: tree_hash::TreeHash::tree_hash_root(&block.block),
                parent: block.block.parent_root,
            },
            Content::Attestation(vote) => What::Attestation {
                slot: vote.data.slot,
                validator: vote.validator_index,
                head: vote.data.head.root,
            },
            Content::Aggregate(aggregate) => What::Aggregate {
                slot: aggregate.data.slot,
                participants: aggregate.proof.participants.count(),
            },
        };
        self.record(node, what);
    }

    pub(super) fn record_task(&mut self, node: usize, kind: TaskKind, until_ms: u64) {
        if kind == TaskKind::Prove {
            let until_ms = until_ms.saturating_sub(GENESIS_MS);
            self.record(node, What::Proof { until_ms });
        }
    }
}
