//! What several systems of sync do with the same data: one role each.

use std::sync::Arc;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{Finalized, Head, States},
    clock::{SlotClock, UnixTime, first_interval},
    containers::{
        BlocksByRootRequest, Checkpoint, RequestedRoots, Root, SignedBlock, Slot, State, Status,
    },
    messages::{BlockReceived, InputId, Source},
    network::{
        LastStatus, NetworkCommand, Peer, PeerFault, PeerFaulted, PeerId, PeersById, Request,
        RequestId,
    },
    sync::{
        Asked, BatchRequest, Ended, HistoryRequest, PeerSync, RequestsById, RequestsByRoot,
        RootRequest, StatusRequest,
    },
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

    /// How long the slot has lasted, in milliseconds.
    pub fn into_slot_ms(&self) -> u64 {
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

    /// What this node says of its chain.
    pub fn status(&self) -> Status {
        Status { finalized: self.finalized.0, head: self.head.0 }
    }

    /// The post-state of a block, if it is at hand.
    pub fn state(&self, root: &Root) -> Option<&State> {
        self.states.get(root).map(AsRef::as_ref)
    }
}

/// The connected peers, how they have done, and what they did wrong.
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
    /// Every peer with what sync looks at, by id.
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

    /// How a peer has done, while it is connected.
    pub fn sync_mut(&mut self, peer: &PeerId) -> Option<Mut<'_, PeerSync>> {
        let entity = self.by_id.get(peer)?;
        self.connected.get_mut(entity).ok().map(|(_, sync, _)| sync)
    }

    /// Announces what a peer did wrong, and leaves it alone for a while.
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

    /// Notes that a block which a peer sent was imported.
    pub fn credit(&mut self, peer: &PeerId) {
        if let Some(mut sync) = self.sync_mut(peer) {
            sync.backoff.reset();
            sync.claims_since_ms = None;
        }
    }

    /// Notes what a peer says of its chain. It is seen by the systems after this one.
    pub fn note_status(&mut self, peer: &PeerId, status: Status) {
        let at_ms = self.now.ms();
        if let Some(entity) = self.by_id.get(peer) {
            self.commands.entity(entity).insert(LastStatus { status, at_ms });
        }
    }

    /// The peers that are due by when their status was asked for last and when one was heard, both in
    /// Unix milliseconds; by id.
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
}

/// What a request was for, and what has come of it.
#[derive(Debug)]
pub enum Purpose {
    /// A status.
    Status,
    /// One block by its root.
    Root(Root),
    /// A batch of blocks.
    Batch(BatchRequest),
    /// Blocks from before the anchor.
    History(HistoryRequest),
}

/// A request that has ended.
#[derive(Debug)]
pub struct EndedRequest {
    /// Its name.
    pub id: RequestId,
    /// Who was asked.
    pub peer: PeerId,
    /// What it was for.
    pub purpose: Purpose,
}

/// Counts requests, so that every one has a name of its own.
#[derive(Resource, Debug, Default)]
pub struct RequestNumbers(u64);

/// A request, and what has come of it.
type RequestParts = (
    &'static Asked,
    Has<StatusRequest>,
    Option<&'static RootRequest>,
    Option<&'static mut BatchRequest>,
    Option<&'static mut HistoryRequest>,
);

/// This node's requests under way. A request that was sent or has ended in this update is found, or
/// not found any more, at once.
#[derive(SystemParam)]
pub struct Requests<'w, 's> {
    by_id: ResMut<'w, RequestsById>,
    by_root: ResMut<'w, RequestsByRoot>,
    numbers: ResMut<'w, RequestNumbers>,
    parts: Query<'w, 's, RequestParts>,
    network: MessageWriter<'w, NetworkCommand>,
    commands: Commands<'w, 's>,
}

impl Requests<'_, '_> {
    fn send(
        &mut self,
        peers: &mut Peers,
        peer: &PeerId,
        request: Request,
        deadline_ms: u64,
        purpose: impl Bundle,
    ) -> (RequestId, Entity) {
        let id = RequestId(self.numbers.0);
        self.numbers.0 += 1;
        let number = self.numbers.0;
        if let Some(mut sync) = peers.sync_mut(peer)
            && !matches!(request, Request::Status(_))
        {
            sync.last_asked = number;
        }
        let deadline_ms = peers.now.ms().saturating_add(deadline_ms);
        let asked = Asked { id, peer: peer.clone(), deadline_ms };
        let entity = self.commands.spawn((asked, purpose)).id();
        self.by_id.note_spawned(id, entity);
        self.network.write(NetworkCommand::Request { id, peer: peer.clone(), request });
        (id, entity)
    }

    /// Sends a request for a status, a batch or old blocks, whose answer is kept in `purpose`.
    pub fn ask(
        &mut self,
        peers: &mut Peers,
        peer: &PeerId,
        request: Request,
        deadline_ms: u64,
        purpose: impl Bundle,
    ) -> RequestId {
        self.send(peers, peer, request, deadline_ms, purpose).0
    }

    /// Sends a request for one block by its root, for which there is no request under way.
    pub fn ask_for_root(
        &mut self,
        peers: &mut Peers,
        peer: &PeerId,
        root: Root,
        deadline_ms: u64,
    ) -> RequestId {
        let roots = vec![root].try_into().expect("one root is within the limit");
        let roots = RequestedRoots(roots);
        let request = Request::BlocksByRoot(BlocksByRootRequest { roots });
        let (id, entity) = self.send(peers, peer, request, deadline_ms, RootRequest(root));
        self.by_root.note_spawned(root, entity);
        id
    }

    /// Returns true if this root is asked for.
    pub fn is_asked_for(&self, root: &Root) -> bool {
        self.by_root.get(root).is_some()
    }

    /// How many roots are asked for.
    pub fn roots(&self) -> usize {
        self.by_root.len()
    }

    /// Who was asked, while the request is under way.
    pub fn peer_of(&self, id: RequestId) -> Option<PeerId> {
        let (asked, ..) = self.parts.get(self.by_id.get(id)?).ok()?;
        Some(asked.peer.clone())
    }

    /// Returns true if a request under way asks for a status.
    pub fn is_for_status(&self, id: RequestId) -> bool {
        let entity = self.by_id.get(id);
        entity.and_then(|entity| self.parts.get(entity).ok()).is_some_and(|(_, is, ..)| is)
    }

    /// Returns true if a request under way asks for old blocks.
    pub fn is_for_history(&self, id: RequestId) -> bool {
        let entity = self.by_id.get(id);
        let parts = entity.and_then(|entity| self.parts.get(entity).ok());
        parts.is_some_and(|(.., history)| history.is_some())
    }

    /// The root that a request under way asks for, if it asks for one.
    pub fn root(&self, id: RequestId) -> Option<Root> {
        let (_, _, root, ..) = self.parts.get(self.by_id.get(id)?).ok()?;
        root.map(|root| root.0)
    }

    /// What has come of the batch that a request under way asks for, if it asks for one.
    pub fn batch(&self, id: RequestId) -> Option<&BatchRequest> {
        let (_, _, _, batch, _) = self.parts.get(self.by_id.get(id)?).ok()?;
        batch
    }

    /// The same, to add to it.
    pub fn batch_mut(&mut self, id: RequestId) -> Option<Mut<'_, BatchRequest>> {
        let (_, _, _, batch, _) = self.parts.get_mut(self.by_id.get(id)?).ok()?;
        batch
    }

    /// What has come of the old blocks that a request under way asks for, if it asks for some.
    pub fn history_mut(&mut self, id: RequestId) -> Option<Mut<'_, HistoryRequest>> {
        let (.., history) = self.parts.get_mut(self.by_id.get(id)?).ok()?;
        history
    }

    /// Notes that the network has said the last of a request: it need not be told to give it up.
    pub fn note_ended(&mut self, id: RequestId) {
        if let Some(entity) = self.by_id.get(id) {
            self.commands.entity(entity).insert(Ended);
        }
    }

    /// Ends a request, and says what it was for and what has come of it.
    pub fn end(&mut self, id: RequestId) -> Option<EndedRequest> {
        let entity = self.by_id.get(id)?;
        let (asked, is_status, root, batch, history) = self.parts.get_mut(entity).ok()?;
        let peer = asked.peer.clone();
        let purpose = match (root, batch, history) {
            _ if is_status => Purpose::Status,
            (Some(RootRequest(root)), ..) => {
                self.by_root.note_despawned(root);
                Purpose::Root(*root)
            }
            (_, Some(mut batch), _) => {
                let received = std::mem::take(&mut batch.received);
                Purpose::Batch(BatchRequest { received, ..batch.clone() })
            }
            (_, _, Some(mut history)) => {
                let received = std::mem::take(&mut history.received);
                Purpose::History(HistoryRequest { received, ..history.clone() })
            }
            _ => return None,
        };
        self.give_up(id);
        Some(EndedRequest { id, peer, purpose })
    }

    /// Gives a request up, whatever has come of it.
    pub fn give_up(&mut self, id: RequestId) {
        if let Some(entity) = self.by_id.get(id) {
            self.by_id.note_despawned(id);
            self.commands.entity(entity).despawn();
        }
    }

    /// The requests to peers that are gone, in the order in which they were sent.
    pub fn to_gone(&self, is_gone: impl Fn(&PeerId) -> bool) -> Vec<RequestId> {
        self.those(|asked| is_gone(&asked.peer))
    }

    /// The requests whose deadline has passed, in the order in which they were sent.
    pub fn overdue(&self, now_ms: u64) -> Vec<RequestId> {
        self.those(|asked| asked.deadline_ms <= now_ms)
    }

    fn those(&self, is_meant: impl Fn(&Asked) -> bool) -> Vec<RequestId> {
        let under_way = |asked: &Asked| self.by_id.get(asked.id).is_some();
        let asked = self.parts.iter().map(|(asked, ..)| asked);
        let meant = asked.filter(|asked| is_meant(asked) && under_way(asked));
        let mut ids: Vec<RequestId> = meant.map(|asked| asked.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Who is being asked for a status.
    pub fn asked_for_status(&self) -> Vec<PeerId> {
        let asked = self.parts.iter().filter(|(_, is_status, ..)| *is_status);
        asked.map(|(asked, ..)| asked.peer.clone()).collect()
    }
}

/// The way into the import for blocks that the node asked for.
#[derive(SystemParam)]
pub struct ImportDoor<'w> {
    requested: ResMut<'w, RequestedBlocks>,
    received: MessageWriter<'w, BlockReceived>,
    waker: Res<'w, NodeWaker>,
}

impl ImportDoor<'_> {
    /// Hands a block that was asked for to the import. It is admitted in the next update, which is
    /// asked for.
    pub fn hand_in(&mut self, handed: HandedIn, block: Arc<SignedBlock>) {
        let (root, source) = (handed.root, Source::Peer(handed.peer.clone()));
        let id = self.requested.add(handed);
        self.received.write(BlockReceived { id, source, root, block });
        self.waker.wake();
    }

    /// Lets blocks arrive again that were held.
    pub fn release(&mut self, blocks: Vec<BlockReceived>) {
        if !blocks.is_empty() {
            self.waker.wake();
            self.received.write_batch(blocks);
        }
    }

    /// Takes where a block came from that is judged.
    pub fn take(&mut self, id: InputId) -> Option<HandedIn> {
        self.requested.take(id)
    }

    /// Blocks of a round that are not judged yet.
    pub fn pending_of(&self, round: u64) -> usize {
        self.requested.pending_of(round)
    }
}
