//! What is simulated, as text and as data.

use serde::{Deserialize, Serialize};

use super::random::Random;

/// A network, its faults and its adversaries: with it everything that happens is fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What every random choice comes from.
    pub seed: u64,
    /// Slots until the end.
    pub slots: u64,
    /// Nodes. Validators are dealt out to them in turn.
    pub nodes: usize,
    /// Validators.
    pub validators: u64,
    /// Attestation committees.
    pub committees: u64,
    /// How many nodes aggregate, from the first on; each all committees.
    pub aggregators: usize,
    /// How messages travel.
    pub network: NetworkModel,
    /// How long tasks take.
    pub tasks: TaskModel,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Who does not follow the protocol.
    pub adversaries: Vec<Adversary>,
}

impl Default for Scenario {
    /// Four honest nodes of one validator each, for 100 slots.
    fn default() -> Self {
        Self {
            seed: 0,
            slots: 100,
            nodes: 4,
            validators: 4,
            committees: 1,
            aggregators: 1,
            network: NetworkModel::default(),
            tasks: TaskModel::default(),
            faults: Vec::new(),
            adversaries: Vec::new(),
        }
    }
}

/// A length of time that is drawn, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// The shortest.
    pub least_ms: u64,
    /// The longest, but for the tail.
    pub most_ms: u64,
    /// One in 32 takes so many times as long.
    #[serde(default = "one")]
    pub tail: u64,
}

const fn one() -> u64 {
    1
}

impl Delay {
    /// A length between two, with a tail.
    pub const fn new(least_ms: u64, most_ms: u64, tail: u64) -> Self {
        Self { least_ms, most_ms, tail }
    }

    /// Draws one.
    pub fn draw(&self, random: &mut Random) -> u64 {
        let usual = random.within(self.least_ms..=self.most_ms);
        if random.below(32) == 0 { usual.saturating_mul(self.tail.max(1)) } else { usual }
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkModel {
    /// The way from one node to another, drawn once for each pair and direction.
    pub latency: Delay,
    /// What a single message takes longer, at most, so that messages overtake one another.
    pub jitter_ms: u64,
    /// Gossip messages in a thousand that never arrive.
    pub loss_per_mille: u64,
    /// Gossip messages in a thousand that arrive twice.
    pub duplicate_per_mille: u64,
    /// Answers in a thousand that stop coming at some point.
    pub stall_per_mille: u64,
    /// Answers in a thousand that break off at some point.
    pub cut_per_mille: u64,
    /// Other nodes that each calls; 0 for all. Those that call it come on top.
    pub calls: usize,
}

impl Default for NetworkModel {
    fn default() -> Self {
        Self {
            latency: Delay::new(5, 60, 2),
            jitter_ms: 20,
            loss_per_mille: 0,
            duplicate_per_mille: 5,
            stall_per_mille: 0,
            cut_per_mille: 0,
            calls: 0,
        }
    }
}

/// How long tasks take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskModel {
    /// A batch of single signatures is checked.
    pub check_signatures: Delay,
    /// An aggregate's proof is checked.
    pub check_aggregate: Delay,
    /// A block's proof is checked, and its transition computed.
    pub import: Delay,
    /// The node's validators sign.
    pub sign: Delay,
    /// A proof is made.
    pub prove: Delay,
    /// A batch reaches the disk.
    pub write: Delay,
}

impl Default for TaskModel {
    fn default() -> Self {
        Self {
            check_signatures: Delay::new(1, 20, 4),
            check_aggregate: Delay::new(5, 30, 4),
            import: Delay::new(5, 60, 4),
            sign: Delay::new(2, 30, 4),
            prove: Delay::new(50, 250, 3),
            write: Delay::new(1, 20, 8),
        }
    }
}

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
}

impl Script {
    /// Every script.
    pub const ALL: [Self; 9] = [
        Self::EquivocatingProposer,
        Self::DoubleVoter,
        Self::Withholder,
        Self::FastClock,
        Self::KeylessFlooder,
        Self::LyingServer,
        Self::Censor,
        Self::BadProofs,
        Self::Silent,
    ];
}

/// A scenario that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scenario cannot be: {0}")]
pub struct ScenarioError(pub String);

/// Nodes of a network at most.
pub const MAX_NODES: usize = 64;
/// Validators of a network at most, as a registry has it.
pub const MAX_VALIDATORS: u64 = 4096;

impl Scenario {
    /// Checks that there are nodes and validators, and that faults and adversaries name nodes that
    /// there are.
    ///
    /// # Errors
    /// [`ScenarioError`] with what is wrong.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |what: String| Err(ScenarioError(what));
        if !(1..=MAX_NODES).contains(&self.nodes) {
            return wrong(format!("{} nodes, expected 1 to {MAX_NODES}", self.nodes));
        }
        if !(1..=MAX_VALIDATORS).contains(&self.validators) {
            return wrong(format!(
                "{} validators, expected 1 to {MAX_VALIDATORS}",
                self.validators
            ));
        }
        if self.committees == 0 || self.committees > crate::network::MAX_COMMITTEES {
            return wrong(format!("{} committees", self.committees));
        }
        let faulty = self.faults.iter().flat_map(|fault| fault.kind.nodes());
        let named = faulty.chain(self.adversaries.iter().map(|adversary| adversary.node));
        match named.into_iter().find(|node| *node >= self.nodes) {
            Some(node) => wrong(format!("there is no node {node}: they count from 0")),
            None => Ok(()),
        }
    }

    /// Whether a node follows the protocol.
    pub fn is_honest(&self, node: usize) -> bool {
        self.adversaries.iter().all(|adversary| adversary.node != node)
    }

    /// The validators of a node.
    pub fn validators_of(&self, node: usize) -> Vec<u64> {
        (node as u64..self.validators).step_by(self.nodes).collect()
    }

    /// How many validators do not follow the protocol, or forget what they have seen: those of
    /// adversaries, and of nodes that lose a part of their disk. From a third of all on, the
    /// protocol promises nothing.
    pub fn unreliable_validators(&self) -> usize {
        let forgets = |node: usize| {
            self.faults.iter().any(|fault| match fault.kind {
                FaultKind::Crash { node: struck, loses } => {
                    struck == node && loses != Loss::Process
                }
                _ => false,
            })
        };
        let unreliable = (0..self.nodes).filter(|node| !self.is_honest(*node) || forgets(*node));
        unreliable.map(|node| self.validators_of(node).len()).sum()
    }

    /// When the last fault is over, in milliseconds since genesis; 0 without any.
    pub fn calm_from_ms(&self) -> u64 {
        self.faults.iter().map(Fault::until_ms).max().unwrap_or(0)
    }
}
