//! The data that passes between the world and the network: peers as entities, requests as messages.
//!
//! The network's threads send [`PeerEvent`]s, [`RequestEvent`]s and [`RequestReceived`] to the
//! world through bounded lanes. Blocks, attestations and aggregates have lanes of their own. The
//! world answers with [`NetworkCommand`]s. They are carried out by libp2p in a node, and by a
//! simulator in a test.

mod fault;
mod peer;
mod request;

use std::sync::Arc;

use bevy_ecs::prelude::Message;

pub use fault::{PeerFault, PeerFaulted};
pub use peer::{
    Agent, BannedPeers, Direction, DisconnectReason, LastStatus, MeshPeers, Peer, PeerEvent,
    PeerId, PeerNames, PeerScore, PeersById,
};
pub use request::{
    Answer, InboundRequestId, Request, RequestEvent, RequestFailure, RequestId, RequestReceived,
    ResponseError,
};

/// Commands of the world to the network.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum NetworkCommand {
    /// Sends a request. Its answer arrives as [`RequestEvent`]s with this id. The last one is
    /// `Ended`, even if the peer is gone.
    Request {
        /// Its id, unique since the node began.
        id: RequestId,
        /// The peer to ask.
        peer: PeerId,
        /// The request.
        request: Request,
    },
    /// Cancels a request: no more events of it arrive.
    Cancel(RequestId),
    /// Answers a request of a peer.
    Respond {
        /// The request.
        id: InboundRequestId,
        /// The answer.
        answer: Answer,
    },
    /// Subtracts points from a peer's score for what it did. A peer whose score falls below the
    /// network's threshold is disconnected and banned.
    Penalize {
        /// The peer.
        peer: PeerId,
        /// The points, above zero. 100 points are a ban.
        points: f64,
        /// The reason, for the log.
        why: &'static str,
    },
    /// Closes the connection.
    Disconnect {
        /// The peer.
        peer: PeerId,
        /// The reason.
        reason: DisconnectReason,
        /// True to refuse the peer for the network's ban time.
        ban: bool,
    },
    /// Closes the connection to a peer and dials it again at its last address, because its gossip
    /// is silent. The connection ends with [`DisconnectReason::SilentMesh`].
    Reconnect(PeerId),
    /// Subscribes to these attestation subnets and no others.
    Subscribe(Arc<[u64]>),
}
