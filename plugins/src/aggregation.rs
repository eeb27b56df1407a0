//! Aggregation sessions, and re-aggregation of the attestations in blocks.

use bevy_app::{App, Plugin, PostUpdate, PreUpdate, Update};
use bevy_ecs::{prelude::*, schedule::common_conditions::on_message};
use quintet_components::{
    aggregation::{AggregationConfig, AggregationHistory, CurrentSession, SessionEnded},
    messages::{AggregateProduced, AttestationAccepted, BlockImported},
    network::NetworkCommand,
    prover::ProofAbandoned,
    schedule::{
        CollectSystems, ImportSystems, Interval, IntervalSystems, NodeSystems, OnInterval, Shutdown,
    },
};
use quintet_systems::{
    aggregation::{
        commit::{collect_sessions, count_abandoned},
        early::{EarlyAttesters, open_early_session},
        open::{aggregate_slot, skip_aggregation},
        reaggregation::{Splits, collect_splits, has_splits, split_imported},
        session::give_up_session,
        subnets::follow_role,
    },
    duties::duties_are_due,
    proving::{ProverScheduler, join_prover},
    verification::Proofs,
};

use crate::{
    DutyRecordPlugin,
    needs::{Need, needs},
};

/// Makes aggregates while the node is an aggregator. Opens a session at interval 2 if sync allows
/// duties, or earlier when two thirds of the expected attestations have arrived. Collects its
/// proofs whenever they are ready, before every interval and once per update. Needs
/// [`ProverPlugin`](crate::ProverPlugin), and adds [`DutyRecordPlugin`].
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`AggregationConfig`], [`AggregationHistory`], [`CurrentSession`], [`EarlyAttesters`] | [`AttestationAccepted`], `IsAggregator`, the pools, `Registry`, `Proofs`, the head's state, `DutyGate` | the pools, [`AggregateProduced`], [`SessionEnded`], `DutyEnded`, [`NetworkCommand`] |
#[derive(Clone, Debug, Default)]
pub struct AggregationPlugin {
    /// Deadline, early start, subnets.
    pub config: AggregationConfig,
}

impl Plugin for AggregationPlugin {
    fn build(&self, app: &mut App) {
        needs(
            app,
            "AggregationPlugin",
            &[
                Need::resource::<Proofs>("ForkChoicePlugin"),
                Need::resource::<ProverScheduler>("ProverPlugin"),
            ],
        );
        DutyRecordPlugin::add_once(app);
        app.insert_resource(self.config.clone())
            .init_resource::<AggregationHistory>()
            .init_resource::<CurrentSession>()
            .init_resource::<EarlyAttesters>()
            .add_message::<AttestationAccepted>()
            .add_message::<AggregateProduced>()
            .add_message::<SessionEnded>()
            .add_message::<NetworkCommand>()
            .add_systems(PostUpdate, follow_role.in_set(NodeSystems::Review))
            .add_systems(
                PreUpdate,
                (
                    (count_abandoned.run_if(on_message::<ProofAbandoned>), collect_sessions)
                        .chain()
                        .in_set(CollectSystems::Sessions),
                    open_early_session
                        .run_if(on_message::<AttestationAccepted>)
                        .in_set(CollectSystems::EarlySession),
                ),
            )
            .add_systems(
                OnInterval(Interval::Aggregate),
                (
                    skip_aggregation.run_if(not(duties_are_due)),
                    aggregate_slot.run_if(duties_are_due),
                )
                    .chain()
                    .in_set(IntervalSystems::Duties),
            )
            .add_systems(Shutdown, give_up_session.before(join_prover));
        for interval in Interval::ALL {
            app.add_systems(
                OnInterval(interval),
                collect_sessions.in_set(CollectSystems::Sessions),
            );
        }
    }
}

/// Splits the proofs of imported blocks back into payloads. They count from the next selection of
/// the head on, and an aggregator publishes them. leanSpec waits for gossip to bring them. Needs
/// [`ProverPlugin`](crate::ProverPlugin).
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Splits`], [`AggregationHistory`], [`AggregationConfig`] | `BlockImported`, the pools, `Registry`, `Proofs` | the pools, [`AggregateProduced`] |
#[derive(Clone, Copy, Debug)]
pub struct ReaggregationPlugin;

impl Plugin for ReaggregationPlugin {
    fn build(&self, app: &mut App) {
        needs(
            app,
            "ReaggregationPlugin",
            &[
                Need::resource::<Proofs>("ForkChoicePlugin"),
                Need::resource::<ProverScheduler>("ProverPlugin"),
            ],
        );
        app.init_resource::<Splits>()
            .init_resource::<AggregationHistory>()
            .init_resource::<AggregationConfig>()
            .add_message::<AggregateProduced>()
            .add_systems(
                PreUpdate,
                collect_splits.run_if(has_splits).in_set(CollectSystems::Splits),
            )
            .add_systems(
                Update,
                split_imported.run_if(on_message::<BlockImported>).in_set(ImportSystems::Split),
            );
        for interval in Interval::ALL {
            app.add_systems(
                OnInterval(interval),
                collect_splits.run_if(has_splits).in_set(CollectSystems::Splits),
            );
        }
    }
}
