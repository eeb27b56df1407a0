//! What crosses between the world and the network: peers as entities, requests as messages.
//!
//! The network's threads hand [`PeerEvent`]s, [`RequestEvent`]s and [`RequestReceived`] to the
//! world through bounded lanes, blocks, votes and aggregates through lanes of their own. The world
//! answers with [`NetworkCommand`]s, which whatever carries the network forwards: libp2p in a
//! node, a simulator in a test.

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

/// The commands of the world to the network.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum NetworkCommand {
    /// Sends a request. Its answer arrives as [`RequestEvent`]s of this id, the last of them
    /// `Ended`, also when the peer is gone.
    Request {
        /// Names it; unique since the node began.
        id: RequestId,
        /// Whom to ask.
        peer: PeerId,
        /// What to ask.
        request: Request,
    },
    /// Gives up a request: no more events of it arrive.
    Cancel(RequestId),
    /// Answers a request of a peer.
    Respond {
        /// Which.
        id: InboundRequestId,
        /// What with.
        answer: Answer,
    },
    /// Takes points off a peer's score for what it did. A peer whose score falls below the
    /// network's threshold is disconnected and banned.
    Penalize {
        /// Whom.
        peer: PeerId,
        /// How much, above zero; a ban takes 100.
        points: f64,
        /// Why, for the log.
        why: &'static str,
    },
    /// Closes the connection.
    Disconnect {
        /// To whom.
        peer: PeerId,
        /// Why.
        reason: DisconnectReason,
        /// True to refuse the peer for the network's ban time.
        ban: bool,
    },
    /// Closes the connection to a peer and calls it again at the address where it was: its gossip
    /// has gone silent. The connection ends for [`DisconnectReason::SilentMesh`].
    Reconnect(PeerId),
    /// Subscribes to these attestation subnets and no others.
    Subscribe(Arc<[u64]>),
}
