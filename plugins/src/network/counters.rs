//! Counters of the network, which any thread may read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bevy_ecs::prelude::Resource;

use super::{codec::topic::Topic, substreams::RequestKind};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds a number.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one kind of gossip.
#[derive(Debug, Default)]
pub struct GossipCounters {
    /// Messages received.
    pub received: Counter,
    /// Their bytes on the wire.
    pub received_bytes: Counter,
    /// Messages that could not be decoded.
    pub malformed: Counter,
    /// Messages for which there was no room, and those beyond their sender's rate.
    pub dropped: Counter,
    /// Messages that the world accepted and that were forwarded.
    pub accepted: Counter,
    /// Messages that the world ignored, or did not judge in time.
    pub ignored: Counter,
    /// Messages that the world rejected.
    pub rejected: Counter,
    /// This node's own messages that were published.
    pub published: Counter,
    /// Their bytes on the wire.
    pub published_bytes: Counter,
    /// This node's own messages that reached no peer.
    pub unpublished: Counter,
}

/// Counters of one kind of requests.
#[derive(Debug, Default)]
pub struct RequestCounters {
    /// Requests to peers.
    pub sent: Counter,
    /// Requests that were answered completely.
    pub answered: Counter,
    /// Those that timed out.
    pub timed_out: Counter,
    /// Those that were answered with an error.
    pub refused: Counter,
    /// Requests whose answer was invalid.
    pub invalid: Counter,
    /// Requests that ended otherwise: cancelled, unsupported, disconnected.
    pub lost: Counter,
    /// Chunks received.
    pub chunks_received: Counter,
    /// Requests of peers.
    pub received: Counter,
    /// Requests that were served completely.
    pub served: Counter,
    /// Those that were answered with an error.
    pub errors: Counter,
    /// Requests that were refused because the peer asked for too much.
    pub rate_limited: Counter,
    /// Requests that the peer cancelled.
    pub abandoned: Counter,
    /// Requests that the peer did not finish, or whose answer it did not read.
    pub stalled: Counter,
    /// Chunks sent.
    pub chunks_sent: Counter,
}

/// All counters of a node's network.
#[derive(Debug, Default)]
pub struct Counters {
    /// Blocks.
    pub blocks: GossipCounters,
    /// Aggregates.
    pub aggregates: GossipCounters,
    /// Single attestations.
    pub attestations: GossipCounters,
    /// Statuses.
    pub status: RequestCounters,
    /// Blocks by root.
    pub blocks_by_root: RequestCounters,
    /// Blocks by range.
    pub blocks_by_range: RequestCounters,
    /// Connections opened.
    pub connected: Counter,
    /// Connections closed.
    pub disconnected: Counter,
    /// Attempts to reach a bootnode.
    pub dialled: Counter,
    /// Attempts that failed.
    pub dial_failures: Counter,
    /// Peers banned.
    pub banned: Counter,
    /// Messages of the world for which the network's thread had no room.
    pub outbound_dropped: Counter,
}

/// The node's [`Counters`].
#[derive(Resource, Clone, Debug, Default)]
pub struct NetworkCounters(pub Arc<Counters>);

impl Counters {
    /// The counters of a topic.
    pub fn gossip(&self, topic: Topic) -> &GossipCounters {
        match topic {
            Topic::Block => &self.blocks,
            Topic::Aggregation => &self.aggregates,
            Topic::Attestation(_) => &self.attestations,
        }
    }

    /// The counters of a protocol.
    pub fn requests(&self, kind: RequestKind) -> &RequestCounters {
        match kind {
            RequestKind::Status => &self.status,
            RequestKind::BlocksByRoot => &self.blocks_by_root,
            RequestKind::BlocksByRange => &self.blocks_by_range,
        }
    }
}
