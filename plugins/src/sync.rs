//! Sync: peers, requests, and whether duties may be done.

use bevy_app::{App, Plugin, Update};
use bevy_ecs::prelude::*;
use quintet_components::{
    duties::BlockProduced,
    messages::{BlockOrphaned, BlockRefused},
    network::{
        BannedPeers, NetworkCommand, PeerEvent, PeerFaulted, PeersById, RequestEvent,
        RequestReceived,
    },
    schedule::NodeSystems,
    storage::HistoryBatch,
    sync::{
        DutyGate, Orphans, RecentDisconnects, RequestsById, RequestsByRoot, SyncCounts, SyncState,
        WaitingAttestations,
    },
    tree::BlockTree,
};
use quintet_systems::sync::{
    Alone, Awake, Backfill, Fetches, GossipHeard, RangeSync, RequestNumbers, RequestedBlocks,
    answer_requests, ask_statuses, backfill, check_chains, collect_answers, drop_hopeless_orphans,
    fetch_missing, follow_verdicts, hold_orphans, notice_waking, release_orphans, remember_refused,
    renew_silent_mesh, score_peers, sync_is_due, sync_range, track_peers, update_sync_state,
};

use crate::needs::{Need, needs};

/// Keeps the node on its network's chain: tracks peers as entities, requests missing blocks,
/// answers peers, and holds duties back while the node is behind. Its limits are in
/// `quintet_components::sync::limits`. Without this plugin a block without a parent is refused, and
/// duties are always done.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`SyncState`], [`DutyGate`], [`SyncCounts`], [`Orphans`], [`WaitingAttestations`], [`PeersById`], [`BannedPeers`], [`RecentDisconnects`], peers and requests as entities | [`PeerEvent`], [`RequestEvent`], [`RequestReceived`], [`BlockOrphaned`], [`BlockRefused`], [`BlockProduced`], `BlockImported`, `InputJudged`, the chain, `StoredHistory` | [`NetworkCommand`], [`PeerFaulted`], [`HistoryBatch`], `BlockReceived`, `InputJudged` |
#[derive(Debug)]
pub struct SyncPlugin;

impl Plugin for SyncPlugin {
    fn build(&self, app: &mut App) {
        needs(app, "SyncPlugin", &[Need::resource::<BlockTree>("ForkChoicePlugin")]);
        app.add_message::<PeerEvent>()
            .add_message::<RequestEvent>()
            .add_message::<RequestReceived>()
            .add_message::<NetworkCommand>()
            .add_message::<PeerFaulted>()
            .add_message::<BlockOrphaned>()
            .add_message::<BlockRefused>()
            .add_message::<BlockProduced>()
            .add_message::<HistoryBatch>()
            .init_resource::<SyncState>()
            .init_resource::<DutyGate>()
            .init_resource::<SyncCounts>()
            .init_resource::<Orphans>()
            .init_resource::<WaitingAttestations>()
            .init_resource::<PeersById>()
            .init_resource::<BannedPeers>()
            .init_resource::<RecentDisconnects>()
            .init_resource::<RequestsById>()
            .init_resource::<RequestsByRoot>()
            .init_resource::<RequestNumbers>()
            .init_resource::<RequestedBlocks>()
            .init_resource::<RangeSync>()
            .init_resource::<Fetches>()
            .init_resource::<Alone>()
            .init_resource::<Awake>()
            .init_resource::<Backfill>()
            .init_resource::<GossipHeard>()
            .add_systems(
                Update,
                (
                    notice_waking,
                    track_peers,
                    collect_answers,
                    answer_requests,
                    check_chains,
                    remember_refused,
                    hold_orphans,
                    follow_verdicts,
                    release_orphans,
                    drop_hopeless_orphans,
                    sync_range,
                    fetch_missing,
                    backfill,
                    ask_statuses,
                    renew_silent_mesh,
                    update_sync_state,
                    score_peers,
                )
                    .chain()
                    .run_if(sync_is_due)
                    .in_set(NodeSystems::Sync),
            );
    }
}
