//! The data of sync: its state, requests as entities, blocks without a parent, attestations that
//! wait for a block, and all limits.

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

/// The state of sync.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SyncState {
    /// The head is behind the clock, and no peer has recently sent its status.
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

/// Says if duties may be started. A node without sync has no gate and starts all of them.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DutyGate {
    /// The reason they may not be started; `None` if they may.
    pub closed: Option<MissReason>,
    /// The slot in which this was decided.
    pub at_slot: Slot,
    /// The number of slots by which the followed chain was ahead. Duties may be started if the node
    /// is slightly behind, but a block is not built on an old head, because others wait for it.
    pub behind: u64,
}

impl DutyGate {
    /// Returns the reason a duty of this interval must not be started; `None` if it may be started.
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
    /// Batches requested.
    pub batches_asked: u64,
    /// Requests that ended without a complete answer.
    pub requests_failed: u64,
    /// Blocks that arrived for a request.
    pub blocks_received: u64,
    /// Requests of peers answered.
    pub answered: u64,
    /// Requests of peers answered with an error.
    pub refused: u64,
    /// Blocks that waited for their parent.
    pub orphans_held: u64,
    /// Waiting blocks whose parent arrived.
    pub orphans_released: u64,
    /// Waiting blocks dropped because there were too many, or because they were too far from the
    /// head.
    pub orphans_dropped: u64,
    /// Roots given up after too many tries.
    pub roots_given_up: u64,
    /// The number of times that peers were dialled again because their gossip was silent.
    pub mesh_renewals: u64,
    /// Attestations and aggregates that waited for a block.
    pub attestations_held: u64,
    /// Waiting attestations and aggregates whose block arrived.
    pub attestations_released: u64,
    /// Waiting attestations and aggregates whose block did not arrive in time.
    pub attestations_expired: u64,
    /// Statuses not believed because their slots contradict each other or the clock.
    pub implausible_statuses: u64,
    /// Peers disconnected because they follow another chain.
    pub wrong_chain: u64,
    /// Rounds of range sync begun.
    pub rounds: u64,
    /// The number of times that a round went back because blocks did not link.
    pub retreats: u64,
    /// Rounds given up.
    pub rounds_failed: u64,
    /// Batches believed to be empty.
    pub empty_batches: u64,
    /// Batches dropped for lack of room; they are requested again.
    pub batches_shed: u64,
    /// The number of times that no peer served blocks as old as those needed next.
    pub unserved: u64,
    /// Blocks from before the anchor that were passed to the store.
    pub backfilled: u64,
    /// Faults of peers.
    pub faults: u64,
}
