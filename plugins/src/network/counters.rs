//! What went over the network, in numbers that any thread may read.

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
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What gossip of one kind came to.
#[derive(Debug, Default)]
pub struct GossipCounters {
    /// Messages received.
    pub received: Counter,
    /// Their bytes on the wire.
    pub received_bytes: Counter,
    /// Messages that did not decode.
    pub malformed: Counter,
    /// Messages for which there was no room, and those beyond their sender's rate.
    pub dropped: Counter,
    /// Messages that the world accepted, and that went on to others.
    pub accepted: Counter,
    /// Messages that the world ignored, or did not judge in time.
    pub ignored: Counter,
    /// Messages that the world rejected.
    pub rejected: Counter,
    /// Messages of this node's own that went out.
    pub published: Counter,
    /// Their bytes on the wire.
    pub published_bytes: Counter,
    /// Messages of this node's own that reached nobody.
    pub unpublished: Counter,
}

/// What requests of one kind came to.
#[derive(Debug, Default)]
pub struct RequestCounters {
    /// Requests to peers.
    pub sent: Counter,
    /// Those that were answered in full.
    pub answered: Counter,
    /// Those that timed out.
    pub timed_out: Counter,
    /// Those that were answered with an error.
    pub refused: Counter,
    /// Those whose answer was not what was asked for.
    pub invalid: Counter,
    /// Those that ended otherwise: cancelled, unsupported, disconnected.
    pub lost: Counter,
    /// Chunks received.
    pub chunks_received: Counter,
    /// Requests of peers.
    pub received: Counter,
    /// Those that were served in full.
    pub served: Counter,
    /// Those that were answered with an error.
    pub errors: Counter,
    /// Those that were refused because the peer asked for too much.
    pub rate_limited: Counter,
    /// Those that the peer gave up.
    pub abandoned: Counter,
    /// Those that the peer did not finish, or whose answer it did not take.
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
    /// Single votes.
    pub attestations: GossipCounters,
    /// Statuses.
    pub status: RequestCounters,
    /// Blocks by root.
    pub blocks_by_root: RequestCounters,
    /// Blocks by range.
    pub blocks_by_range: RequestCounters,
    /// Connections that came up.
    pub connected: Counter,
    /// Connections that went down.
    pub disconnected: Counter,
    /// Attempts to reach a bootnode.
    pub dialled: Counter,
    /// Attempts that failed.
    pub dial_failures: Counter,
    /// Peers banned.
    pub banned: Counter,
    /// What the world sent and the network's thread had no room for.
    pub outbound_dropped: Counter,
}

/// The node's [`Counters`].
#[derive(Resource, Clone, Debug, Default)]
pub struct NetworkCounters(pub Arc<Counters>);

impl Counters {
    /// Those of a topic.
    pub fn gossip(&self, topic: Topic) -> &GossipCounters {
        match topic {
            Topic::Block => &self.blocks,
            Topic::Aggregation => &self.aggregates,
            Topic::Attestation(_) => &self.attestations,
        }
    }

    /// Those of a protocol.
    pub fn requests(&self, kind: RequestKind) -> &RequestCounters {
        match kind {
            RequestKind::Status => &self.status,
            RequestKind::BlocksByRoot => &self.blocks_by_root,
            RequestKind::BlocksByRange => &self.blocks_by_range,
        }
    }
}
