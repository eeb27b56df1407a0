//! What sync consists of: its state, requests as entities, blocks without a parent, votes that
//! wait for a block, and every limit.

mod backoff;
pub mod limits;
mod orphans;
mod peers;
mod requests;
mod waiting;

use bevy_ecs::prelude::Resource;

pub use backoff::Backoff;
pub use orphans::{MissingParent, OrphanShare, Orphans};
pub use peers::{Disconnect, PeerSync, RecentDisconnects};
pub use requests::{
    Asked, BatchRequest, Ended, HistoryRequest, RequestsById, RequestsByRoot, RootRequest,
    StatusRequest,
};
pub use waiting::{Held, WaitingAttestations};

use crate::{
    clock::CurrentInterval,
    constants::{INTERVAL_DURATION_MS, INTERVALS_PER_SLOT, SLOT_DURATION_MS},
    containers::Slot,
    duties::MissReason,
};

/// Where the node stands against the network.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SyncState {
    /// The head is behind the clock and no peer has lately said what its chain is.
    #[default]
    Idle,
    /// A chain that the node follows is ahead.
    Syncing,
    /// No chain that the node follows is ahead.
    Synced,
}

impl SyncState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Idle, Self::Syncing, Self::Synced];

    /// Its name in metrics and over HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Syncing => "syncing",
            Self::Synced => "synced",
        }
    }
}

/// Says if duties may be begun. A node without sync has no gate and begins all.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DutyGate {
    /// Why not; `None` when they may.
    pub closed: Option<MissReason>,
    /// The slot in which this was found.
    pub at_slot: Slot,
    /// How many slots the chain that the node follows was ahead. Duties may be begun a little
    /// behind; a block that others wait for is not built on an old head.
    pub behind: u64,
}

impl DutyGate {
    /// Why a duty of this interval is not to be begun; `None` when it is due.
    pub fn why_not(&self, now: CurrentInterval) -> Option<MissReason> {
        let into_slot_ms = now.count % INTERVALS_PER_SLOT * INTERVAL_DURATION_MS;
        if now.late_ms.saturating_add(into_slot_ms) >= SLOT_DURATION_MS {
            Some(MissReason::Late)
        } else if self.at_slot.saturating_add(1) < now.slot() {
            Some(MissReason::Unsure)
        } else {
            self.closed
        }
    }
}

/// The counts of sync since the node began.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncCounts {
    /// Status requests sent.
    pub statuses_asked: u64,
    /// Requests by root sent.
    pub roots_asked: u64,
    /// Batches asked for.
    pub batches_asked: u64,
    /// Requests that ended without a whole answer.
    pub requests_failed: u64,
    /// Blocks that came for a request.
    pub blocks_received: u64,
    /// Requests of peers answered.
    pub answered: u64,
    /// Requests of peers answered with an error.
    pub refused: u64,
    /// Blocks held for want of a parent.
    pub orphans_held: u64,
    /// Held blocks whose parent came.
    pub orphans_released: u64,
    /// Held blocks dropped because there were too many, or too far from the head.
    pub orphans_dropped: u64,
    /// Roots given up after too many tries.
    pub roots_given_up: u64,
    /// Times that peers were called again because their gossip had gone silent.
    pub mesh_renewals: u64,
    /// Attestations and aggregates held for want of a block.
    pub votes_held: u64,
    /// Held attestations and aggregates whose block came.
    pub votes_released: u64,
    /// Held attestations and aggregates whose block did not come in time.
    pub votes_expired: u64,
    /// Statuses not believed because their slots contradict each other or the clock.
    pub implausible_statuses: u64,
    /// Peers dropped because they follow another chain.
    pub wrong_chain: u64,
    /// Rounds of range sync begun.
    pub rounds: u64,
    /// Times that a round went back for blocks that did not link.
    pub retreats: u64,
    /// Rounds given up.
    pub rounds_failed: u64,
    /// Batches believed to be empty.
    pub empty_batches: u64,
    /// Batches dropped for want of room, to be asked for again.
    pub batches_shed: u64,
    /// Times that no peer served blocks as old as the next ones needed.
    pub unserved: u64,
    /// Blocks from before the anchor that were handed to the store.
    pub backfilled: u64,
    /// Peers blamed for what they sent or did not send.
    pub faults: u64,
}
