//! The exchange of statuses: on connecting, on waking, every eight slots, and every two while the
//! head is behind the clock.

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head},
    constants::SLOT_DURATION_MS,
    containers::Status,
    network::{LastStatus, Peer, PeerId, Request},
    sync::{Asked, PeerSync, StatusRequest, SyncCounts, limits},
};

use super::{
    peers::{ask, time_of},
    state::Awake,
};

/// What this node says of its chain.
pub fn own_status(world: &World) -> Status {
    Status { finalized: world.resource::<Finalized>().0, head: world.resource::<Head>().0 }
}

/// Asks the peers whose status is missing or too old.
pub fn ask_statuses(world: &mut World) {
    let (now_ms, now_slot) = time_of(world);
    let head_slot = world.resource::<Head>().0.slot;
    let is_behind = head_slot.saturating_add(limits::SYNCING_BEHIND_SLOTS) < now_slot;
    let period_slots =
        if is_behind { limits::STATUS_PERIOD_BEHIND_SLOTS } else { limits::STATUS_PERIOD_SLOTS };
    let period_ms = period_slots * SLOT_DURATION_MS;

    let awake_ms = world.resource::<Awake>().since_ms();

    let asked: Vec<PeerId> = world
        .query_filtered::<&Asked, With<StatusRequest>>()
        .iter(world)
        .map(|asked| asked.peer.clone())
        .collect();
    let mut due: Vec<(PeerId, Entity)> = world
        .query::<(Entity, &Peer, &PeerSync, Option<&LastStatus>)>()
        .iter(world)
        .filter(|(_, _, sync, last)| {
            let is_old = |at_ms: u64| now_ms.abs_diff(at_ms) >= period_ms || at_ms < awake_ms;
            sync.status_asked_ms.is_none_or(|asked_ms| {
                now_ms.abs_diff(asked_ms) >= limits::STATUS_GAP_MS
                    && is_old(asked_ms)
                    && last.is_none_or(|last| is_old(last.at_ms))
            })
        })
        .map(|(entity, peer, ..)| (peer.id.clone(), entity))
        .filter(|(peer, _)| !asked.contains(peer))
        .collect();
    due.sort_unstable();
    let status = own_status(world);
    for (peer, entity) in due {
        if let Some(mut sync) = world.get_mut::<PeerSync>(entity) {
            sync.status_asked_ms = Some(now_ms);
        }
        let request = Request::Status(status);
        ask(world, &peer, request, limits::REQUEST_DEADLINE_MS, StatusRequest);
        world.resource_mut::<SyncCounts>().statuses_asked += 1;
    }
}

/// Notes what a peer says of its chain.
pub(super) fn note_status(world: &mut World, peer: &PeerId, status: Status) {
    let (now_ms, _) = time_of(world);
    let entity = world.resource::<quintet_components::network::PeersById>().get(peer);
    if let Some(entity) = entity {
        world.entity_mut(entity).insert(LastStatus { status, at_ms: now_ms });
    }
}
