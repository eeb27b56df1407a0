//! Shows the resources that systems and plugins keep for themselves in the inspector.

use bevy_app::App;
use quintet_components::{
    lane::Lane,
    messages::{AggregateReceived, AttestationReceived, BlockReceived},
    network::{PeerEvent, RequestEvent, RequestReceived},
};
use quintet_systems::{
    admission::{aggregates::AggregateChecks, attestations::AttestationChecks},
    aggregation::{early::EarlyAttesters, reaggregation::Splits},
    duties::{AttestationTask, Proposals},
    fork_choice::{early::EarlyBlocks, import::ImportQueue, rule::HeadRule, weights::VoteWeights},
    pool::{limits::PoolLimits, seen::SeenAttestations},
    proving::{JoinTimeout, ProverScheduler},
    sync::{
        Alone, Awake, Backfill, Fetches, GossipHeard, RangeSync, RequestNumbers, RequestedBlocks,
    },
    verification::{Proofs, Signatures},
};

use crate::{
    EndReason, InboundLanes, StopHandle,
    http::{Announcer, Carried, HttpThread, LocalHttp, Sessions, SetAggregator},
    inspector::InspectorAppExt,
    needs::Needs,
    storage::StorageWriter,
    vital::VitalThreads,
};

/// Shows them: values, or what they are for where they have none to show.
pub(crate) fn show(app: &mut App) {
    show_admission(app);
    app.show_component::<PoolLimits>()
        .show_component::<SeenAttestations>()
        .show_component::<AttestationTask>()
        .show_component::<Proposals>()
        .show_component::<JoinTimeout>()
        .show_component::<VoteWeights>()
        .show_component::<HeadRule>()
        .show_component_as(|line: &ProverScheduler| {
            let (running, waiting) = (line.running(), line.waiting());
            format!("{running} proofs are made, {waiting} wait")
        })
        .show_component_as(|splits: &Splits| {
            if splits.is_empty() { "nothing to split" } else { "splits blocks" }.into()
        })
        .show_component::<EarlyAttesters>()
        .show_component_as(|proofs: &Proofs| proofs.0.name().into())
        .show_component_as(|_: &Signatures| "checks signatures".into());
    app.show_component::<Alone>()
        .show_component::<Awake>()
        .show_component::<Fetches>()
        .show_component::<GossipHeard>()
        .show_component::<RangeSync>()
        .show_component::<RequestNumbers>()
        .show_component::<RequestedBlocks>()
        .show_component_as(|backfill: &Backfill| {
            if backfill.is_idle() { "idle" } else { "fetches what was before the anchor" }.into()
        });
    app.show_component::<EndReason>()
        .show_component::<StopHandle>()
        .show_component::<VitalThreads>()
        .show_component_as(|_: &Needs| "what plugins need of others".into())
        .show_component_as(|_: &InboundLanes| "the sending ends of the lanes".into())
        .show_component_as(|_: &StorageWriter| "the storage's writer".into());
    app.show_component::<crate::metrics::coverage::Coverage>();
    #[cfg(feature = "network")]
    app.show_component::<crate::network::LocalNode>()
        .show_component::<crate::network::NetworkCounters>()
        .show_component_as(|_: &crate::network::thread::NetworkThread| {
            "the thread of the network".into()
        })
        .show_component_as(|_: &crate::network::ServedBlocks| "reads blocks for peers".into());
    show_http(app);
}

/// Shows what HTTP keeps.
fn show_http(app: &mut App) {
    app.show_component::<LocalHttp>()
        .show_component::<Sessions>()
        .show_component_as(lane::<SetAggregator>)
        .show_component_as(|_: &Announcer| "sends events to clients of /events".into())
        .show_component_as(|_: &Carried| "requests of the admin API to confirm".into())
        .show_component_as(|_: &HttpThread| "the thread that serves HTTP".into());
}

fn lane<T: Send + 'static>(lane: &Lane<T>) -> String {
    format!("{} of {} wait", lane.depth(), lane.capacity())
}

/// Shows what waits for admission.
fn show_admission(app: &mut App) {
    app.show_component_as(lane::<BlockReceived>)
        .show_component_as(lane::<AggregateReceived>)
        .show_component_as(lane::<AttestationReceived>)
        .show_component_as(lane::<PeerEvent>)
        .show_component_as(lane::<RequestEvent>)
        .show_component_as(lane::<RequestReceived>)
        .show_component_as(|early: &EarlyBlocks| format!("{} blocks", early.len()))
        .show_component_as(|queue: &ImportQueue| format!("{} blocks", queue.len()))
        .show_component_as(|checks: &AttestationChecks| format!("{} attestations", checks.len()))
        .show_component_as(|checks: &AggregateChecks| format!("{} aggregates", checks.len()));
}
