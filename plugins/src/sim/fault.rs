//! The faults of a scenario, and the nodes that do not follow the protocol.

use serde::{Deserialize, Serialize};

/// A fault that lasts for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The time at which it begins, in milliseconds since genesis.
    pub from_ms: u64,
    /// The time for which it lasts, in milliseconds.
    pub for_ms: u64,
    /// The kind of the fault.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// The time at which it is over, in milliseconds since genesis.
    pub const fn until_ms(&self) -> u64 {
        self.from_ms.saturating_add(self.for_ms)
    }
}

/// The data that is lost in a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Only the process ends: nothing that was written is lost.
    #[default]
    Process,
    /// Power is lost: some of what was not synced is lost, and the write under way is torn.
    Power,
    /// The disk is replaced: the node starts again from a copy that was made when the network was
    /// half as old.
    Rollback,
}

/// The kind of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// A node is down, and then starts again from its disk.
    Crash {
        /// The node.
        node: usize,
        /// The data that is lost.
        #[serde(default)]
        loses: Loss,
    },
    /// A node does nothing; messages that arrive wait.
    Pause {
        /// The node.
        node: usize,
    },
    /// A node's clock is set ahead, or back.
    Skew {
        /// The node.
        node: usize,
        /// The change in milliseconds; negative sets it back.
        by_ms: i64,
    },
    /// A node's clock runs too fast, or too slow. It is set right at the end.
    Drift {
        /// The node.
        node: usize,
        /// The parts in a million that it gains, or loses if negative.
        ppm: i64,
    },
    /// All writes to a node's disk fail.
    DiskFull {
        /// The node.
        node: usize,
    },
    /// Writes to a node's disk take longer.
    DiskSlow {
        /// The node.
        node: usize,
        /// The factor.
        factor: u64,
    },
    /// A node's proofs take longer.
    ProverSlow {
        /// The node.
        node: usize,
        /// The factor.
        factor: u64,
    },
    /// A proof that a node begins never ends.
    ProverStuck {
        /// The node.
        node: usize,
    },
    /// A node's prover panics at every job.
    ProverPanics {
        /// The node.
        node: usize,
    },
    /// A node's prover makes proofs that do not verify.
    ProverWrong {
        /// The node.
        node: usize,
    },
    /// A node is short of memory: only this many messages of a kind may wait for it.
    SmallLanes {
        /// The node.
        node: usize,
        /// The largest number of waiting messages of a kind.
        items: usize,
    },
    /// The network is split: messages pass only within a group. A node that is in no group reaches
    /// no other node; a node in two groups connects them.
    Partition {
        /// The groups.
        groups: Vec<Vec<usize>>,
    },
    /// Messages from one node to another are lost; the other direction works.
    OneWay {
        /// The sender.
        from: usize,
        /// The receiver.
        to: usize,
    },
    /// The links of a node stop one after the other, and come back in another order. Messages that
    /// are on their way wait meanwhile.
    Swizzle {
        /// The node.
        node: usize,
    },
    /// Gossip messages are lost on all links.
    Loss {
        /// The number of lost messages in a thousand.
        per_mille: u64,
    },
}

impl FaultKind {
    /// The nodes that it affects; empty if it affects all of them.
    pub fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Crash { node, .. }
            | Self::Pause { node }
            | Self::Skew { node, .. }
            | Self::Drift { node, .. }
            | Self::DiskFull { node }
            | Self::DiskSlow { node, .. }
            | Self::ProverSlow { node, .. }
            | Self::ProverStuck { node }
            | Self::ProverPanics { node }
            | Self::ProverWrong { node }
            | Self::SmallLanes { node, .. }
            | Self::Swizzle { node } => vec![*node],
            Self::OneWay { from, to } => vec![*from, *to],
            Self::Partition { groups } => groups.concat(),
            Self::Loss { .. } => Vec::new(),
        }
    }
}

/// A node that does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adversary {
    /// The node.
    pub node: usize,
    /// The behaviour.
    pub script: Script,
}

/// The behaviour of an adversary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Sends two blocks for its slot, each to half of its peers.
    EquivocatingProposer,
    /// Attests to the head and to its parent, each to half of its peers.
    DoubleVoter,
    /// Publishes its blocks a slot and a half late.
    Withholder,
    /// Its clock is almost a slot ahead.
    FastClock,
    /// Floods with attestations, aggregates and blocks that it cannot sign.
    KeylessFlooder,
    /// Answers requests for blocks with other blocks, too few, or none.
    LyingServer,
    /// Publishes none of its aggregates.
    Censor,
    /// Publishes aggregates with wrong proofs, and its own beside them.
    BadProofs,
    /// Publishes nothing.
    Silent,
    /// Sends its messages to other colluders at once, and to everybody else every eight slots:
    /// blocks, attestations and aggregates of a chain that nobody else has seen.
    Colluder,
    /// The behaviour that a program adds with
    /// [`Simulation::adversary`](super::Simulation::adversary). Without a program, the node only
    /// counts as one that does not follow the protocol.
    Custom,
}

impl Script {
    /// Every script except [`Self::Custom`].
    pub const ALL: [Self; 10] = [
        Self::EquivocatingProposer,
        Self::DoubleVoter,
        Self::Withholder,
        Self::FastClock,
        Self::KeylessFlooder,
        Self::LyingServer,
        Self::Censor,
        Self::BadProofs,
        Self::Silent,
        Self::Colluder,
    ];
}
