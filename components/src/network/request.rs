//! Requests and their answers.

use std::sync::Arc;

use bevy_ecs::prelude::Message;

use super::PeerId;
use crate::containers::{BlocksByRangeRequest, BlocksByRootRequest, Root, SignedBlock, Status};

/// Names a request of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Names a request of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboundRequestId(pub u64);

/// A question to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What is your chain? This is mine.
    Status(Status),
    /// Blocks by their roots.
    BlocksByRoot(BlocksByRootRequest),
    /// Blocks of a range of slots.
    BlocksByRange(BlocksByRangeRequest),
}

/// An answer that is an error, as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Code 1.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// Code 2.
    #[error("server error: {0}")]
    ServerError(String),
    /// Code 3.
    #[error("resource unavailable: {0}")]
    ResourceUnavailable(String),
}

/// Why a request has no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailure {
    /// The peer sent nothing for too long.
    #[error("timed out")]
    Timeout,
    /// The peer is not connected, or no longer.
    #[error("not connected")]
    Disconnected,
    /// The peer does not speak the protocol.
    #[error("protocol not supported")]
    Unsupported,
    /// The peer answered with an error.
    #[error("the peer answered: {0}")]
    Refused(ResponseError),
    /// The answer was not what was asked for: undecodable, too long, or blocks not asked for.
    #[error("invalid answer: {0}")]
    InvalidAnswer(String),
}

/// What comes back for a request, in order; the last is `Ended`.
#[derive(Message, Clone, Debug)]
pub enum RequestEvent {
    /// The peer's status.
    Status {
        /// Of which request.
        id: RequestId,
        /// What it says.
        status: Status,
    },
    /// A block.
    Block {
        /// Of which request.
        id: RequestId,
        /// The block's root, computed where it was decoded.
        root: Root,
        /// The block.
        block: Arc<SignedBlock>,
    },
    /// Nothing more comes.
    Ended {
        /// Which request.
        id: RequestId,
        /// `Ok` when the answer is whole.
        result: Result<(), RequestFailure>,
    },
}

/// A peer asks.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct RequestReceived {
    /// Names it, for the answer.
    pub id: InboundRequestId,
    /// Who asks.
    pub peer: PeerId,
    /// What.
    pub request: Request,
}

/// What a peer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This node's status.
    Status(Status),
    /// The blocks of these roots, in this order, those that are not there left out. The network
    /// reads them from [`crate::storage::Blocks`] one at a time, as fast as the peer takes them.
    Blocks(Arc<[Root]>),
    /// An error.
    Error(ResponseError),
}
