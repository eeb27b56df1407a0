//! The description of a simulation, as text and as data.

use serde::{Deserialize, Serialize};

use super::{
    fault::{Adversary, Fault, FaultKind, Loss},
    random::Random,
};

/// A network, its faults and its adversaries. They determine everything that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of slots until the end.
    pub slots: u64,
    /// The number of nodes. Validators are dealt out to them in turn.
    pub nodes: usize,
    /// The number of validators.
    pub validators: u64,
    /// The number of attestation committees.
    pub committees: u64,
    /// The number of aggregators: the first nodes, each for all committees.
    pub aggregators: usize,
    /// The network model.
    pub network: NetworkModel,
    /// The times that tasks take.
    pub tasks: TaskModel,
    /// Keys that a second node has too.
    pub shared_keys: Vec<SharedKey>,
    /// The faults.
    pub faults: Vec<Fault>,
    /// The nodes that do not follow the protocol.
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

/// A key on two machines, as after a careless move. No guard can detect that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedKey {
    /// The validator whose keys they are.
    pub validator: u64,
    /// The second node that has them.
    pub node: usize,
}

/// A range of times from which one is drawn, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delay {
    /// The shortest time.
    pub least_ms: u64,
    /// The longest time, without the tail.
    pub most_ms: u64,
    /// The factor of the tail: one in 32 draws takes this many times as long.
    #[serde(default = "one")]
    pub tail: u64,
}

const fn one() -> u64 {
    1
}

impl Delay {
    /// A range of times, with a tail.
    pub const fn new(least_ms: u64, most_ms: u64, tail: u64) -> Self {
        Self { least_ms, most_ms, tail }
    }

    /// Draws a time.
    pub fn draw(&self, random: &mut Random) -> u64 {
        let usual = random.within(self.least_ms..=self.most_ms);
        if random.below(32) == 0 { usual.saturating_mul(self.tail.max(1)) } else { usual }
    }
}

/// The network model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkModel {
    /// The latency from one node to another, drawn once for each pair and direction.
    pub latency: Delay,
    /// The most by which a single message is delayed in addition, so that messages overtake one
    /// another.
    pub jitter_ms: u64,
    /// The number of gossip messages in a thousand that never arrive.
    pub loss_per_mille: u64,
    /// The number of gossip messages in a thousand that arrive twice.
    pub duplicate_per_mille: u64,
    /// The number of answers in a thousand that stall at some point.
    pub stall_per_mille: u64,
    /// The number of answers in a thousand that break off at some point.
    pub cut_per_mille: u64,
    /// The KiB per second that a link carries in one direction; 0 for no limit.
    pub bandwidth_kib: u64,
    /// The number of other nodes that each node dials; 0 for all. Nodes that dial it are added to
    /// that.
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

/// The times that tasks take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TaskModel {
    /// The time to check a batch of single signatures.
    pub check_signatures: Delay,
    /// The time to check an aggregate's proof.
    pub check_aggregate: Delay,
    /// The time to check a block's proof, and to compute its transition.
    pub import: Delay,
    /// The time in which the node's validators sign.
    pub sign: Delay,
    /// The time to make a proof.
    pub prove: Delay,
    /// The time until a batch is on the disk.
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

/// The reason a scenario cannot be simulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scenario cannot be: {0}")]
pub struct ScenarioError(pub String);

/// The largest number of nodes of a network.
pub const MAX_NODES: usize = 64;
/// The largest number of validators of a network, as in a registry.
pub const MAX_VALIDATORS: u64 = 4096;

impl Scenario {
    /// Checks that there are nodes and validators, and that faults and adversaries name nodes that
    /// exist.
    ///
    /// # Errors
    /// [`ScenarioError`] with the reason.
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

    /// The validators of a node, without those whose keys it has as the second node.
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

    /// The number of validators on nodes for which `is_it` is true, plus those whose keys two nodes
    /// have.
    fn validators_where(&self, is_it: impl Fn(usize) -> bool) -> u64 {
        let home = |validator: &u64| usize::try_from(validator % self.nodes as u64);
        let of = |validator: &u64| home(validator).is_ok_and(&is_it);
        let which = (0..self.validators).filter(|each| of(each) || self.is_shared(*each));
        which.count() as u64
    }

    /// The number of validators that do not follow the protocol, or forget what they have seen:
    /// those of adversaries, those of nodes that lose a part of their disk, and those whose keys
    /// two nodes have. If they are a third of all or more, the protocol guarantees nothing.
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

    /// The number of validators that do not work once the last fault is over: those of adversaries,
    /// those whose keys two nodes have, and those of nodes that made wrong proofs, which their
    /// peers have banned.
    pub fn unusable_validators(&self) -> u64 {
        self.validators_where(|node| !self.is_honest(node) || self.makes_wrong_proofs(node))
    }

    /// Returns true if a node's prover makes wrong proofs at some time.
    pub fn makes_wrong_proofs(&self, node: usize) -> bool {
        let is_it = |fault: &Fault| matches!(fault.kind, FaultKind::ProverWrong { node: wrong } if wrong == node);
        self.faults.iter().any(is_it)
    }

    /// The time at which the last fault is over, in milliseconds since genesis; 0 without any.
    pub fn calm_from_ms(&self) -> u64 {
        self.faults.iter().map(Fault::until_ms).max().unwrap_or(0)
    }
}
