//! What sync knows of peers beyond what they are.

use std::collections::VecDeque;

use bevy_ecs::prelude::*;

use super::{
    Backoff,
    limits::{CLAIM_SLOTS, MAX_DISCONNECTS, MAX_PEER_BACKOFF_MS, PEER_BACKOFF_MS},
};
use crate::{
    constants::SLOT_DURATION_MS,
    containers::Slot,
    network::{Agent, Direction, DisconnectReason, PeerId},
};

/// How a peer has done as a source of blocks.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerSync {
    /// The slot in which it connected.
    pub connected_slot: Slot,
    /// Failures since its last good answer, and for how long it is left alone.
    pub backoff: Backoff,
    /// The number of the newest request sent to it; the peer that was asked least recently is
    /// asked first.
    pub last_asked: u64,
    /// When its status was asked for last, in Unix milliseconds.
    pub status_asked_ms: Option<u64>,
    /// It has said that it does not serve blocks before this slot.
    pub serves_from: Slot,
    /// Since when it has claimed to be ahead without a block of it being imported, in Unix
    /// milliseconds.
    pub claims_since_ms: Option<u64>,
}

impl PeerSync {
    /// Notes a failure: the peer is left alone, each time for twice as long.
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

    /// Returns true if nothing has come of its claim for so long that duties do not wait for it any
    /// more.
    pub fn is_doubted(&self, now_ms: u64) -> bool {
        self.claims_since_ms
            .is_some_and(|since_ms| now_ms >= since_ms + CLAIM_SLOTS * SLOT_DURATION_MS)
    }
}

/// A connection that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// With whom.
    pub peer: PeerId,
    /// Who had opened it; `None` when it was not known to be up.
    pub direction: Option<Direction>,
    /// What software the peer said it was.
    pub agent: Option<Agent>,
    /// Why it ended.
    pub reason: DisconnectReason,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// The newest ended connections, oldest first, at most [`MAX_DISCONNECTS`].
#[derive(Resource, Clone, Debug, Default)]
pub struct RecentDisconnects(VecDeque<Disconnect>);

impl RecentDisconnects {
    /// Adds the newest; the oldest goes when there are too many.
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

    /// How many there are.
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
