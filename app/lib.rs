//! Quintet, a Lean Ethereum consensus client: a node in which everything happens in one of the
//! five intervals of a four-second slot, built on Bevy's ECS.
//!
//! A [`Client`] joins a network: from its folder, from settings, or by hand.
//!
//! ```no_run
//! # use quintet::plugins::SlotLogPlugin;
//! quintet::Client::from_network_dir("network")
//!     .node_id("quintet_0")
//!     .data_dir("data")
//!     .plugins(|group| group.disable::<SlotLogPlugin>())
//!     .run()?;
//! # Ok::<(), quintet::ClientError>(())
//! ```
//!
//! [`node`] makes a node of a [`NodeConfig`] and needs neither files nor network; [`app`] makes one
//! of plugins:
//!
//! ```
//! use std::sync::Arc;
//!
//! use bevy_app::PluginGroup;
//! use quintet::{
//!     NodeConfig, NodePlugins, app,
//!     components::{containers::Validators, preset::SignaturePreset},
//!     node,
//!     plugins::{AggregationPlugin, Anchor},
//!     prover,
//!     systems::transition::{anchor_block, generate_genesis},
//!     systems::verification::scheme_of,
//! };
//!
//! let preset = SignaturePreset::Short;
//! let state = generate_genesis(1_700_000_000, Validators::default());
//! let anchor = Anchor { block: anchor_block(&state), state: Arc::new(state) };
//! let proofs = prover::by_name("multisig", scheme_of(preset))?;
//!
//! // An observer.
//! let config = || NodeConfig::new(anchor.clone(), preset, Arc::clone(&proofs));
//! let observer = node(config());
//! // One that never aggregates.
//! let custom = app(NodePlugins::new(config()).build().disable::<AggregationPlugin>());
//! # drop((observer, custom));
//! # Ok::<(), quintet::prover::NoProofSystem>(())
//! ```

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod network_dir;
#[cfg(feature = "client")]
pub mod stop_signals;

/// The book's page, whose listings are compiled with the doc tests.
#[cfg(all(doctest, feature = "client", feature = "inspector"))]
#[doc = include_str!("../docs/own-client.md")]
struct OwnClientPage;

use bevy_app::{App, Plugins};
use bevy_ecs::error::{BevyError, ErrorContext, Severity};

#[cfg(feature = "client")]
pub use client::{Client, ClientError};
pub use quintet_components as components;
pub use quintet_plugins as plugins;
pub use quintet_plugins::{NodeConfig, NodePlugins};
pub use quintet_prover as prover;
pub use quintet_systems as systems;

/// A node like this: `App::run` runs it until it is asked to stop.
pub fn node(config: NodeConfig) -> App {
    app(NodePlugins::new(config))
}

/// A node of these plugins. An error that a system returns is logged and does not end the node.
pub fn app<M>(plugins: impl Plugins<M>) -> App {
    let mut app = App::new();
    app.set_error_handler(log_error).add_plugins(plugins);
    app
}

fn log_error(error: BevyError, context: ErrorContext) {
    let name = context.name();
    let is_named = !name.starts_with('<');
    let system = if is_named { &*name } else { "unnamed: the feature `names` is off" };
    match error.severity() {
        Severity::Ignore => {}
        Severity::Trace => tracing::trace!(system, %error, "system failed"),
        Severity::Debug => tracing::debug!(system, %error, "system failed"),
        Severity::Info => tracing::info!(system, %error, "system failed"),
        Severity::Warning => tracing::warn!(system, %error, "system failed"),
        _ => tracing::error!(system, %error, "system failed"),
    }
}
