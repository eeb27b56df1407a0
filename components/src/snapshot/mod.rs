//! What HTTP serves, at one moment: an immutable [`Snapshot`] that the world replaces at most once
//! an update, and only when something in it has changed. Parts are shared from one to the next.

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

/// Who this node is. Put in place by whoever builds the node; what is not known is left out.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeIdentity {
    /// What its operator calls it.
    pub name: String,
    /// The version alone.
    pub version: String,
    /// Software, version and proof system, as peers see it: `quintet/0.1.0/multisig`.
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
    /// When the process began, in Unix milliseconds.
    pub start_time_ms: u64,
    /// Its own validators.
    pub validators: Vec<ValidatorIndex>,
}

/// What HTTP serves.
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
    /// Whether the node aggregates.
    pub is_aggregator: bool,
    /// Attestation subnets of the network.
    pub committee_count: u64,
    /// The subnets whose votes the node gets as an aggregator.
    pub subnets: Arc<[u64]>,
    /// Where the node stands against the network.
    pub sync: SyncView,
    /// Connected peers, by id.
    pub peers: Arc<[PeerView]>,
    /// Duties done and missed.
    pub duties: DutyCounts,
    /// What the page shows beside that.
    pub page: Arc<PageView>,
}

/// The post-states that the world holds whatever happens.
#[derive(Clone, Debug, Default)]
pub struct HeldStates {
    /// The head's.
    pub head: Option<Arc<State>>,
    /// The justified block's.
    pub justified: Option<Arc<State>>,
    /// The finalized block's.
    pub finalized: Option<Arc<State>>,
}

/// Where the node stands against the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncView {
    /// The state; [`SyncState::Synced`] in a node without sync.
    pub state: SyncState,
    /// The highest head that a peer names, or the own one.
    pub target_slot: Slot,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerView {
    /// Who.
    pub id: PeerId,
    /// What the network's files call it.
    pub name: Option<String>,
    /// Where, as a multiaddr.
    pub address: String,
    /// Who opened the connection.
    pub direction: Direction,
    /// What software it says it is.
    pub agent: Option<String>,
    /// The network's score of it.
    pub score: f64,
    /// The head that it last told, and the finalized checkpoint.
    pub status: Option<(Checkpoint, Checkpoint)>,
    /// When the node saw it connect, in Unix milliseconds.
    pub connected_ms: u64,
}

impl Snapshot {
    /// The canonical block of a slot: on the head's chain. `None` when the slot is empty, or after
    /// the head, or the head's state is not at hand.
    pub fn canonical_root(&self, slot: Slot) -> Option<Root> {
        let head = self.facts.head;
        if slot >= head.slot {
            return (slot == head.slot).then_some(head.root);
        }
        let state = self.states.head.as_ref()?;
        state.historical_block_hashes.get(slot).copied().filter(|root| *root != Root::ZERO)
    }

    /// The post-state of this block, when it is one of the held ones.
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

/// The newest snapshot, shared between the world that replaces it and threads that read it. Empty
/// until the first update has ended.
#[derive(Resource, Clone, Default)]
pub struct SnapshotCell(Arc<RwLock<Option<Arc<Snapshot>>>>);

impl SnapshotCell {
    /// The newest snapshot.
    pub fn read(&self) -> Option<Arc<Snapshot>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a newer one in place. Returns the one before.
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
