//! Faults of peers, and their penalties.

use bevy_ecs::prelude::Message;

use super::PeerId;

/// A fault of a peer in an answer to this node's requests, or in its claims about its chain.
///
/// This is the only list of such faults. The code that finds a fault announces it once, as
/// [`PeerFaulted`], and one system subtracts the points. Nothing that can happen to an honest peer
/// costs points. Faults that the world never sees (a gossip message or request that cannot be
/// decoded, a stalled transfer) are penalized by the network alone.
///
/// | fault | points; 100 points are a ban | what the peer did |
/// | --- | ---: | --- |
/// | [`NoAnswer`](Self::NoAnswer) | 0 | it cannot answer, and says so or breaks off the answer |
/// | [`ServerError`](Self::ServerError) | 1 | it answered with a server error |
/// | [`Timeout`](Self::Timeout) | 5 | it did not answer in time |
/// | [`Omitted`](Self::Omitted) | 10 | it left out blocks that others then had |
/// | [`FalseHead`](Self::FalseHead) | 10 | it claimed a head but provided no block of it |
/// | [`Unfounded`](Self::Unfounded) | 20 | it forwarded a block whose ancestor nobody has |
/// | [`InvalidAnswer`](Self::InvalidAnswer) | 25 | its answer cannot be decoded, or was not requested |
/// | [`Unlinked`](Self::Unlinked) | 25 | its blocks do not follow each other |
/// | [`InvalidBlock`](Self::InvalidBlock) | 50 | it answered with a block that was refused |
/// | [`WrongChain`](Self::WrongChain) | a ban | its chain does not contain this node's finalized block, and it has finalized as much |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerFault {
    /// It cannot answer, and says so or breaks off the answer.
    NoAnswer,
    /// It answered with a server error.
    ServerError,
    /// It did not answer in time.
    Timeout,
    /// It left out blocks that others then had.
    Omitted,
    /// It claimed a head but provided no block of it.
    FalseHead,
    /// It forwarded a block whose ancestor neither it nor any other peer has.
    Unfounded,
    /// Its answer cannot be decoded, or was not requested.
    InvalidAnswer,
    /// Its blocks do not follow each other.
    Unlinked,
    /// It answered with a block that was refused.
    InvalidBlock,
    /// Its chain does not contain this node's finalized block, though it has finalized as much.
    WrongChain,
}

impl PeerFault {
    /// The penalty in points; 100 points are a ban.
    pub const fn points(self) -> f64 {
        match self {
            Self::NoAnswer => 0.0,
            Self::ServerError => 1.0,
            Self::Timeout => 5.0,
            Self::Omitted | Self::FalseHead => 10.0,
            Self::Unfounded => 20.0,
            Self::InvalidAnswer | Self::Unlinked => 25.0,
            Self::InvalidBlock => 50.0,
            Self::WrongChain => 100.0,
        }
    }

    /// The fault as text, for the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "no answer",
            Self::ServerError => "server error",
            Self::Timeout => "timed out",
            Self::Omitted => "left out blocks",
            Self::FalseHead => "claims a head that it does not have",
            Self::Unfounded => "passed on a block without ancestors",
            Self::InvalidAnswer => "invalid answer",
            Self::Unlinked => "blocks that do not link",
            Self::InvalidBlock => "invalid block",
            Self::WrongChain => "follows another chain",
        }
    }
}

/// A peer did something wrong. The code that finds a fault announces it once.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct PeerFaulted {
    /// The peer.
    pub peer: PeerId,
    /// The fault.
    pub fault: PeerFault,
}
