//! Connections as entities.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    network::{
        Agent, BannedPeers, Direction, DisconnectReason, Peer, PeerEvent, PeerId, PeerScore,
        PeersById,
    },
    sync::{Disconnect, PeerSync, RecentDisconnects, limits},
};

use super::{requests::RequestNumbers, roles::Now, target::PeerView};

/// Connections, and records about them.
#[derive(SystemParam)]
pub struct Connections<'w, 's> {
    by_id: ResMut<'w, PeersById>,
    numbers: Res<'w, RequestNumbers>,
    known: Query<'w, 's, (&'static Direction, Option<&'static Agent>)>,
    banned: ResMut<'w, BannedPeers>,
    recent: ResMut<'w, RecentDisconnects>,
    commands: Commands<'w, 's>,
}

/// Turns events of connections into entities. A connection that ends is recorded for inspection.
/// The requests to its peer end when the answers are collected.
pub fn track_peers(mut events: MessageReader<PeerEvent>, mut connections: Connections, now: Now) {
    for event in events.read() {
        connections.follow(event.clone(), &now);
    }
    connections.end_bans(now.ms());
}

impl Connections<'_, '_> {
    fn follow(&mut self, event: PeerEvent, now: &Now) {
        match event {
            PeerEvent::Connected { peer: id, direction, address } => {
                if self.by_id.get(&id).is_none() {
                    let peer = Peer { id: id.clone(), address };
                    let sync = PeerSync {
                        connected_slot: now.slot(),
                        first_request: self.numbers.next(),
                        ..PeerSync::default()
                    };
                    let parts = (peer, direction, PeerScore::default(), sync);
                    let entity = self.commands.spawn(parts).id();
                    self.by_id.note_spawned(id, entity);
                }
            }
            PeerEvent::Identified { peer, agent } => {
                if let Some(entity) = self.by_id.get(&peer) {
                    self.commands.entity(entity).insert(Agent(agent));
                }
            }
            PeerEvent::Scored { peer, score } => {
                if let Some(entity) = self.by_id.get(&peer) {
                    self.commands.entity(entity).insert(PeerScore(score));
                }
            }
            PeerEvent::Disconnected { peer, reason } => self.end(peer, reason, now.ms()),
            PeerEvent::Banned { peer, until_ms } => self.ban(peer, until_ms),
        }
    }

    fn end(&mut self, peer: PeerId, reason: DisconnectReason, now_ms: u64) {
        tracing::debug!(%peer, ?reason, "a peer is gone");
        let entity = self.by_id.get(&peer);
        let known = entity.and_then(|entity| self.known.get(entity).ok());
        let (direction, agent) = known.unzip();
        let (direction, agent) = (direction.copied(), agent.flatten().cloned());
        if let Some(entity) = entity {
            self.by_id.note_despawned(&peer);
            self.commands.entity(entity).despawn();
        }
        self.recent.push(Disconnect { peer, direction, agent, reason, at_ms: now_ms });
    }

    fn ban(&mut self, peer: PeerId, until_ms: u64) {
        let banned = &mut self.banned.0;
        banned.insert(peer, until_ms);
        while banned.len() > limits::MAX_BANS {
            let first = banned.iter().min_by_key(|(peer, until)| (**until, *peer));
            let Some(first) = first.map(|(peer, _)| peer.clone()) else { break };
            banned.remove(&first);
        }
    }

    fn end_bans(&mut self, now_ms: u64) {
        if self.banned.0.values().any(|until_ms| *until_ms <= now_ms) {
            self.banned.0.retain(|_, until_ms| *until_ms > now_ms);
        }
    }
}

/// The number of requests for blocks in flight.
pub(super) fn requests_in_flight(views: &[PeerView]) -> usize {
    views.iter().map(|view| view.in_flight).sum()
}

/// The next peer to ask among those that have room: the one that has failed least, has the fewest
/// requests, and was asked least recently.
pub(super) fn least_busy<'a>(views: impl Iterator<Item = &'a PeerView>) -> Option<PeerId> {
    views
        .filter(|view| view.in_flight < limits::MAX_REQUESTS_PER_PEER && !view.is_backed_off)
        .min_by_key(|view| {
            (view.sync.backoff.failures(), view.in_flight, view.sync.last_asked, &view.id)
        })
        .map(|view| view.id.clone())
}
