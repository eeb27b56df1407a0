//! The roles of sync: code that several systems share for the same data.

use std::sync::Arc;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{Finalized, Head, States},
    clock::{SlotClock, UnixTime, first_interval},
    containers::{Checkpoint, Root, SignedBlock, Slot, State, Status},
    messages::{BlockReceived, InputId, Source},
    network::{LastStatus, Peer, PeerFault, PeerFaulted, PeerId, PeersById, RequestId},
    sync::{Asked, PeerSync, StatusRequest},
    tree::BlockTree,
    waker::NodeWaker,
};

use super::{
    handed::{HandedIn, RequestedBlocks},
    target::PeerView,
};

/// The time of an update.
#[derive(SystemParam)]
pub struct Now<'w> {
    time: Res<'w, UnixTime>,
    clock: Res<'w, SlotClock>,
}

impl Now<'_> {
    /// Unix milliseconds.
    pub fn ms(&self) -> u64 {
        self.time.now_ms
    }

    /// The slot of the clock.
    pub fn slot(&self) -> Slot {
        self.clock.current_slot(self.time.now_ms)
    }

    /// The time since the start of the slot, in milliseconds.
    pub fn ms_into_slot(&self) -> u64 {
        let begin_ms = self.clock.interval_start_ms(first_interval(self.slot()));
        self.time.now_ms.saturating_sub(begin_ms)
    }
}

/// This node's own chain.
#[derive(SystemParam)]
pub struct OwnChain<'w> {
    head: Res<'w, Head>,
    finalized: Res<'w, Finalized>,
    states: Res<'w, States>,
    /// The blocks.
    pub tree: Res<'w, BlockTree>,
}

impl OwnChain<'_> {
    /// The head.
    pub fn head(&self) -> Checkpoint {
        self.head.0
    }

    /// The finalized checkpoint.
    pub fn finalized(&self) -> Checkpoint {
        self.finalized.0
    }

    /// This node's status.
    pub fn status(&self) -> Status {
        Status { finalized: self.finalized.0, head: self.head.0 }
    }

    /// The post-state of a block, if it is in memory.
    pub fn state(&self, root: &Root) -> Option<&State> {
        self.states.get(root).map(AsRef::as_ref)
    }
}

/// The connected peers, their records and their faults.
#[derive(SystemParam)]
pub struct Peers<'w, 's> {
    by_id: Res<'w, PeersById>,
    connected: Query<'w, 's, (&'static Peer, &'static mut PeerSync, Option<&'static LastStatus>)>,
    asked: Query<'w, 's, &'static Asked, Without<StatusRequest>>,
    faults: MessageWriter<'w, PeerFaulted>,
    commands: Commands<'w, 's>,
    /// The time.
    pub now: Now<'w>,
}

impl Peers<'_, '_> {
    /// Every peer with the data that sync uses, by id.
    pub fn views(&self) -> Vec<PeerView> {
        let now_ms = self.now.ms();
        let mut in_flight: Vec<&PeerId> = self.asked.iter().map(|asked| &asked.peer).collect();
        in_flight.sort_unstable();
        let count = |id: &PeerId| {
            in_flight.partition_point(|each| *each <= id)
                - in_flight.partition_point(|each| *each < id)
        };
        let mut views: Vec<PeerView> = self
            .connected
            .iter()
            .map(|(peer, sync, status)| PeerView {
                id: peer.id.clone(),
                status: status.map(|last| last.status),
                status_age_ms: status.map_or(u64::MAX, |last| now_ms.saturating_sub(last.at_ms)),
                in_flight: count(&peer.id),
                sync: *sync,
                is_backed_off: sync.backoff.is_on(now_ms),
                is_doubted: sync.is_doubted(now_ms),
            })
            .collect();
        views.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        views
    }

    /// Returns true while a peer is connected.
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.by_id.get(peer).is_some()
    }

    /// The record of a peer, while it is connected.
    pub fn sync_mut(&mut self, peer: &PeerId) -> Option<Mut<'_, PeerSync>> {
        let entity = self.by_id.get(peer)?;
        self.connected.get_mut(entity).ok().map(|(_, sync, _)| sync)
    }

    /// Returns true if a request was sent on the peer's current connection.
    pub fn is_asked_on_this_connection(&self, peer: &PeerId, request: RequestId) -> bool {
        let connected = self.by_id.get(peer).and_then(|entity| self.connected.get(entity).ok());
        connected.is_some_and(|(_, sync, _)| sync.first_request <= request)
    }

    /// Announces a fault of a peer, and does not ask it for a while.
    pub fn blame(&mut self, peer: &PeerId, fault: PeerFault) {
        let now_ms = self.now.ms();
        if let Some(mut sync) = self.sync_mut(peer) {
            sync.fail(now_ms);
        }
        self.faults.write(PeerFaulted { peer: peer.clone(), fault });
    }

    /// Notes that a peer answered well.
    pub fn praise(&mut self, peer: &PeerId) {
        if let Some(mut sync) = self.sync_mut(peer) {
            sync.backoff.reset();
        }
    }

    /// Notes that a block from this peer was imported.
    pub fn credit(&mut self, peer: &PeerId) {
        if let Some(mut sync) = self.sync_mut(peer) {
            sync.backoff.reset();
            sync.claims_since_ms = None;
        }
    }

    /// Notes a peer's status. The systems after this one see it.
    pub fn note_status(&mut self, peer: &PeerId, status: Status) {
        let at_ms = self.now.ms();
        if let Some(entity) = self.by_id.get(peer) {
            self.commands.entity(entity).insert(LastStatus { status, at_ms });
        }
    }

    /// The peers for which `is_due` is true, ordered by id. It gets the time at which the peer's
    /// status was last requested and the time at which one last arrived, both in Unix milliseconds.
    pub fn due(&self, is_due: impl Fn(Option<u64>, Option<u64>) -> bool) -> Vec<PeerId> {
        let connected = self
            .connected
            .iter()
            .filter(|(_, sync, last)| is_due(sync.status_asked_ms, last.map(|last| last.at_ms)));
        let mut due: Vec<PeerId> = connected.map(|(peer, ..)| peer.id.clone()).collect();
        due.sort_unstable();
        due
    }

    /// Returns true if a peer claims this head.
    pub fn claims(&self, peer: &PeerId, head: Checkpoint) -> bool {
        let connected = self.by_id.get(peer).and_then(|entity| self.connected.get(entity).ok());
        connected.and_then(|(_, _, last)| last).is_some_and(|last| last.status.head == head)
    }

    /// Returns true if a peer claims to have finalized a block of this slot, or of a later one.
    pub fn has_finalized(&self, peer: &PeerId, slot: Slot) -> bool {
        let connected = self.by_id.get(peer).and_then(|entity| self.connected.get(entity).ok());
        let last = connected.and_then(|(_, _, last)| last);
        last.is_some_and(|last| last.status.finalized.slot >= slot)
    }
}

/// The way into the import for requested blocks.
#[derive(SystemParam)]
pub struct ImportDoor<'w> {
    requested: ResMut<'w, RequestedBlocks>,
    received: MessageWriter<'w, BlockReceived>,
    waker: Res<'w, NodeWaker>,
}

impl ImportDoor<'_> {
    /// Passes a requested block to the import. It is admitted in the next update, and the runner is
    /// woken for it.
    pub fn hand_in(&mut self, handed: HandedIn, block: Arc<SignedBlock>) {
        let (root, source) = (handed.root, Source::Peer(handed.peer.clone()));
        let id = self.requested.add(handed);
        self.received.write(BlockReceived { id, source, root, block });
        self.waker.wake();
    }

    /// Admits waiting blocks again.
    pub fn release(&mut self, blocks: Vec<BlockReceived>) {
        if !blocks.is_empty() {
            self.waker.wake();
            self.received.write_batch(blocks);
        }
    }

    /// Takes the origin of a block that was judged.
    pub fn take(&mut self, id: InputId) -> Option<HandedIn> {
        self.requested.take(id)
    }

    /// The number of blocks of a round that are not judged yet.
    pub fn pending_of(&self, round: u64) -> usize {
        self.requested.pending_of(round)
    }
}
