//! Requests and their answers.

use std::sync::Arc;

use bevy_ecs::prelude::Message;

use super::PeerId;
use crate::containers::{BlocksByRangeRequest, BlocksByRootRequest, Root, SignedBlock, Status};

/// The id of a request of this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// The id of a request of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboundRequestId(pub u64);

/// A request to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Asks for the peer's status, and sends this node's.
    Status(Status),
    /// Asks for blocks by their roots.
    BlocksByRoot(BlocksByRootRequest),
    /// Asks for the blocks of a range of slots.
    BlocksByRange(BlocksByRangeRequest),
}

/// An error answer, as it is on the wire.
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

/// The reason a request has no complete answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFailure {
    /// The peer sent nothing for too long.
    #[error("timed out")]
    Timeout,
    /// The peer is not connected, or no longer connected.
    #[error("not connected")]
    Disconnected,
    /// The peer does not speak the protocol.
    #[error("protocol not supported")]
    Unsupported,
    /// The peer answered with an error.
    #[error("the peer answered: {0}")]
    Refused(ResponseError),
    /// The answer does not fit the request: it cannot be decoded, is too long, or has blocks that
    /// were not requested.
    #[error("invalid answer: {0}")]
    InvalidAnswer(String),
}

/// The parts of the answer to a request, in order. The last one is `Ended`.
#[derive(Message, Clone, Debug)]
pub enum RequestEvent {
    /// The peer's status.
    Status {
        /// The request.
        id: RequestId,
        /// The status.
        status: Status,
    },
    /// A block.
    Block {
        /// The request.
        id: RequestId,
        /// The block's root, computed where it was decoded.
        root: Root,
        /// The block.
        block: Arc<SignedBlock>,
    },
    /// The answer has ended.
    Ended {
        /// The request.
        id: RequestId,
        /// `Ok` if the answer is complete.
        result: Result<(), RequestFailure>,
    },
}

/// A request of a peer arrived.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct RequestReceived {
    /// Its id, which the answer needs.
    pub id: InboundRequestId,
    /// The peer.
    pub peer: PeerId,
    /// The request.
    pub request: Request,
}

/// The answer to a peer's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This node's status.
    Status(Status),
    /// The blocks with these roots, in this order, without those that are missing. The network
    /// reads them from [`crate::storage::Blocks`] one at a time, as fast as the peer reads them.
    Blocks(Arc<[Root]>),
    /// An error.
    Error(ResponseError),
}
