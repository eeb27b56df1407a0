//! What goes wrong in a scenario, and who does not follow the protocol.

use serde::{Deserialize, Serialize};

/// Something goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When it begins, in milliseconds since genesis.
    pub from_ms: u64,
    /// How long it lasts.
    pub for_ms: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl Fault {
    /// When it is over, in milliseconds since genesis.
    pub const fn until_ms(&self) -> u64 {
        self.from_ms.saturating_add(self.for_ms)
    }
}

/// What a crash takes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The process: what it had written stays.
    #[default]
    Process,
    /// Power: some of what was not synced goes, and the write under way is torn.
    Power,
    /// The disk: the node starts again on a copy that was made when the network was half as old.
    Rollback,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FaultKind {
    /// A node is down, and then starts again from its disk.
    Crash {
        /// Which.
        node: usize,
        /// What is lost.
        #[serde(default)]
        loses: Loss,
    },
    /// A node does nothing; what arrives waits.
    Pause {
        /// Which.
        node: usize,
    },
    /// A node's clock is off by so much more.
    Skew {
        /// Which.
        node: usize,
        /// By how much; below zero it is behind.
        by_ms: i64,
    },
    /// A node's clock gains so many parts in a million, or loses them. At the end it is set right.
    Drift {
        /// Which.
        node: usize,
        /// How many.
        ppm: i64,
    },
    /// A node's disk takes nothing.
    DiskFull {
        /// Whose.
        node: usize,
    },
    /// A node's disk takes so many times as long.
    DiskSlow {
        /// Whose.
        node: usize,
        /// How many times.
        factor: u64,
    },
    /// A node's prover takes so many times as long.
    ProverSlow {
        /// Whose.
        node: usize,
        /// How many times.
        factor: u64,
    },
    /// What a node's prover begins never ends.
    ProverStuck {
        /// Whose.
        node: usize,
    },
    /// A node's prover panics at every job.
    ProverPanics {
        /// Whose.
        node: usize,
    },
    /// A node's prover makes proofs that do not verify.
    ProverWrong {
        /// Whose.
        node: usize,
    },
    /// A node is short of memory: so many messages of a kind wait for it at most.
    SmallLanes {
        /// Which.
        node: usize,
        /// How many.
        items: usize,
    },
    /// The network falls apart: messages pass only within a group. A node that is in no group has
    /// nobody; one in two groups joins them.
    Partition {
        /// The groups.
        groups: Vec<Vec<usize>>,
    },
    /// What one node sends to another is lost; the other direction works.
    OneWay {
        /// Who is not heard.
        from: usize,
        /// By whom.
        to: usize,
    },
    /// The links of a node stop one after the other, and come back in another order; what was on its
    /// way waits meanwhile.
    Swizzle {
        /// Whose.
        node: usize,
    },
    /// So many messages in a thousand are lost, everywhere.
    Loss {
        /// How many.
        per_mille: u64,
    },
}

impl FaultKind {
    /// The nodes that it strikes; all of them for none.
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
    /// Which.
    pub node: usize,
    /// What it does instead.
    pub script: Script,
}

/// What an adversary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Sends a second block for its slot, each to half of its peers.
    EquivocatingProposer,
    /// Attests to the head and to its parent, each to half of its peers.
    DoubleVoter,
    /// Publishes its blocks a slot and a half late.
    Withholder,
    /// Its clock is a slot ahead.
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
    /// Tells what it has only to others that play the same, and everybody else every eight slots:
    /// blocks, attestations and aggregates of a chain that nobody has seen.
    Colluder,
    /// What a program adds with [`Simulation::adversary`](super::Simulation::adversary); without it
    /// the node only counts as none that follows the protocol.
    Custom,
}

impl Script {
    /// Every script, but for that of a program.
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
