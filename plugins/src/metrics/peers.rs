//! Metrics of peers.

use std::collections::HashMap;

use bevy_ecs::prelude::*;
use quintet_components::{
    metrics::{ConnectionResult, Metrics},
    network::{Agent, Direction, MeshPeers, Peer, PeerEvent, PeerId, PeerNames},
};

use super::names::PeerLabels;

/// The open connections.
#[derive(Default)]
pub(super) struct Seen {
    directions: HashMap<PeerId, Direction>,
    labels: PeerLabels,
}

/// Counts connections that were opened and closed, and sets the connected peers.
pub(super) fn follow_peers(
    metrics: Res<Metrics>,
    mut events: MessageReader<PeerEvent>,
    peers: Query<(&Peer, Option<&Agent>)>,
    (names, mesh): (Res<PeerNames>, Option<Res<MeshPeers>>),
    mut seen: Local<Seen>,
) {
    let mut has_changed = false;
    for event in events.read() {
        match event {
            PeerEvent::Connected { peer, direction, .. } => {
                seen.directions.insert(peer.clone(), *direction);
                metrics.network.note_connection(*direction, ConnectionResult::Success);
            }
            PeerEvent::Disconnected { peer, reason } => {
                if let Some(direction) = seen.directions.remove(peer) {
                    metrics.network.note_disconnection(direction, reason);
                }
            }
            PeerEvent::Identified { .. } => {}
            PeerEvent::Scored { .. } | PeerEvent::Banned { .. } => continue,
        }
        has_changed = true;
    }
    if has_changed {
        let known = peers.iter().map(|(peer, agent)| (&peer.id, agent.map(|a| a.0.as_str())));
        seen.labels.update(known, &names);
        metrics.network.set_peers(seen.labels.iter());
    }
    if let Some(mesh) = mesh {
        let members = mesh.get();
        metrics.network.set_mesh(members.iter().filter_map(|peer| seen.labels.get(peer)));
    }
}
