//! Metrics of sync.

use bevy_ecs::prelude::*;
use quintet_components::{
    metrics::Metrics,
    sync::{Orphans, RequestsById, SyncCounts, SyncState, WaitingAttestations},
};

use super::chain::gauge;

/// Sets the state of sync, its queues and its counts.
pub(super) fn show_sync(
    metrics: Res<Metrics>,
    (state, counts): (Option<Res<SyncState>>, Option<Res<SyncCounts>>),
    (orphans, waiting): (Option<Res<Orphans>>, Option<Res<WaitingAttestations>>),
    requests: Option<Res<RequestsById>>,
    mut shown: Local<Option<SyncState>>,
) {
    // Without sync the node counts as synced.
    let state = state.map_or(SyncState::Synced, |state| *state);
    if shown.replace(state) != Some(state) {
        metrics.sync.set_status(state);
    }
    if let Some(counts) = counts.filter(DetectChanges::is_changed) {
        metrics.sync.set_counts(&counts);
    }
    metrics.sync.orphans.set(gauge(orphans.map_or(0, |orphans| orphans.len())));
    metrics.sync.waiting_attestations.set(gauge(waiting.map_or(0, |waiting| waiting.len())));
    metrics.sync.requests_under_way.set(gauge(requests.map_or(0, |requests| requests.len())));
}
