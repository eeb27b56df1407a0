//! The data that HTTP serves: an immutable [`Snapshot`]. The world replaces it at most once per
//! update, and only if something in it has changed. Consecutive snapshots share unchanged parts.

mod page;
mod tree;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use bevy_ecs::prelude::Resource;

pub use page::{JobView, PageView, SessionEnd, SessionView};
pub use tree::{ShownBlock, TreeView, TreeViewer};

use crate::{
    clock::CurrentInterval,
    containers::{Checkpoint, Root, Slot, State, ValidatorIndex},
    duties::DutyCounts,
    network::{Direction, PeerId},
    storage::ForkChoiceFacts,
    sync::SyncState,
};

/// The identity of this node. The code that builds the node inserts it; unknown fields are left
/// empty.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Its name, chosen by the operator.
    pub name: String,
    /// The version alone.
    pub version: String,
    /// Software, version and proof system, as peers see them: `quintet/0.1.0/multisig`.
    pub agent: String,
    /// The proof system of the network's blocks.
    pub proof_system: String,
    /// The network's name in gossip topics.
    pub fork_digest: String,
    /// libp2p's peer id.
    pub peer_id: Option<String>,
    /// The signed node record.
    pub record: Option<String>,
    /// The multiaddrs that it listens on.
    pub addresses: Vec<String>,
    /// The time at which the process began, in Unix milliseconds.
    pub start_time_ms: u64,
    /// Its own validators.
    pub validators: Vec<ValidatorIndex>,
}

/// The data that HTTP serves.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The interval that was walked last.
    pub time: CurrentInterval,
    /// Unix time of slot 0 in seconds.
    pub genesis_time: u64,
    /// Validators in the registry.
    pub validator_count: usize,
    /// Head, safe target, justified and finalized checkpoint.
    pub facts: ForkChoiceFacts,
    /// The block tree.
    pub tree: Arc<TreeView>,
    /// The post-states of head, justified and finalized block.
    pub states: HeldStates,
    /// True if the node aggregates.
    pub is_aggregator: bool,
    /// Attestation subnets of the network.
    pub committee_count: u64,
    /// The subnets whose attestations the node receives as an aggregator.
    pub subnets: Arc<[u64]>,
    /// The state of sync.
    pub sync: SyncView,
    /// Connected peers, by id.
    pub peers: Arc<[PeerView]>,
    /// Duties done and missed.
    pub duties: DutyCounts,
    /// Other data for the page.
    pub page: Arc<PageView>,
}

/// The post-states that are always in memory.
#[derive(Clone, Debug, Default)]
pub struct HeldStates {
    /// The head's.
    pub head: Option<Arc<State>>,
    /// The justified block's.
    pub justified: Option<Arc<State>>,
    /// The finalized block's.
    pub finalized: Option<Arc<State>>,
}

/// The state of sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncView {
    /// The state; [`SyncState::Synced`] in a node without sync.
    pub state: SyncState,
    /// The highest head that a peer has, or this node's own.
    pub target_slot: Slot,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerView {
    /// Its id.
    pub id: PeerId,
    /// Its name in the network's files.
    pub name: Option<String>,
    /// Its address, as a multiaddr.
    pub address: String,
    /// The side that opened the connection.
    pub direction: Direction,
    /// The software that it says it runs.
    pub agent: Option<String>,
    /// The network's score of the peer.
    pub score: f64,
    /// The head and the finalized checkpoint of its last status.
    pub status: Option<(Checkpoint, Checkpoint)>,
    /// The time at which the node saw it connect, in Unix milliseconds.
    pub connected_ms: u64,
}

impl Snapshot {
    /// The block of a slot on the head's chain. `None` if the slot is empty or after the head, or
    /// if the head's state is not available.
    pub fn canonical_root(&self, slot: Slot) -> Option<Root> {
        let head = self.facts.head;
        if slot >= head.slot {
            return (slot == head.slot).then_some(head.root);
        }
        let state = self.states.head.as_ref()?;
        state.historical_block_hashes.get(slot).copied().filter(|root| *root != Root::ZERO)
    }

    /// The post-state of this block, if it is one of the held ones.
    pub fn state_of(&self, root: &Root) -> Option<&Arc<State>> {
        let ForkChoiceFacts { head, justified, finalized, .. } = &self.facts;
        let HeldStates { head: head_state, justified: justified_state, finalized: state } =
            &self.states;
        [(finalized, state), (head, head_state), (justified, justified_state)]
            .into_iter()
            .find(|(block, _)| block.root == *root)
            .and_then(|(_, state)| state.as_ref())
    }
}

/// The newest snapshot, shared between the world, which replaces it, and threads that read it.
/// Empty until the first update has ended.
#[derive(Resource, Clone, Default)]
pub struct SnapshotCell(Arc<RwLock<Option<Arc<Snapshot>>>>);

impl SnapshotCell {
    /// The newest snapshot.
    pub fn read(&self) -> Option<Arc<Snapshot>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores a newer snapshot. Returns the previous one.
    pub fn replace(&self, snapshot: Arc<Snapshot>) -> Option<Arc<Snapshot>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).replace(snapshot)
    }
}

impl fmt::Debug for SnapshotCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.read().map(|snapshot| snapshot.facts);
        f.debug_tuple("SnapshotCell").field(&facts).finish()
    }
}
