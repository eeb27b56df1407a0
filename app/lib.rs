//! Quintet, a Lean Ethereum consensus client: a node in which everything happens in one of the
//! five intervals of a four-second slot, built on Bevy's ECS.
//!
//! A node is an [`App`] of [`plugins::NodePlugins`]; a custom client edits the group:
//!
//! ```
//! use std::sync::Arc;
//!
//! use quintet::{
//!     components::{containers::Validators, preset::SignaturePreset},
//!     node,
//!     plugins::{AggregationPlugin, Anchor, NodePlugins},
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
//! // An observer that never aggregates.
//! use bevy_app::PluginGroup;
//! let plugins = NodePlugins::new(anchor, preset, proofs).build().disable::<AggregationPlugin>();
//! let app = node(plugins);
//! # drop(app);
//! # Ok::<(), quintet::prover::UnknownProofSystem>(())
//! ```

pub mod network_dir;

use bevy_app::{App, Plugins};
use bevy_ecs::error::{BevyError, ErrorContext, Severity};

pub use quintet_components as components;
pub use quintet_plugins as plugins;
pub use quintet_prover as prover;
pub use quintet_systems as systems;

/// A node of these plugins. An error that a system returns is logged and does not end the node.
pub fn node<M>(plugins: impl Plugins<M>) -> App {
    let mut app = App::new();
    app.set_error_handler(log_error).add_plugins(plugins);
    app
}

fn log_error(error: BevyError, context: ErrorContext) {
    let system = context.name();
    match error.severity() {
        Severity::Ignore => {}
        Severity::Trace => tracing::trace!(%system, %error, "system failed"),
        Severity::Debug => tracing::debug!(%system, %error, "system failed"),
        Severity::Info => tracing::info!(%system, %error, "system failed"),
        Severity::Warning => tracing::warn!(%system, %error, "system failed"),
        _ => tracing::error!(%system, %error, "system failed"),
    }
}
