//! The duties of the node's own validators.

use bevy_app::{App, Plugin, PreUpdate, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    duties::{AttestationProduced, BlockProduced, DutyCounts, RecentDuties, Signing},
    schedule::{Interval, IntervalSystems, NodeSystems, OnInterval},
};
use quintet_systems::{
    aggregation::commit::collect_sessions,
    duties::{
        AttestationTask, Proposals, announce_proposal, begin_held_proposal, collect_attestations,
        collect_proposals, duties_are_due, expire_proposals, give_up_held_proposal, hold_proposal,
        prepare_proposal, skip_attestations, start_attestations, start_proposal,
    },
};

/// Proposes at interval 0, with the block built at interval 4 before it, and votes at interval 1,
/// with the keys of a signer. Without this plugin a node is an observer. A duty is not begun while
/// sync's gate is closed, nor when its slot is over; it is then counted with its reason. A proposal
/// waits for the gate until votes are due. Without `SyncPlugin` there is no gate.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Signing`], [`DutyCounts`], [`RecentDuties`], [`Proposals`], [`AttestationTask`] | the chain, `Tasks`, `DutyGate` | the chain, [`BlockProduced`], [`AttestationProduced`] |
pub struct DutiesPlugin {
    /// The node's keys.
    pub signing: Signing,
}

impl Plugin for DutiesPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.signing.clone())
            .init_resource::<DutyCounts>()
            .init_resource::<RecentDuties>()
            .init_resource::<Proposals>()
            .init_resource::<AttestationTask>()
            .add_message::<BlockProduced>()
            .add_message::<AttestationProduced>()
            .add_systems(
                PreUpdate,
                (collect_proposals, collect_attestations)
                    .chain()
                    .before(collect_sessions)
                    .in_set(NodeSystems::Collect),
            );
        app.add_systems(Update, begin_held_proposal.in_set(NodeSystems::HeldDuties));
        for interval in Interval::ALL {
            app.add_systems(
                OnInterval(interval),
                (collect_proposals, collect_attestations)
                    .chain()
                    .before(collect_sessions)
                    .in_set(IntervalSystems::Collect),
            );
        }
        let duties = IntervalSystems::Duties;
        app.add_systems(
            OnInterval(Interval::Propose),
            (
                expire_proposals,
                hold_proposal.run_if(not(duties_are_due)),
                start_proposal.run_if(duties_are_due),
            )
                .chain()
                .in_set(duties),
        )
        .add_systems(
            OnInterval(Interval::Attest),
            (
                give_up_held_proposal,
                skip_attestations.run_if(not(duties_are_due)),
                start_attestations.run_if(duties_are_due),
            )
                .chain()
                .in_set(duties),
        )
        .add_systems(
            OnInterval(Interval::Accept),
            (announce_proposal, prepare_proposal.run_if(duties_are_due)).chain().in_set(duties),
        );
    }
}
