//! The metrics of a node.
//!
//! [`Metrics`] holds a handle for each metric, grouped by subject; a clone costs one reference
//! count, so that tasks and threads take one with them. [`MetricsRegistry`] has them by name and
//! writes them out for a scrape. A plugin registers its own metrics in addition:
//!
//! ```
//! use quintet_components::metrics::{MetricsRegistry, client::metrics::counter::Counter};
//!
//! let registry = MetricsRegistry::default();
//! let counter = Counter::<u64>::default();
//! registry.register("my_blocks", "Blocks that my system saw", counter.clone());
//! counter.inc();
//! assert!(registry.encode(None).1.contains("my_blocks_total 1"));
//! ```
//!
//! Names that begin with `lean_` are those that all clients share; `quintet_` is this node's own.
//! If the shared buckets of a histogram are too coarse, there is a second histogram with wide
//! buckets: [`WideHistogram`].

mod aggregation;
mod coverage;
mod duties;
mod fork_choice;
mod handles;
mod network;
mod node;
mod production;
mod prover;
mod registry;
mod runtime;
mod signatures;
mod storage;
mod sync;
mod text;
mod transition;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use bevy_ecs::prelude::*;
pub use prometheus_client as client;

pub use aggregation::AggregationMetrics;
pub use coverage::{CoverageMetrics, Section};
pub use duties::DutyMetrics;
pub use fork_choice::ForkChoiceMetrics;
pub use handles::{Labelled, Labels, WideHistogram, set_counter};
pub use network::{ConnectionResult, DisconnectKind, NetworkMetrics, direction_label};
pub use node::NodeMetrics;
pub use production::ProductionMetrics;
pub use prover::ProverMetrics;
pub use registry::{Format, MetricsRegistry};
pub use runtime::{LANES, RuntimeMetrics};
pub use signatures::SignatureMetrics;
pub use storage::StorageMetrics;
pub use sync::SyncMetrics;
pub use transition::{TransitionMetrics, TransitionTimes};

use handles::Registrar;

/// The handles of all metrics of a node.
#[derive(Resource, Clone)]
pub struct Metrics(Arc<Groups>);

/// The metrics by subject.
pub struct Groups {
    /// The node itself.
    pub node: NodeMetrics,
    /// Signatures and proofs.
    pub signatures: SignatureMetrics,
    /// Blocks and attestations that the node makes.
    pub production: ProductionMetrics,
    /// Head, attestations, pools.
    pub fork_choice: ForkChoiceMetrics,
    /// The state transition.
    pub transition: TransitionMetrics,
    /// Aggregation sessions.
    pub aggregation: AggregationMetrics,
    /// The validators that aggregates cover.
    pub coverage: CoverageMetrics,
    /// The prover's queue and timeline.
    pub prover: ProverMetrics,
    /// Duties and signatures.
    pub duties: DutyMetrics,
    /// Sync.
    pub sync: SyncMetrics,
    /// Peers and gossip.
    pub network: NetworkMetrics,
    /// The store.
    pub storage: StorageMetrics,
    /// Updates, intervals, lanes, tasks, warnings.
    pub runtime: RuntimeMetrics,
}

impl Metrics {
    /// Makes every metric and registers it.
    pub fn register(registry: &MetricsRegistry) -> Self {
        registry.with(|registry| {
            let mut registrar = Registrar(registry);
            let registrar = &mut registrar;
            Self(Arc::new(Groups {
                node: NodeMetrics::register(registrar),
                signatures: SignatureMetrics::register(registrar),
                production: ProductionMetrics::register(registrar),
                fork_choice: ForkChoiceMetrics::register(registrar),
                transition: TransitionMetrics::register(registrar),
                aggregation: AggregationMetrics::register(registrar),
                coverage: CoverageMetrics::register(registrar),
                prover: ProverMetrics::register(registrar),
                duties: DutyMetrics::register(registrar),
                sync: SyncMetrics::register(registrar),
                network: NetworkMetrics::register(registrar),
                storage: StorageMetrics::register(registrar),
                runtime: RuntimeMetrics::register(registrar),
            }))
        })
    }

    /// The world's metrics. If there are none, metrics that are never read.
    pub fn of(world: &World) -> Self {
        Self::or_unread(world.get_resource())
    }

    /// A system's metrics. If there are none, metrics that are never read.
    pub fn or_unread(metrics: Option<&Self>) -> Self {
        static UNREAD: OnceLock<Metrics> = OnceLock::new();
        metrics.unwrap_or_else(|| UNREAD.get_or_init(|| Self::register(&<_>::default()))).clone()
    }
}

impl Deref for Metrics {
    type Target = Groups;

    fn deref(&self) -> &Groups {
        &self.0
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
