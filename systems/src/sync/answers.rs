//! What comes back for requests.

use std::sync::Arc;

use bevy_ecs::{message::MessageCursor, message::Messages, prelude::*};
use quintet_components::{
    containers::{Root, SignedBlock},
    network::{PeerId, RequestEvent, RequestFailure, ResponseError},
    sync::{
        Asked, BatchRequest, Ended, HistoryRequest, RequestsById, RootRequest, StatusRequest,
        SyncCounts, limits,
    },
};
use ssz::Encode;

use super::{
    backfill,
    chain_check::count_implausible,
    fetch,
    imports::{Source, hand_in},
    peers::{Fault, blame, praise, time_of},
    range,
    state::Awake,
    status::note_status,
};

/// Hands answers to the requests that they are for, and gives up requests that are too late. An
/// answer to no request under way changes nothing.
pub fn collect_answers(world: &mut World, mut cursor: Local<MessageCursor<RequestEvent>>) {
    let events: Vec<RequestEvent> =
        cursor.read(world.resource::<Messages<RequestEvent>>()).cloned().collect();
    for event in events {
        let (RequestEvent::Status { id, .. }
        | RequestEvent::Block { id, .. }
        | RequestEvent::Ended { id, .. }) = &event;
        let Some(request) = world.resource::<RequestsById>().get(*id) else { continue };
        match event {
            RequestEvent::Status { status, .. } => {
                let peer = peer_of(world, request);
                if world.get::<StatusRequest>(request).is_some() {
                    count_implausible(world, &status);
                    note_status(world, &peer, status);
                } else {
                    end(world, request, Some(Fault::InvalidAnswer));
                }
            }
            RequestEvent::Block { root, block, .. } => {
                world.resource_mut::<SyncCounts>().blocks_received += 1;
                take_block(world, request, root, block);
            }
            RequestEvent::Ended { result, .. } => {
                world.entity_mut(request).insert(Ended);
                let is_whole = result.is_ok();
                let fault = result.err().and_then(|failure| note_failure(world, request, &failure));
                end_as(world, request, fault, is_whole);
            }
        }
    }
    give_up_late(world);
}

fn peer_of(world: &World, request: Entity) -> PeerId {
    world.get::<Asked>(request).expect("an indexed request").peer.clone()
}

/// What a failed request says about the peer.
fn note_failure(world: &mut World, request: Entity, failure: &RequestFailure) -> Option<Fault> {
    match failure {
        RequestFailure::Timeout => Some(Fault::Timeout),
        RequestFailure::InvalidAnswer(_) => Some(Fault::InvalidAnswer),
        RequestFailure::Refused(ResponseError::ResourceUnavailable(_)) => {
            let peer = peer_of(world, request);
            let start_slot = world.get::<BatchRequest>(request).map(|batch| batch.start_slot);
            match start_slot {
                Some(start_slot) => range::note_unserved(world, &peer, start_slot),
                // What it does not have is asked of others.
                None if world.get::<HistoryRequest>(request).is_some() => {}
                None => return Some(Fault::NoAnswer),
            }
            // It answered; there is nothing to leave it alone for.
            world.resource_mut::<SyncCounts>().requests_failed += 1;
            None
        }
        RequestFailure::Refused(_) | RequestFailure::Unsupported | RequestFailure::Disconnected => {
            Some(Fault::NoAnswer)
        }
    }
}

fn take_block(world: &mut World, request: Entity, root: Root, block: Arc<SignedBlock>) {
    let peer = peer_of(world, request);
    if let Some(RootRequest(wanted)) = world.get::<RootRequest>(request).copied() {
        if root == wanted {
            fetch::note_found(world, &root);
            praise(world, &peer);
            let source = Source { root, peer, round: None, omitted_by: Vec::new() };
            hand_in(world, source, block);
        } else {
            end(world, request, Some(Fault::InvalidAnswer));
        }
    } else if let Some(mut batch) = world.get_mut::<BatchRequest>(request) {
        match check_next(&batch, &block) {
            Some(fault) => end(world, request, Some(fault)),
            None => {
                batch.bytes += block.ssz_bytes_len();
                batch.received.push((root, block));
                if batch.bytes > limits::MAX_BATCH_BYTES {
                    end(world, request, Some(Fault::InvalidAnswer));
                }
            }
        }
    } else if let Some(mut history) = world.get_mut::<HistoryRequest>(request) {
        if let Err(fault) = backfill::take_block(&mut history, root, block) {
            end(world, request, Some(fault));
        }
    } else {
        end(world, request, Some(Fault::InvalidAnswer));
    }
}

/// Whether a block can be the next of a batch: in the range, and on the block before it.
fn check_next(batch: &BatchRequest, next: &SignedBlock) -> Option<Fault> {
    let slot = next.block.slot;
    if slot < batch.start_slot || slot - batch.start_slot >= batch.count {
        return Some(Fault::InvalidAnswer);
    }
    match batch.received.last() {
        Some((root, last)) if next.block.parent_root != *root || slot <= last.block.slot => {
            Some(Fault::Unlinked)
        }
        _ => None,
    }
}

/// Ends a request that is not answered in whole.
fn end(world: &mut World, request: Entity, fault: Option<Fault>) {
    end_as(world, request, fault, false);
}

/// Ends a request, with what the peer did wrong if anything. A batch that broke off keeps what it
/// has, unless that is what is wrong with it.
fn end_as(world: &mut World, request: Entity, fault: Option<Fault>, is_whole: bool) {
    let Asked { id, peer, .. } = world.get::<Asked>(request).expect("an indexed request").clone();
    let root = world.get::<RootRequest>(request).copied();
    let batch = world.get_mut::<BatchRequest>(request).map(|mut batch| {
        let received = std::mem::take(&mut batch.received);
        (received, batch.bytes)
    });
    let history = world.get_mut::<HistoryRequest>(request);
    let history = history.map(|mut history| std::mem::take(&mut history.received));
    world.despawn(request);
    if let Some(fault) = fault {
        world.resource_mut::<SyncCounts>().requests_failed += 1;
        // Who sent a part is slow, not silent.
        let has_part = batch.as_ref().is_some_and(|(received, _)| !received.is_empty());
        let fault = if fault == Fault::Timeout && has_part { Fault::NoAnswer } else { fault };
        blame(world, &peer, fault);
    }
    if let Some(RootRequest(root)) = root {
        fetch::note_end(world, &root);
    }
    if let Some((mut received, bytes)) = batch {
        if matches!(fault, Some(Fault::InvalidAnswer | Fault::Unlinked)) {
            received.clear();
        }
        range::note_end(world, id, &peer, received, bytes, is_whole);
    }
    if let Some(received) = history {
        backfill::note_end(world, id, &peer, received);
    }
}

/// Ends the requests of a peer that is gone.
pub(super) fn end_requests_of(world: &mut World, peer: &PeerId) {
    for (_, request) in requests_where(world, |asked| asked.peer == *peer) {
        world.entity_mut(request).insert(Ended);
        end(world, request, Some(Fault::NoAnswer));
    }
}

fn give_up_late(world: &mut World) {
    let (now_ms, _) = time_of(world);
    // What came while the node slept is still on its way through the lanes: nobody is to blame.
    if now_ms < world.resource::<Awake>().since_ms().saturating_add(limits::WAKING_GRACE_MS) {
        return;
    }
    for (_, request) in requests_where(world, |asked| asked.deadline_ms <= now_ms) {
        end(world, request, Some(Fault::Timeout));
    }
}

/// Requests in the order in which they were sent.
fn requests_where(
    world: &mut World,
    is_meant: impl Fn(&Asked) -> bool,
) -> Vec<(quintet_components::network::RequestId, Entity)> {
    let mut found: Vec<_> = world
        .query::<(Entity, &Asked)>()
        .iter(world)
        .filter(|(_, asked)| is_meant(asked))
        .map(|(entity, asked)| (asked.id, entity))
        .collect();
    found.sort_unstable();
    found
}
