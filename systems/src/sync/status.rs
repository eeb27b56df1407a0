//! Exchanges statuses: on connecting, on waking, every eight slots, and every two while the head is
//! behind the clock.

use bevy_ecs::prelude::*;
use quintet_components::{
    constants::{INTERVAL_DURATION_MS, SLOT_DURATION_MS},
    network::{PeerId, Request},
    sync::{StatusRequest, SyncCounts, limits},
};

use super::{
    requests::Requests,
    roles::{OwnChain, Peers},
    state::Awake,
};

/// Asks the peers whose status is missing or too old.
pub fn ask_statuses(
    mut peers: Peers,
    mut requests: Requests,
    chain: OwnChain,
    awake: Res<Awake>,
    mut counts: ResMut<SyncCounts>,
) {
    let now_ms = peers.now.ms();
    let clock_slot = peers.now.slot();
    let is_behind = chain.head().slot.saturating_add(limits::SYNCING_BEHIND_SLOTS) < clock_slot;
    let period_slots =
        if is_behind { limits::STATUS_PERIOD_BEHIND_SLOTS } else { limits::STATUS_PERIOD_SLOTS };
    // Most updates do not look at it: the last interval that begins before the period ends does.
    let period_ms = period_slots * SLOT_DURATION_MS - INTERVAL_DURATION_MS;
    let awake_ms = awake.since_ms();
    let is_old = |at_ms: u64| now_ms.abs_diff(at_ms) >= period_ms || at_ms < awake_ms;
    let due: Vec<PeerId> = peers.due(|asked_ms, heard_ms| {
        asked_ms.is_none_or(|asked_ms| {
            now_ms.abs_diff(asked_ms) >= limits::STATUS_GAP_MS
                && is_old(asked_ms)
                && heard_ms.is_none_or(is_old)
        })
    });
    if due.is_empty() {
        return;
    }
    let asked = requests.asked_for_status();
    let status = Request::Status(chain.status());
    for peer in due.into_iter().filter(|peer| !asked.contains(peer)) {
        if let Some(mut sync) = peers.sync_mut(&peer) {
            sync.status_asked_ms = Some(now_ms);
        }
        let deadline_ms = limits::REQUEST_DEADLINE_MS;
        requests.ask(&mut peers, &peer, status.clone(), deadline_ms, StatusRequest);
        counts.statuses_asked += 1;
    }
}
