//! How a Quintet node is wired.
//!
//! Systems are added, and resources put in place, only here. [`order`] owns every order;
//! [`NodePlugins`] is the group that a node is built from.

mod aggregation;
mod clock;
mod duties;
mod fork_choice;
mod group;
mod inbound;
pub mod keys;
mod loopback;
pub mod order;
mod runner;
mod sync;
mod tasks;

pub use aggregation::AggregationPlugin;
pub use clock::ClockPlugin;
pub use duties::DutiesPlugin;
pub use fork_choice::{Anchor, ForkChoicePlugin};
pub use group::NodePlugins;
pub use inbound::{InboundLanes, InboundPlugin};
pub use loopback::{LoopbackHub, LoopbackPlugin};
pub use order::OrderPlugin;
pub use runner::RunnerPlugin;
pub use sync::SyncPlugin;
pub use tasks::{PoolSpawner, TasksPlugin};
