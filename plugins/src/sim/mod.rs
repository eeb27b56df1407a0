//! Whole networks in one process, each from one seed.
//!
//! The nodes are real: every plugin of [`NodePlugins`](crate::NodePlugins), with these in the place of
//! those that touch the outside world.
//!
//! | in a node | here |
//! | --- | --- |
//! | `RunnerPlugin`, the system's clock | the event queue: a node is updated when something is due for it |
//! | `TasksPlugin`, a pool of threads | a spawner that keeps jobs; each ends after a time that the seed draws, and runs then |
//! | `NetworkPlugin`, libp2p | [`SimNetworkPlugin`], connections, gossip and requests between the nodes of the process. Scores, bans, rates and the meaning of a verdict are the network's own code |
//! | `RocksDbPlugin` and its thread | [`SteppedStoragePlugin`](crate::storage::SteppedStoragePlugin) on a device in memory that loses what was not synced |
//! | key files | keys whose signatures cost nothing, behind the real signing guard, with record and mark on simulated devices |
//! | `multisig` | proofs of sixteen bytes that bind what real ones bind |
//!
//! # The contract
//!
//! - **One order.** Events are ordered by time, node and number. Nothing reads a real clock, and no
//!   thread takes part: two runs of a scenario give the same [`Report`], byte for byte.
//! - **Everything in between is the node's.** Whatever a plugin of a node reads or writes, it reads
//!   and writes here: lanes, messages, resources, the storage's writer, the signing record.
//! - **Time is what the scenario says.** A task takes a time that its
//!   [`TaskKind`](quintet_components::task::TaskKind) and the seed decide, whatever it costs.
//!
//! ```
//! use quintet_plugins::sim::Simulation;
//!
//! let report = Simulation::new(7).nodes(4).validators(4).slots(12).run();
//! assert_eq!(report.violation, None);
//! assert!(report.finalized_slot() > 4);
//! ```

mod adversary;
mod clock;
mod connections;
mod crypto;
mod disk;
mod draw;
mod ear;
mod edge;
mod events;
mod fault;
mod gossip;
mod links;
mod machine;
pub mod model;
mod oracle;
mod port;
mod queue;
mod random;
mod report;
mod requests;
mod run;
mod scenario;
mod shrink;
mod signer;
mod simulation;
mod strike;
mod tasks;
mod trace;

pub use adversary::{Behaviour, Sent, Sight};
pub use draw::draw;
pub use edge::{Content, SimNetworkPlugin};
pub use fault::{Adversary, Fault, FaultKind, Loss, Script};
pub use links::Carrier;
pub use machine::Customize;
pub use oracle::{Oracle, View};
pub use random::{Fingerprint, Random};
pub use report::{Counts, NodeReport, Report, Violation};
pub use scenario::{
    Delay, MAX_NODES, MAX_VALIDATORS, NetworkModel, Scenario, ScenarioError, SharedKey, TaskModel,
};
pub use shrink::{Shrunk, shrink};
pub use simulation::Simulation;
pub use trace::{Moment, Trace, What};
