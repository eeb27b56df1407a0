//! What a node measures: the registry, and the systems that feed it from the world.
//!
//! Most numbers are read from messages and resources at the end of every update, so that what is
//! measured knows nothing of it. Times are noted where they pass: in tasks, in the walk over the
//! intervals, by the runner, on the threads of network and storage.

mod aggregation;
mod chain;
mod coverage;
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

/// Measures the node. [`MetricsRegistry::encode`] writes what there is to know for whoever serves
/// it. Added before every plugin that takes [`Metrics`] along when it is built.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`MetricsRegistry`], [`Metrics`], [`PeerNames`] | the chain, the pools, peers, sync, the prover's timeline, counts, all messages about blocks and votes | the metrics |
#[derive(Clone, Debug, Default)]
pub struct MetricsPlugin {
    /// What peers are called.
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
            // They only read, and come when everything else has been done.
            .add_systems(
                PostUpdate,
                (
                    coverage::follow_blocks,
                    chain::show_chain,
                    chain::count_chain,
                    chain::show_pools,
                    inputs::show_lanes,
                    inputs::count_inputs,
                    aggregation::count_sessions,
                    aggregation::follow_prover,
                    sync::show_sync,
                    peers::follow_peers,
                    node::show_identity,
                    node::show_node,
                    node::show_storage_and_warnings,
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
