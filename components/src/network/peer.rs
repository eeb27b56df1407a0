//! Peers.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bevy_ecs::{lifecycle::HookContext, prelude::*, world::DeferredWorld};

use crate::containers::Status;

/// Names a peer: libp2p's peer id in its text form.
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

/// Who opened a connection.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

/// A connected peer; its entity lives as long as the connection.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
#[component(immutable, on_insert = index_peer, on_discard = unindex_peer)]
pub struct Peer {
    /// Who.
    pub id: PeerId,
    /// Where, as a multiaddr.
    pub address: String,
}

/// Finds a connected peer by its id. Hooks keep it exact.
#[derive(Resource, Debug, Default)]
pub struct PeersById(HashMap<PeerId, Entity>);

impl PeersById {
    /// Notes the entity of a peer whose spawning is still in a command queue, so that it is found
    /// at once. The hook notes the same when the command is applied.
    pub fn note_spawned(&mut self, id: PeerId, entity: Entity) {
        self.0.insert(id, entity);
    }

    /// Forgets a peer whose despawning is still in a command queue.
    pub fn note_despawned(&mut self, id: &PeerId) {
        self.0.remove(id);
    }

    /// The peer's entity while it is connected.
    pub fn get(&self, id: &PeerId) -> Option<Entity> {
        self.0.get(id).copied()
    }

    /// How many peers are connected.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if none are.
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

/// What the network's files call peers.
#[derive(Resource, Clone, Debug, Default)]
pub struct PeerNames(Arc<HashMap<PeerId, String>>);

/// Characters of a peer's name at most.
const MAX_NAME_CHARS: usize = 48;

impl PeerNames {
    /// These peers have these names, as far as they are plain.
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

    /// A name without characters that labels had better not have: at most 48 of what is left.
    pub fn plain(text: &str) -> String {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        text.chars().filter(is_plain).take(MAX_NAME_CHARS).collect()
    }
}

/// What software the peer says it is; at most 256 bytes.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct Agent(pub String);

/// The network's score of a peer; below zero is bad.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerScore(pub f64);

/// What a peer last said of its chain.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastStatus {
    /// The status.
    pub status: Status,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// The peers that are in a gossip mesh of this node, as the network's threads last said. Clones
/// share them.
#[derive(Resource, Clone, Debug, Default)]
pub struct MeshPeers(Arc<Mutex<Arc<[PeerId]>>>);

impl MeshPeers {
    /// Says who is in a mesh.
    pub fn set(&self, peers: Vec<PeerId>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = peers.into();
    }

    /// Who is in a mesh, in no order.
    pub fn get(&self) -> Arc<[PeerId]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectReason {
    /// The peer closed it.
    ClosedByPeer,
    /// It timed out or broke.
    ConnectionLost(String),
    /// Too many connections.
    TooManyPeers,
    /// The peer finalized another block at the same slot.
    WrongChain,
    /// Its score fell too low.
    LowScore,
    /// It is banned.
    Banned,
    /// It speaks none of this network's protocols.
    Incompatible,
    /// Its chain goes on, and no block of it comes by gossip; it is called again.
    SilentMesh,
    /// This node stops.
    Shutdown,
}

/// Peers that are refused, each with the Unix time in milliseconds at which its ban ends. At most
/// 1024; the ban that ends first goes first.
#[derive(Resource, Clone, Debug, Default)]
pub struct BannedPeers(pub HashMap<PeerId, u64>);

/// What happened to a connection.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum PeerEvent {
    /// It is up. At most one connection a peer.
    Connected {
        /// With whom.
        peer: PeerId,
        /// Who opened it.
        direction: Direction,
        /// Where the peer is, as a multiaddr.
        address: String,
    },
    /// The peer said what it is.
    Identified {
        /// Who.
        peer: PeerId,
        /// Its agent version; at most 256 bytes.
        agent: String,
    },
    /// The network's score of a peer changed.
    Scored {
        /// Whose.
        peer: PeerId,
        /// The score.
        score: f64,
    },
    /// It is down.
    Disconnected {
        /// With whom.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
    },
    /// A peer is refused until this Unix time in milliseconds.
    Banned {
        /// Who.
        peer: PeerId,
        /// Until when.
        until_ms: u64,
    },
}
