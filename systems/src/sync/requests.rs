//! The role with which systems send and end this node's requests.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    containers::{BlocksByRootRequest, RequestedRoots, Root},
    network::{NetworkCommand, PeerId, Request, RequestId},
    sync::{
        Asked, BatchRequest, Ended, HistoryRequest, RequestsById, RequestsByRoot, RootRequest,
        StatusRequest,
    },
};

use super::roles::Peers;

/// The purpose of a request, and the blocks that have arrived.
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
    /// The peer.
    pub peer: PeerId,
    /// Its purpose.
    pub purpose: Purpose,
}

/// Counts requests, so that each one has its own id.
#[derive(Resource, Debug, Default)]
pub struct RequestNumbers(u64);

impl RequestNumbers {
    /// The id of the next request.
    pub(super) const fn next(&self) -> RequestId {
        RequestId(self.0)
    }
}

/// A request, and its results so far.
type RequestParts = (
    &'static Asked,
    Has<StatusRequest>,
    Option<&'static RootRequest>,
    Option<&'static mut BatchRequest>,
    Option<&'static mut HistoryRequest>,
);

/// This node's open requests. A request that was sent or ended in this update is found, or no
/// longer found, at once.
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

    /// Sends a request for a status, a batch or old blocks. Its answer is collected in `purpose`.
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

    /// Sends a request for one block by its root, for which there is no open request.
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

    /// Returns true if this root is requested.
    pub fn is_asked_for(&self, root: &Root) -> bool {
        self.by_root.get(root).is_some()
    }

    /// The number of requested roots.
    pub fn roots(&self) -> usize {
        self.by_root.len()
    }

    /// The peer of an open request.
    pub fn peer_of(&self, id: RequestId) -> Option<PeerId> {
        let (asked, ..) = self.parts.get(self.by_id.get(id)?).ok()?;
        Some(asked.peer.clone())
    }

    /// Returns true if an open request asks for a status.
    pub fn is_for_status(&self, id: RequestId) -> bool {
        let entity = self.by_id.get(id);
        entity.and_then(|entity| self.parts.get(entity).ok()).is_some_and(|(_, is, ..)| is)
    }

    /// Returns true if an open request asks for old blocks.
    pub fn is_for_history(&self, id: RequestId) -> bool {
        let entity = self.by_id.get(id);
        let parts = entity.and_then(|entity| self.parts.get(entity).ok());
        parts.is_some_and(|(.., history)| history.is_some())
    }

    /// The root that an open request asks for, if it asks for one.
    pub fn root(&self, id: RequestId) -> Option<Root> {
        let (_, _, root, ..) = self.parts.get(self.by_id.get(id)?).ok()?;
        root.map(|root| root.0)
    }

    /// The batch of an open request, if it asks for one.
    pub fn batch(&self, id: RequestId) -> Option<&BatchRequest> {
        let (_, _, _, batch, _) = self.parts.get(self.by_id.get(id)?).ok()?;
        batch
    }

    /// The same, mutable.
    pub fn batch_mut(&mut self, id: RequestId) -> Option<Mut<'_, BatchRequest>> {
        let (_, _, _, batch, _) = self.parts.get_mut(self.by_id.get(id)?).ok()?;
        batch
    }

    /// The old blocks of an open request, if it asks for some.
    pub fn history_mut(&mut self, id: RequestId) -> Option<Mut<'_, HistoryRequest>> {
        let (.., history) = self.parts.get_mut(self.by_id.get(id)?).ok()?;
        history
    }

    /// Notes that the network has reported the end of a request, so that it need not be told to
    /// cancel it.
    pub fn note_ended(&mut self, id: RequestId) {
        if let Some(entity) = self.by_id.get(id) {
            self.commands.entity(entity).insert(Ended);
        }
    }

    /// Ends a request. Returns its purpose and its results.
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
        Some(EndedRequest { peer, purpose })
    }

    /// Cancels a request, whatever has arrived.
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

    /// The peers that are being asked for a status.
    pub fn asked_for_status(&self) -> Vec<PeerId> {
        let asked = self.parts.iter().filter(|(_, is_status, ..)| *is_status);
        asked.map(|(asked, ..)| asked.peer.clone()).collect()
    }
}
