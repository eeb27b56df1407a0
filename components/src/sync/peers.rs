//! The records of sync about peers.

use std::collections::VecDeque;

use bevy_ecs::prelude::*;

use super::{
    Backoff,
    limits::{CLAIM_SLOTS, MAX_DISCONNECTS, MAX_PEER_BACKOFF_MS, PEER_BACKOFF_MS},
};
use crate::{
    constants::SLOT_DURATION_MS,
    containers::Slot,
    network::{Agent, Direction, DisconnectReason, PeerId, RequestId},
};

/// The record of a peer as a provider of blocks.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerSync {
    /// The slot in which it connected.
    pub connected_slot: Slot,
    /// The first request that may be sent on this connection; earlier ones went to an earlier
    /// connection.
    pub first_request: RequestId,
    /// Failures since its last good answer, and the time for which it is not asked.
    pub backoff: Backoff,
    /// The number of the newest request sent to it. The peer that was asked least recently is asked
    /// first.
    pub last_asked: u64,
    /// The time at which its status was last requested, in Unix milliseconds.
    pub status_asked_ms: Option<u64>,
    /// The first slot whose block it serves, as far as its answers have shown.
    pub serves_from: Slot,
    /// The time since which it has claimed to be ahead while none of its blocks was imported, in
    /// Unix milliseconds.
    pub claims_since_ms: Option<u64>,
}

impl PeerSync {
    /// Notes a failure: the peer is not asked for a while, twice as long each time.
    pub fn fail(&mut self, now_ms: u64) {
        self.backoff.fail(now_ms, PEER_BACKOFF_MS, MAX_PEER_BACKOFF_MS);
    }

    /// Notes whether it claims to be ahead.
    pub fn note_claim(&mut self, is_ahead: bool, now_ms: u64) {
        if !is_ahead {
            self.claims_since_ms = None;
        } else if self.claims_since_ms.is_none_or(|since_ms| since_ms > now_ms) {
            self.claims_since_ms = Some(now_ms);
        }
    }

    /// Returns true if its claim has brought no block for so long that duties no longer wait for
    /// it.
    pub fn is_doubted(&self, now_ms: u64) -> bool {
        self.claims_since_ms
            .is_some_and(|since_ms| now_ms >= since_ms + CLAIM_SLOTS * SLOT_DURATION_MS)
    }
}

/// A connection that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// The peer.
    pub peer: PeerId,
    /// The side that had opened it; `None` if it was not known to be up.
    pub direction: Option<Direction>,
    /// The software that the peer said it ran.
    pub agent: Option<Agent>,
    /// The reason.
    pub reason: DisconnectReason,
    /// The time, in Unix milliseconds.
    pub at_ms: u64,
}

/// The newest ended connections, oldest first, at most [`MAX_DISCONNECTS`].
#[derive(Resource, Clone, Debug, Default)]
pub struct RecentDisconnects(VecDeque<Disconnect>);

impl RecentDisconnects {
    /// Adds the newest; drops the oldest if there are too many.
    pub fn push(&mut self, disconnect: Disconnect) {
        if self.0.len() == MAX_DISCONNECTS {
            self.0.pop_front();
        }
        self.0.push_back(disconnect);
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Disconnect> {
        self.0.iter()
    }

    /// The number of disconnects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_disconnect_goes_first() {
        let mut recent = RecentDisconnects::default();
        for at_ms in 0..200 {
            recent.push(Disconnect {
                peer: "a".into(),
                direction: None,
                agent: None,
                reason: DisconnectReason::LowScore,
                at_ms,
            });
        }
        assert_eq!(recent.len(), MAX_DISCONNECTS);
        assert_eq!(recent.iter().next().map(|first| first.at_ms), Some(72));
    }
}
