//! Aggregation sessions, and the votes that blocks bring.

use bevy_app::{App, Plugin, PostUpdate, PreUpdate, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::{AggregationConfig, SessionEnded},
    duties::{DutyCounts, RecentDuties},
    messages::AggregateProduced,
    network::NetworkCommand,
    schedule::{Interval, IntervalSystems, NodeSystems, OnInterval},
};
use quintet_systems::{
    admission::gossip::commit_aggregates,
    aggregation::{
        commit::collect_sessions,
        reaggregation::{Splits, collect_splits, split_imported},
        session::{EarlyAttestations, aggregate_slot},
        subnets::follow_role,
    },
    duties::{duties_are_due, skip_aggregation},
    fork_choice::import::commit_imports,
};

/// Opens a session at interval 2, as long as sync lets duties be done, or once two thirds of the expected votes are in, when the node
/// aggregates; collects its proofs whenever they are ready, before every interval and once an
/// update. Needs [`ProverPlugin`](crate::ProverPlugin).
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`AggregationConfig`], [`EarlyAttestations`], [`DutyCounts`], [`RecentDuties`] | `IsAggregator`, the pools, `Registry`, `Proofs`, the head's state, `DutyGate` | the pools, `AggregationHistory`, [`AggregateProduced`], [`SessionEnded`], [`NetworkCommand`] |
#[derive(Clone, Debug, Default)]
pub struct AggregationPlugin {
    /// Deadline, early start, subnets.
    pub config: AggregationConfig,
}

impl Plugin for AggregationPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.config.clone())
            .init_resource::<EarlyAttestations>()
            .init_resource::<DutyCounts>()
            .init_resource::<RecentDuties>()
            .add_message::<AggregateProduced>()
            .add_message::<SessionEnded>()
            .add_message::<NetworkCommand>()
            .add_systems(PostUpdate, follow_role.in_set(NodeSystems::Review))
            .add_systems(
                PreUpdate,
                collect_sessions.before(commit_aggregates).in_set(NodeSystems::Collect),
            )
            .add_systems(
                OnInterval(Interval::Aggregate),
                (
                    skip_aggregation.run_if(not(duties_are_due)),
                    aggregate_slot.run_if(duties_are_due),
                )
                    .chain()
                    .in_set(IntervalSystems::Duties),
            );
        for interval in Interval::ALL {
            app.add_systems(
                OnInterval(interval),
                collect_sessions.in_set(IntervalSystems::Collect),
            );
        }
    }
}

/// Splits the proofs of imported blocks back into payloads, which count from the next selection of
/// the head; an aggregator publishes them. leanSpec waits for gossip to bring them. Needs
/// [`ProverPlugin`](crate::ProverPlugin).
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Splits`] | `BlockImported`, the pools, `Registry`, `Proofs` | the pools, `AggregationHistory`, [`AggregateProduced`] |
#[derive(Clone, Copy, Debug)]
pub struct ReaggregationPlugin;

impl Plugin for ReaggregationPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Splits>()
            .add_message::<AggregateProduced>()
            .add_systems(
                PreUpdate,
                collect_splits
                    .after(collect_sessions)
                    .before(commit_aggregates)
                    .in_set(NodeSystems::Collect),
            )
            .add_systems(Update, split_imported.after(commit_imports).in_set(NodeSystems::Import));
        for interval in Interval::ALL {
            app.add_systems(
                OnInterval(interval),
                collect_splits.after(collect_sessions).in_set(IntervalSystems::Collect),
            );
        }
    }
}
