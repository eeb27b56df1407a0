//! What a simulation comes to.

use quintet_components::containers::{Checkpoint, Root};
use serde::Serialize;

/// Something that may never be, or did not come in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule; shrinking keeps to it.
    pub rule: String,
    /// When, in milliseconds since genesis.
    pub at_ms: u64,
    /// At which node, where it is one's.
    pub node: Option<usize>,
    /// What happened.
    pub text: String,
}

/// What became of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// Whether it runs.
    pub is_up: bool,
    /// The hash of everything that consensus can observe of its world; zero for one that is down.
    pub world: Root,
    /// Its head.
    pub head: Checkpoint,
    /// What it has justified.
    pub justified: Checkpoint,
    /// What it has finalized.
    pub finalized: Checkpoint,
    /// Blocks proposed, attestations made, duties missed since it started last.
    pub duties: [u64; 3],
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events of the simulation.
    pub events: u64,
    /// Updates of nodes' worlds.
    pub updates: u64,
    /// Tasks that ended.
    pub tasks: u64,
    /// Messages and answers that arrived.
    pub arrivals: u64,
    /// Batches written to disks.
    pub batches: u64,
    /// Times that a node went down.
    pub crashes: u64,
    /// Peers that nodes banned.
    pub bans: u64,
    /// Errors that nodes logged.
    pub errors: u64,
}

/// What a simulation comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The hash of every event in its order.
    pub log: String,
    /// What was counted.
    pub counts: Counts,
    /// How much virtual time passed since genesis, in milliseconds.
    pub ended_ms: u64,
    /// Every node.
    pub nodes: Vec<NodeReport>,
    /// The first violation, if there was one; the simulation ended with it.
    pub violation: Option<Violation>,
}

impl Report {
    /// The lowest slot that an honest node which runs has finalized.
    pub fn finalized_slot(&self) -> u64 {
        let running = self.nodes.iter().filter(|node| node.is_up);
        running.map(|node| node.finalized.slot).min().unwrap_or(0)
    }
}
