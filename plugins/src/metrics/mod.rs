//! Measurements of the node: the registry, and the systems that update it from the world.
//!
//! Most values are read from messages and resources at the end of every update, so that the
//! measured code does not know about metrics. Durations are recorded where they are measured: in
//! tasks, in the interval walk, by the runner, and on the threads of network and storage.

mod aggregation;
mod chain;
pub(crate) mod coverage;
mod inputs;
mod names;
mod node;
mod peers;
mod process;
mod sync;

use bevy_app::{App, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::SessionEnded,
    duties::BlockProduced,
    messages::{BlockImported, BlockReceived, FinalizedAdvanced, HeadChanged, InputJudged},
    metrics::{Metrics, MetricsRegistry},
    network::{PeerEvent, PeerNames},
    schedule::{Interval, IntervalSystems, NodeSystems, OnInterval},
    storage::StorageHealth,
    task::Tasks,
};

use crate::clock::interval_has_begun;

/// Measures the node. [`MetricsRegistry::encode`] writes the metrics for a scrape. Must be added
/// before every plugin that uses [`Metrics`] when it is built.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`MetricsRegistry`], [`Metrics`], [`PeerNames`] | the chain, the pools, peers, sync, the prover's timeline, counts, all messages about blocks and attestations | the metrics |
#[derive(Clone, Debug, Default)]
pub struct MetricsPlugin {
    /// The names of peers.
    pub peer_names: PeerNames,
}

impl Plugin for MetricsPlugin {
    fn build(&self, app: &mut App) {
        let registry = MetricsRegistry::default();
        let metrics = Metrics::register(&registry);
        registry.register_collector(process::ProcessCollector);
        node::set_start(&metrics);
        app.insert_resource(registry)
            .insert_resource(metrics)
            .insert_resource(self.peer_names.clone())
            .add_message::<BlockReceived>()
            .add_message::<InputJudged>()
            .add_message::<BlockImported>()
            .add_message::<HeadChanged>()
            .add_message::<FinalizedAdvanced>()
            .add_message::<BlockProduced>()
            .add_message::<SessionEnded>()
            .add_message::<PeerEvent>()
            .init_resource::<coverage::Coverage>()
            .add_systems(
                OnInterval(Interval::Aggregate),
                coverage::show_start
                    .after(IntervalSystems::Collect)
                    .before(IntervalSystems::Duties)
                    .ambiguous_with_all(),
            )
            .add_systems(
                OnInterval(Interval::Accept),
                coverage::show_slot
                    .after(IntervalSystems::Collect)
                    .before(IntervalSystems::ForkChoice)
                    .ambiguous_with_all(),
            )
            // They only read, and run after everything else. What is not an event is measured once
            // per interval.
            .add_systems(
                PostUpdate,
                (
                    coverage::follow_blocks,
                    chain::count_chain,
                    inputs::count_inputs,
                    aggregation::count_sessions,
                    aggregation::follow_prover,
                    peers::follow_peers,
                    sync::show_sync,
                    node::show_storage_and_warnings,
                    (
                        chain::show_chain,
                        chain::show_pools,
                        inputs::show_lanes,
                        node::show_identity,
                        node::show_node,
                    )
                        .run_if(interval_has_begun),
                )
                    .in_set(NodeSystems::Measure)
                    .ambiguous_with_all(),
            );
    }

    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let metrics = world.resource::<Metrics>().clone();
        if let Some(mut tasks) = world.get_resource_mut::<Tasks>() {
            tasks.measure(metrics.runtime.tasks.clone());
        }
        if let Some(health) = world.get_resource::<StorageHealth>() {
            health.measure(metrics.storage.clone());
        }
    }
}
