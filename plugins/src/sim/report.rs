//! The report of a simulation.

use quintet_components::containers::{Checkpoint, Root};
use serde::Serialize;

/// A rule that was broken: something happened that must never happen, or did not happen in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The name of the rule. Shrinking looks for the same rule.
    pub rule: String,
    /// The time, in milliseconds since genesis.
    pub at_ms: u64,
    /// The node, if the violation is one node's.
    pub node: Option<usize>,
    /// A sentence about what happened.
    pub text: String,
}

/// The state of a node at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeReport {
    /// True if it runs.
    pub is_up: bool,
    /// The hash of everything that consensus can observe of its world; zero for one that is down.
    pub world: Root,
    /// Its head.
    pub head: Checkpoint,
    /// Its justified checkpoint.
    pub justified: Checkpoint,
    /// Its finalized checkpoint.
    pub finalized: Checkpoint,
    /// Blocks proposed, attestations made, duties missed since it started last.
    pub duties: [u64; 3],
}

/// Counts of a simulation.
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

/// The result of a simulation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The hash of every event in its order.
    pub log: String,
    /// The counts.
    pub counts: Counts,
    /// Virtual time since genesis, in milliseconds.
    pub ended_ms: u64,
    /// Every node.
    pub nodes: Vec<NodeReport>,
    /// The first violation, if there was one; the simulation ended with it.
    pub violation: Option<Violation>,
}

impl Report {
    /// The lowest finalized slot of the honest nodes that run.
    pub fn finalized_slot(&self) -> u64 {
        let running = self.nodes.iter().filter(|node| node.is_up);
        running.map(|node| node.finalized.slot).min().unwrap_or(0)
    }
}
