//! The duties of the node's own validators, and the record of how they ended.

use bevy_app::{App, Plugin, PostUpdate, PreUpdate, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    duties::{
        AttestationProduced, BlockProduced, BlockRoom, DutyCounts, DutyEnded, RecentDuties, Signing,
    },
    messages::AttestationAccepted,
    schedule::{CollectSystems, Interval, IntervalSystems, NodeSystems, OnInterval},
};
use quintet_systems::{
    duties::{
        AttestationTask, Proposals, announce_proposal, begin_held_proposal, collect_attestations,
        collect_proposals, commit_proposals, duties_are_due, expire_proposals,
        give_up_held_proposal, has_proposals, has_signed, hold_proposal, is_attesting,
        prepare_proposal, record_duties, skip_attestations, start_attestations, start_proposal,
    },
    proving::ProverScheduler,
    verification::Proofs,
};

use crate::needs::{Need, needs};

/// Counts, records and logs how every duty ended.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`DutyCounts`], [`RecentDuties`] | [`DutyEnded`], the clock | [`DutyCounts`], [`RecentDuties`], the log |
#[derive(Clone, Copy, Debug)]
pub struct DutyRecordPlugin;

impl DutyRecordPlugin {
    pub(crate) fn add_once(app: &mut App) {
        if !app.is_plugin_added::<Self>() {
            app.add_plugins(Self);
        }
    }
}

impl Plugin for DutyRecordPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<DutyCounts>()
            .init_resource::<RecentDuties>()
            .add_message::<DutyEnded>()
            .add_systems(PostUpdate, record_duties.in_set(NodeSystems::Review));
    }
}

/// Proposes at interval 0, with the block built at interval 4 before it, and attests at interval 1,
/// with the keys of a signer. Without this plugin a node is an observer. A duty is not done while
/// sync's gate is closed, or if its slot is over; it is then counted with its reason. A proposal
/// waits for the gate until attestations are due. Without `SyncPlugin` there is no gate. Adds
/// [`DutyRecordPlugin`].
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Signing`], [`BlockRoom`], [`Proposals`], [`AttestationTask`] | the chain, the pools, `Tasks`, `DutyGate` | the chain, the pools, [`BlockProduced`], [`AttestationProduced`], [`AttestationAccepted`], [`DutyEnded`] |
pub struct DutiesPlugin {
    /// The node's keys.
    pub signing: Signing,
}

impl Plugin for DutiesPlugin {
    fn build(&self, app: &mut App) {
        needs(
            app,
            "DutiesPlugin",
            &[
                Need::resource::<Proofs>("ForkChoicePlugin"),
                Need::resource::<ProverScheduler>("ProverPlugin"),
            ],
        );
        DutyRecordPlugin::add_once(app);
        app.insert_resource(self.signing.clone())
            .init_resource::<BlockRoom>()
            .init_resource::<Proposals>()
            .init_resource::<AttestationTask>()
            .add_message::<BlockProduced>()
            .add_message::<AttestationProduced>()
            .add_message::<AttestationAccepted>();
        let collect = || {
            (
                collect_proposals.run_if(has_proposals),
                commit_proposals.run_if(has_signed),
                collect_attestations.run_if(is_attesting),
            )
                .chain()
                .in_set(CollectSystems::Duties)
        };
        app.add_systems(PreUpdate, collect());
        app.add_systems(
            Update,
            (begin_held_proposal.run_if(has_proposals), commit_proposals.run_if(has_signed))
                .chain()
                .in_set(NodeSystems::HeldDuties),
        );
        for interval in Interval::ALL {
            app.add_systems(OnInterval(interval), collect());
        }
        let duties = IntervalSystems::Duties;
        app.add_systems(
            OnInterval(Interval::Propose),
            (
                expire_proposals,
                hold_proposal.run_if(not(duties_are_due)),
                start_proposal.run_if(duties_are_due),
                commit_proposals.run_if(has_signed),
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
