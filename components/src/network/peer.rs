//! Peers.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

use crate::containers::Status;

/// The id of a peer: libp2p's peer id in its text form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub Arc<str>);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for PeerId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// The side that opened a connection.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

/// A connected peer. Its entity exists as long as the connection.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable, on_insert = index_peer, on_discard = unindex_peer)]
pub struct Peer {
    /// Its id.
    pub id: PeerId,
    /// Its address, as a multiaddr.
    pub address: String,
}

/// Finds a connected peer by its id. Hooks keep it exact.
#[derive(Resource, Debug, Default)]
pub struct PeersById(HashMap<PeerId, Entity>);

impl PeersById {
    /// Notes the entity of a peer that is about to be spawned by a command, so that it is found at
    /// once. The hook notes it again when the command is applied.
    pub fn note_spawned(&mut self, id: PeerId, entity: Entity) {
        self.0.insert(id, entity);
    }

    /// Forgets a peer that is about to be despawned by a command.
    pub fn note_despawned(&mut self, id: &PeerId) {
        self.0.remove(id);
    }

    /// The peer's entity while it is connected.
    pub fn get(&self, id: &PeerId) -> Option<Entity> {
        self.0.get(id).copied()
    }

    /// The number of connected peers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if no peer is connected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn index_peer(mut world: DeferredWorld, hook: HookContext) {
    let id = world.get::<Peer>(hook.entity).expect("just inserted").id.clone();
    world.resource_mut::<PeersById>().0.insert(id, hook.entity);
}

fn unindex_peer(mut world: DeferredWorld, hook: HookContext) {
    let id = world.get::<Peer>(hook.entity).expect("still present").id.clone();
    world.resource_mut::<PeersById>().0.remove(&id);
}

/// The names of peers in the network's files.
#[derive(Resource, Clone, Debug, Default)]
pub struct PeerNames(Arc<HashMap<PeerId, String>>);

/// The largest number of characters in a peer's name.
const MAX_NAME_CHARS: usize = 48;

impl PeerNames {
    /// Makes the list of these names, reduced to plain characters.
    pub fn new(names: impl IntoIterator<Item = (PeerId, String)>) -> Self {
        let names = names.into_iter().map(|(peer, name)| (peer, Self::plain(&name)));
        Self(Arc::new(names.collect()))
    }

    /// The name of a peer, if the files know it.
    pub fn get(&self, peer: &PeerId) -> Option<&str> {
        self.0.get(peer).map(String::as_str)
    }

    /// All names, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// A name with only those characters that suit labels, at most 48 of them.
    pub fn plain(text: &str) -> String {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        text.chars().filter(is_plain).take(MAX_NAME_CHARS).collect()
    }
}

/// The software that the peer says it runs; at most 256 bytes.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct Agent(pub String);

/// The network's score of a peer; below zero is bad.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerScore(pub f64);

/// The last status of a peer.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastStatus {
    /// The status.
    pub status: Status,
    /// The time at which it arrived, in Unix milliseconds.
    pub at_ms: u64,
}

/// The peers that are in a gossip mesh of this node, as last reported by the network's threads.
/// Clones share the list.
#[derive(Resource, Clone, Debug, Default)]
pub struct MeshPeers(Arc<Mutex<Arc<[PeerId]>>>);

impl MeshPeers {
    /// Sets the peers that are in a mesh.
    pub fn set(&self, peers: Vec<PeerId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = peers.into();
    }

    /// The peers that are in a mesh, in no order.
    pub fn get(&self) -> Arc<[PeerId]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The reason a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The peer closed it.
    ClosedByPeer,
    /// It timed out or failed.
    ConnectionLost(String),
    /// Too many connections.
    TooManyPeers,
    /// The peer has finalized another block for the same slot.
    WrongChain,
    /// Its score fell too low.
    LowScore,
    /// It is banned.
    Banned,
    /// It supports none of this network's protocols.
    Incompatible,
    /// Its chain advances but none of its blocks arrive by gossip; it is dialled again.
    SilentMesh,
    /// This node is stopping.
    Shutdown,
}

/// Banned peers, each with the end of its ban in Unix milliseconds. At most 1024; beyond that the
/// ban that ends first is dropped.
#[derive(Resource, Clone, Debug, Default)]
pub struct BannedPeers(pub HashMap<PeerId, u64>);

/// An event of a connection.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum PeerEvent {
    /// The connection is up. A peer has at most one.
    Connected {
        /// The peer.
        peer: PeerId,
        /// The side that opened it.
        direction: Direction,
        /// The peer's address, as a multiaddr.
        address: String,
    },
    /// The peer has sent the name of its software.
    Identified {
        /// The peer.
        peer: PeerId,
        /// Its agent version; at most 256 bytes.
        agent: String,
    },
    /// The network's score of a peer changed.
    Scored {
        /// The peer.
        peer: PeerId,
        /// The score.
        score: f64,
    },
    /// The connection is down.
    Disconnected {
        /// The peer.
        peer: PeerId,
        /// The reason.
        reason: DisconnectReason,
    },
    /// A peer is banned until this Unix time in milliseconds.
    Banned {
        /// The peer.
        peer: PeerId,
        /// The end of the ban.
        until_ms: u64,
    },
}
