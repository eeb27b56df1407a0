//! Connections as entities, and what is held against them.

use bevy_ecs::{message::MessageCursor, message::Messages, prelude::*};
use quintet_components::{
    clock::{SlotClock, UnixTime},
    containers::Slot,
    network::{
        Agent, BannedPeers, DisconnectReason, LastStatus, NetworkCommand, Peer, PeerEvent, PeerId,
        PeerScore, PeersById, Request, RequestId,
    },
    sync::{Asked, Disconnect, PeerSync, RecentDisconnects, StatusRequest, SyncCounts, limits},
};

use super::target::PeerView;

/// Counts requests, so that every one has a name of its own.
#[derive(Resource, Debug, Default)]
pub struct RequestNumbers(u64);

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It did not answer in time.
    Timeout,
    /// It cannot answer, and says so or breaks off: nothing against it.
    NoAnswer,
    /// What it sent was not asked for, or cannot be read.
    InvalidAnswer,
    /// Its blocks do not follow each other.
    Unlinked,
    /// It sent a block that was refused.
    InvalidBlock,
    /// It left out blocks that others have.
    Omitted,
    /// Nothing came of the head that it claims.
    FalseHead,
}

impl Fault {
    /// What it costs at the network, where 100 is a ban, and why.
    const fn price(self) -> (f64, &'static str) {
        match self {
            Self::NoAnswer => (0.0, "no answer"),
            Self::Timeout => (5.0, "timed out"),
            Self::Omitted => (10.0, "left out blocks"),
            Self::FalseHead => (10.0, "claims a head that it does not have"),
            Self::InvalidAnswer => (25.0, "invalid answer"),
            Self::Unlinked => (25.0, "blocks that do not link"),
            Self::InvalidBlock => (50.0, "invalid block"),
        }
    }
}

/// The time of an update: Unix milliseconds and the slot.
pub(super) fn time_of(world: &World) -> (u64, Slot) {
    let now_ms = world.resource::<UnixTime>().now_ms;
    (now_ms, world.resource::<SlotClock>().current_slot(now_ms))
}

/// Leaves a peer alone for a while for what it did, and tells the network.
pub(super) fn blame(world: &mut World, peer: &PeerId, fault: Fault) {
    let (now_ms, _) = time_of(world);
    let (points, why) = fault.price();
    tracing::debug!(%peer, why, "a peer failed");
    world.resource_mut::<SyncCounts>().faults += 1;
    if let Some(entity) = world.resource::<PeersById>().get(peer)
        && let Some(mut sync) = world.get_mut::<PeerSync>(entity)
    {
        sync.fail(now_ms);
    }
    if points > 0.0 {
        world.write_message(NetworkCommand::Penalize { peer: peer.clone(), points, why });
    }
}

/// Notes that a peer answered well.
pub(super) fn praise(world: &mut World, peer: &PeerId) {
    if let Some(entity) = world.resource::<PeersById>().get(peer)
        && let Some(mut sync) = world.get_mut::<PeerSync>(entity)
    {
        sync.backoff.reset();
    }
}

/// Notes that a block which a peer sent was imported.
pub(super) fn credit(world: &mut World, peer: &PeerId) {
    praise(world, peer);
    if let Some(entity) = world.resource::<PeersById>().get(peer)
        && let Some(mut sync) = world.get_mut::<PeerSync>(entity)
    {
        sync.claims_since_ms = None;
    }
}

/// Sends a request and spawns its entity with `purpose`.
pub(super) fn ask(
    world: &mut World,
    peer: &PeerId,
    request: Request,
    deadline_ms: u64,
    purpose: impl Bundle,
) -> RequestId {
    let mut numbers = world.resource_mut::<RequestNumbers>();
    let id = RequestId(numbers.0);
    numbers.0 += 1;
    let number = numbers.0;
    if let Some(entity) = world.resource::<PeersById>().get(peer)
        && let Some(mut sync) = world.get_mut::<PeerSync>(entity)
        && !matches!(request, Request::Status(_))
    {
        sync.last_asked = number;
    }
    let (now_ms, _) = time_of(world);
    let deadline_ms = now_ms.saturating_add(deadline_ms);
    world.spawn((Asked { id, peer: peer.clone(), deadline_ms }, purpose));
    world.write_message(NetworkCommand::Request { id, peer: peer.clone(), request });
    id
}

/// Every peer with what sync looks at, by id.
pub(super) fn peer_views(world: &mut World) -> Vec<PeerView> {
    let (now_ms, _) = time_of(world);
    let mut in_flight: Vec<PeerId> = world
        .query_filtered::<&Asked, Without<StatusRequest>>()
        .iter(world)
        .map(|asked| asked.peer.clone())
        .collect();
    in_flight.sort_unstable();
    let mut views: Vec<PeerView> = world
        .query::<(&Peer, Option<&LastStatus>, &PeerSync)>()
        .iter(world)
        .map(|(peer, status, sync)| PeerView {
            id: peer.id.clone(),
            status: status.map(|last| last.status),
            status_age_ms: status.map_or(u64::MAX, |last| now_ms.saturating_sub(last.at_ms)),
            in_flight: in_flight.partition_point(|each| *each <= peer.id)
                - in_flight.partition_point(|each| *each < peer.id),
            sync: *sync,
            is_backed_off: sync.backoff.is_on(now_ms),
            is_doubted: sync.is_doubted(now_ms),
        })
        .collect();
    views.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    views
}

/// Requests for blocks in flight.
pub(super) fn requests_in_flight(views: &[PeerView]) -> usize {
    views.iter().map(|view| view.in_flight).sum()
}

/// The peer to ask next among those that have room: the one that failed least, is least busy, and
/// was asked least recently.
pub(super) fn least_busy<'a>(views: impl Iterator<Item = &'a PeerView>) -> Option<PeerId> {
    views
        .filter(|view| view.in_flight < limits::MAX_REQUESTS_PER_PEER && !view.is_backed_off)
        .min_by_key(|view| {
            (view.sync.backoff.failures(), view.in_flight, view.sync.last_asked, &view.id)
        })
        .map(|view| view.id.clone())
}

/// Turns what happened to connections into entities. A connection that ends takes its requests with
/// it, and is remembered for inspection.
pub fn track_peers(world: &mut World, mut cursor: Local<MessageCursor<PeerEvent>>) {
    let events: Vec<PeerEvent> =
        cursor.read(world.resource::<Messages<PeerEvent>>()).cloned().collect();
    let (now_ms, _) = time_of(world);
    for event in events {
        match event {
            PeerEvent::Connected { peer, direction, address } => {
                if world.resource::<PeersById>().get(&peer).is_none() {
                    let peer = Peer { id: peer, address };
                    world.spawn((peer, direction, PeerScore::default(), PeerSync::default()));
                }
            }
            PeerEvent::Identified { peer, agent } => {
                if let Some(entity) = world.resource::<PeersById>().get(&peer) {
                    world.entity_mut(entity).insert(Agent(agent));
                }
            }
            PeerEvent::Scored { peer, score } => {
                if let Some(entity) = world.resource::<PeersById>().get(&peer) {
                    world.entity_mut(entity).insert(PeerScore(score));
                }
            }
            PeerEvent::Disconnected { peer, reason } => end_connection(world, peer, reason, now_ms),
            PeerEvent::Banned { peer, until_ms } => {
                let mut banned = world.resource_mut::<BannedPeers>();
                banned.0.insert(peer, until_ms);
                while banned.0.len() > limits::MAX_BANS {
                    let first = banned.0.iter().min_by_key(|(peer, until)| (**until, *peer));
                    let Some(first) = first.map(|(peer, _)| peer.clone()) else { break };
                    banned.0.remove(&first);
                }
            }
        }
    }
    let banned = world.resource::<BannedPeers>();
    if banned.0.values().any(|until_ms| *until_ms <= now_ms) {
        world.resource_mut::<BannedPeers>().0.retain(|_, until_ms| *until_ms > now_ms);
    }
}

fn end_connection(world: &mut World, peer: PeerId, reason: DisconnectReason, now_ms: u64) {
    let entity = world.resource::<PeersById>().get(&peer);
    let direction = entity.and_then(|entity| world.get(entity).copied());
    let agent = entity.and_then(|entity| world.get::<Agent>(entity).cloned());
    tracing::debug!(%peer, ?reason, "a peer is gone");
    super::answers::end_requests_of(world, &peer);
    if let Some(entity) = entity {
        world.despawn(entity);
    }
    let disconnect = Disconnect { peer, direction, agent, reason, at_ms: now_ms };
    world.resource_mut::<RecentDisconnects>().push(disconnect);
}
