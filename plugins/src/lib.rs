//! The wiring of a Quintet node.
//!
//! Systems and resources are added only here. [`order`] defines the order of all phases.
//! [`NodePlugins`] is the group that a node is built from.

// These macros wait for a stream and panic if it cannot be written. The log does neither.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod aggregation;
#[cfg(feature = "checkpoint")]
pub mod checkpoint;
mod clock;
#[cfg(feature = "driver")]
pub mod driver;
mod duties;
mod end_reason;
mod files;
mod fork_choice;
mod group;
#[cfg(feature = "http")]
pub mod http;
mod inbound;
#[cfg(feature = "inspector")]
mod inspected;
#[cfg(feature = "inspector")]
pub mod inspector;
pub mod keys;
mod loopback;
mod metrics;
mod needs;
#[cfg(feature = "network")]
pub mod network;
#[cfg(any(feature = "http", feature = "network"))]
#[cfg_attr(
    not(all(feature = "http", feature = "network")),
    allow(dead_code, reason = "each of the two uses its part")
)]
mod open_files;
pub mod order;
mod prover;
mod runner;
pub mod scenario;
#[cfg(feature = "sim")]
pub mod sim;
mod slot_log;
mod stop;
pub mod storage;
mod sync;
mod tasks;
pub mod text;
mod vital;
mod warnings;
#[cfg(feature = "http")]
mod web;

pub use aggregation::{AggregationPlugin, ReaggregationPlugin};
pub use clock::ClockPlugin;
pub use duties::{DutiesPlugin, DutyRecordPlugin};
pub use end_reason::EndReason;
pub use fork_choice::{Anchor, ForkChoicePlugin, ResumePlugin};
pub use group::{IdentityPlugin, NodeConfig, NodePlugins, RolePlugin};
#[cfg(feature = "http")]
pub use http::{HttpConfig, HttpPlugin};
pub use inbound::{InboundLanes, InboundPlugin};
#[cfg(feature = "inspector")]
pub use inspector::InspectorPlugin;
pub use loopback::{LoopbackHub, LoopbackPlugin};
pub use metrics::MetricsPlugin;
pub use needs::MissingPiece;
#[cfg(feature = "network")]
pub use network::{NetworkConfig, NetworkPlugin};
pub use order::OrderPlugin;
pub use prover::ProverPlugin;
pub use quintet_components::network::PeerNames;
pub use runner::{RunnerPlugin, WallClock};
pub use slot_log::SlotLogPlugin;
pub use stop::{StopHandle, StopPlugin};
pub use sync::SyncPlugin;
pub use tasks::{PoolSpawner, TasksPlugin};
pub use warnings::WarningsPlugin;
