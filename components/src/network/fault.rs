//! What peers do wrong, and what it costs them.

use bevy_ecs::prelude::Message;

use super::PeerId;

/// A fault of a peer in answer to this node's requests, or with what it says of its chain.
///
/// This is the only list of such faults. Each is announced once, as [`PeerFaulted`], by whoever
/// found it, and one system charges it. What an honest peer can run into costs nothing. What the
/// world never sees (a gossip message or request that does not decode, a stalled transfer) is
/// charged by the network alone.
///
/// | fault | points, of which 100 are a ban | what the peer did |
/// | --- | ---: | --- |
/// | [`NoAnswer`](Self::NoAnswer) | 0 | it cannot answer, and says so or breaks off |
/// | [`ServerError`](Self::ServerError) | 1 | it answered with a server error |
/// | [`Timeout`](Self::Timeout) | 5 | it did not answer in time |
/// | [`Omitted`](Self::Omitted) | 10 | it left out blocks that others then had |
/// | [`FalseHead`](Self::FalseHead) | 10 | it claims a head, and nothing came of it |
/// | [`Unfounded`](Self::Unfounded) | 20 | it passed on a block, and neither it nor anybody has the block's ancestor |
/// | [`InvalidAnswer`](Self::InvalidAnswer) | 25 | its answer does not decode, or was not asked for |
/// | [`Unlinked`](Self::Unlinked) | 25 | its blocks do not follow each other |
/// | [`InvalidBlock`](Self::InvalidBlock) | 50 | it answered with a block that was refused |
/// | [`WrongChain`](Self::WrongChain) | a ban | its chain leaves out this node's finalized block |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerFault {
    /// It cannot answer, and says so or breaks off.
    NoAnswer,
    /// It answered with a server error.
    ServerError,
    /// It did not answer in time.
    Timeout,
    /// It left out blocks that others then had.
    Omitted,
    /// It claims a head, and nothing came of it.
    FalseHead,
    /// It passed on a block whose ancestor neither it nor anybody else has.
    Unfounded,
    /// Its answer does not decode, or was not asked for.
    InvalidAnswer,
    /// Its blocks do not follow each other.
    Unlinked,
    /// It answered with a block that was refused.
    InvalidBlock,
    /// Its chain leaves out this node's finalized block.
    WrongChain,
}

impl PeerFault {
    /// The price, where 100 points are a ban.
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

    /// The fault in words, for the log.
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

/// A peer did something wrong. Announced once for each fault, where it was found.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct PeerFaulted {
    /// Who.
    pub peer: PeerId,
    /// What it did.
    pub fault: PeerFault,
}
