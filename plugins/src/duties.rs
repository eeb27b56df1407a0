//! The duties of the node's own validators.

use bevy_app::{App, Plugin, PreUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    duties::{AttestationProduced, BlockProduced, DutyCounts, Signing},
    schedule::{Interval, IntervalSystems, NodeSystems, OnInterval},
};
use quintet_systems::{
    aggregation::commit::collect_sessions,
    duties::{
        AttestationTask, ProposalTask, announce_proposal, collect_attestations, collect_proposal,
        start_attestations, start_proposal,
    },
};

/// Proposes at interval 0 and votes at interval 1 with the keys of a signer. Without this plugin
/// a node is an observer.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Signing`], [`DutyCounts`] | the chain, `Tasks` | the chain, [`BlockProduced`], [`AttestationProduced`] |
pub struct DutiesPlugin {
    /// The node's keys.
    pub signing: Signing,
}

impl Plugin for DutiesPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.signing.clone())
            .init_resource::<DutyCounts>()
            .init_resource::<ProposalTask>()
            .init_resource::<AttestationTask>()
            .add_message::<BlockProduced>()
            .add_message::<AttestationProduced>()
            .add_systems(
                PreUpdate,
                (collect_proposal, collect_attestations)
                    .chain()
                    .before(collect_sessions)
                    .in_set(NodeSystems::Collect),
            );
        for interval in Interval::ALL {
            app.add_systems(
                OnInterval(interval),
                (collect_proposal, collect_attestations)
                    .chain()
                    .before(collect_sessions)
                    .in_set(IntervalSystems::Collect),
            );
        }
        let duties = IntervalSystems::Duties;
        app.add_systems(OnInterval(Interval::Propose), start_proposal.in_set(duties))
            .add_systems(OnInterval(Interval::Attest), start_attestations.in_set(duties))
            .add_systems(OnInterval(Interval::Accept), announce_proposal.in_set(duties));
    }
}
