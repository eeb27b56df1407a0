//! What is simulated, as text and as data.

use serde::{Deserialize, Serialize};

use super::{
    fault::{Adversary, Fault, FaultKind, Loss},
    random::Random,
};

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
    /// Keys that a second node has as well.
    pub shared_keys: Vec<SharedKey>,
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
            shared_keys: Vec::new(),
            faults: Vec::new(),
            adversaries: Vec::new(),
        }
    }
}

/// A key on two machines, as after a careless move. No guard can know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedKey {
    /// Whose keys.
    pub validator: u64,
    /// The node that has them beside the validator's own.
    pub node: usize,
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
    /// KiB a second that a link carries in one direction; 0 for no limit.
    pub bandwidth_kib: u64,
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
            bandwidth_kib: 0,
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
        if let Some(key) = self.shared_keys.iter().find(|key| key.validator >= self.validators) {
            return wrong(format!("there is no validator {}: they count from 0", key.validator));
        }
        let faulty = self.faults.iter().flat_map(|fault| fault.kind.nodes());
        let shared = self.shared_keys.iter().map(|key| key.node);
        let named = faulty.chain(self.adversaries.iter().map(|adversary| adversary.node));
        match named.chain(shared).find(|node| *node >= self.nodes) {
            Some(node) => wrong(format!("there is no node {node}: they count from 0")),
            None => Ok(()),
        }
    }

    /// Returns true if a node follows the protocol.
    pub fn is_honest(&self, node: usize) -> bool {
        self.adversaries.iter().all(|adversary| adversary.node != node)
    }

    /// The validators of a node, but for those whose keys it has beside another.
    pub fn validators_of(&self, node: usize) -> Vec<u64> {
        (node as u64..self.validators).step_by(self.nodes).collect()
    }

    /// The validators whose keys a node has, ascending.
    pub fn keys_of(&self, node: usize) -> Vec<u64> {
        let shared = self.shared_keys.iter().filter(|key| key.node == node);
        let mut keys = self.validators_of(node);
        keys.extend(shared.map(|key| key.validator));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Returns true if two nodes have a validator's keys.
    pub fn is_shared(&self, validator: u64) -> bool {
        let home = validator % self.nodes as u64;
        self.shared_keys.iter().any(|key| key.validator == validator && key.node as u64 != home)
    }

    /// Returns true if a node has keys that another one has as well.
    pub fn shares_keys(&self, node: usize) -> bool {
        self.keys_of(node).into_iter().any(|validator| self.is_shared(validator))
    }

    /// The validators of nodes for which something is true, and those whose keys two nodes have.
    fn validators_where(&self, is_it: impl Fn(usize) -> bool) -> u64 {
        let home = |validator: &u64| usize::try_from(validator % self.nodes as u64);
        let of = |validator: &u64| home(validator).is_ok_and(&is_it);
        let which = (0..self.validators).filter(|each| of(each) || self.is_shared(*each));
        which.count() as u64
    }

    /// How many validators do not follow the protocol, or forget what they have seen: those of
    /// adversaries, of nodes that lose a part of their disk, and those whose keys two nodes have.
    /// From a third of all on, the protocol promises nothing.
    pub fn unreliable_validators(&self) -> u64 {
        let forgets = |node: usize| {
            self.faults.iter().any(|fault| match fault.kind {
                FaultKind::Crash { node: struck, loses } => {
                    struck == node && loses != Loss::Process
                }
                _ => false,
            })
        };
        self.validators_where(|node| !self.is_honest(node) || forgets(node))
    }

    /// How many validators do not work once the last fault is over: those of adversaries, those
    /// whose keys two nodes have, and those of nodes that made wrong proofs, which their peers have
    /// banned.
    pub fn unusable_validators(&self) -> u64 {
        self.validators_where(|node| !self.is_honest(node) || self.makes_wrong_proofs(node))
    }

    /// Returns true if a node's prover makes wrong proofs at some time.
    pub fn makes_wrong_proofs(&self, node: usize) -> bool {
        let is_it = |fault: &Fault| matches!(fault.kind, FaultKind::ProverWrong { node: wrong } if wrong == node);
        self.faults.iter().any(is_it)
    }

    /// When the last fault is over, in milliseconds since genesis; 0 without any.
    pub fn calm_from_ms(&self) -> u64 {
        self.faults.iter().map(Fault::until_ms).max().unwrap_or(0)
    }
}
