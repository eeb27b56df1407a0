//! Aggregation sessions.

use bevy_app::{App, Plugin, PreUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    messages::AggregateProduced,
    schedule::{Interval, IntervalSystems, NodeSystems, OnInterval},
};
use quintet_systems::{
    aggregation::session::{collect_sessions, open_session},
    fork_choice::gossip::commit_aggregates,
};

/// Opens a session at interval 2 when the node aggregates, and collects its proofs whenever they
/// are ready: before every interval and once an update.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | | `IsAggregator`, the pools, `Registry`, `Proofs`, `Tasks` | the pools, [`AggregateProduced`] |
#[derive(Debug)]
pub struct AggregationPlugin;

impl Plugin for AggregationPlugin {
    fn build(&self, app: &mut App) {
        app.add_message::<AggregateProduced>()
            .add_systems(
                PreUpdate,
                collect_sessions.in_set(NodeSystems::Collect).before(commit_aggregates),
            )
            .add_systems(
                OnInterval(Interval::Aggregate),
                open_session.in_set(IntervalSystems::Duties),
            );
        for interval in Interval::ALL {
            app.add_systems(
                OnInterval(interval),
                collect_sessions.in_set(IntervalSystems::Collect),
            );
        }
    }
}
