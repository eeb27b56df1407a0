//! A node's side of the network. It lives as long as the node.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::Duration,
};

use quintet_components::{
    messages::{AggregateReceived, AttestationReceived, BlockReceived, InputId},
    network::{self, Direction, InboundRequestId, PeerEvent, RequestEvent, RequestId},
};
use tokio::time::Instant;

use super::edge::Content;
use crate::{
    InboundLanes,
    network::{Rates, peers::Peers, requests::Expected},
};

/// The time for which a message is remembered, so that its copies are ignored.
const SEEN_MS: u64 = 120_000;
/// The time after which a message's verdict comes too late to pass the message on.
pub(super) const VERDICT_MS: u64 = 3_500;

/// A gossip message under way.
#[derive(Debug)]
pub(super) struct Gossip {
    pub(super) id: u128,
    pub(super) content: Content,
    /// The block's root; zero for other messages.
    pub(super) root: quintet_components::containers::Root,
    /// Its length as it is sent.
    pub(super) bytes: usize,
}

/// A message that the world has not judged.
pub(super) struct Waiting {
    pub(super) gossip: Arc<Gossip>,
    pub(super) from: usize,
    pub(super) since_ms: u64,
}

/// A request of this node under way.
pub(super) struct Asking {
    pub(super) peer: usize,
    pub(super) expected: Expected,
    /// The time of the newest arrival.
    pub(super) progress_ms: u64,
}

/// A peer's request that the world has not answered.
#[derive(Clone, Copy)]
pub(super) struct Serving {
    pub(super) peer: usize,
    pub(super) connection: u64,
    pub(super) request: RequestId,
    pub(super) is_range: bool,
}

/// Takes a part of a message's id, which is a hash already.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
}

/// One node's side of the network.
pub(super) struct Port {
    /// The origin of virtual time, for code that needs an instant.
    base: Instant,
    pub(super) book: Peers,
    /// Connected peers, each with its connection's number.
    pub(super) peers: BTreeMap<usize, u64>,
    seen: HashSet<u128, BuildHasherDefault<IdHasher>>,
    seen_order: VecDeque<(u64, u128)>,
    waiting: BTreeMap<InputId, Waiting>,
    next_input: u64,
    pub(super) asking: BTreeMap<RequestId, Asking>,
    pub(super) serving: BTreeMap<InboundRequestId, Serving>,
    next_served: u64,
    pub(super) subnets: Vec<u64>,
    /// Events for which their lane had no room.
    peer_events: VecDeque<PeerEvent>,
    request_events: VecDeque<RequestEvent>,
    /// True while scores are checked every second.
    pub(super) is_tending: bool,
}

/// The id of a node in libp2p's form.
pub(super) fn identity(node: usize) -> libp2p::PeerId {
    let mut bytes = vec![0, 8];
    bytes.extend((node as u64).to_be_bytes());
    libp2p::PeerId::from_bytes(&bytes).expect("an identity multihash of eight bytes")
}

impl Port {
    pub(super) fn new(subnets: Vec<u64>) -> Self {
        Self {
            base: Instant::now(),
            book: Peers::new(Rates::default()),
            peers: BTreeMap::new(),
            seen: HashSet::default(),
            seen_order: VecDeque::new(),
            waiting: BTreeMap::new(),
            next_input: 0,
            asking: BTreeMap::new(),
            serving: BTreeMap::new(),
            next_served: 0,
            subnets,
            peer_events: VecDeque::new(),
            request_events: VecDeque::new(),
            is_tending: false,
        }
    }

    /// A virtual time as an instant. Only differences of instants have a meaning.
    pub(super) fn instant(&self, now_ms: u64) -> Instant {
        self.base + Duration::from_millis(now_ms)
    }

    /// Notes a message. Returns false if it is known.
    pub(super) fn see(&mut self, id: u128, now_ms: u64) -> bool {
        while let Some((since, old)) = self.seen_order.front().copied()
            && since + SEEN_MS < now_ms
        {
            self.seen.remove(&old);
            self.seen_order.pop_front();
        }
        let is_new = self.seen.insert(id);
        if is_new {
            self.seen_order.push_back((now_ms, id));
        }
        is_new
    }

    /// Returns true if the message is known.
    pub(super) fn has_seen(&self, id: u128) -> bool {
        self.seen.contains(&id)
    }

    /// Forgets a message that was not checked, so that another copy of it is handled.
    pub(super) fn forget(&mut self, id: u128) {
        self.seen.remove(&id);
    }

    /// Passes a message to the world. Returns false if its lane is full, or if the largest number
    /// of its kind already waits.
    pub(super) fn offer(&mut self, lanes: &InboundLanes, waiting: Waiting, most: usize) -> bool {
        let is_full = match &waiting.gossip.content {
            Content::Block(_) => lanes.blocks.depth() >= most,
            Content::Aggregate(_) => lanes.aggregates.depth() >= most,
            Content::Attestation(_) => lanes.attestations.depth() >= most,
        };
        if is_full {
            return false;
        }
        let id = InputId(self.next_input);
        self.next_input += 1;
        let sender = self.book.name_of(&identity(waiting.from));
        let taken = match &waiting.gossip.content {
            Content::Block(block) => {
                let (root, block) = (waiting.gossip.root, Arc::clone(block));
                let source = quintet_components::messages::Source::Peer(sender);
                lanes.blocks.offer(BlockReceived { id, source, root, block })
            }
            Content::Aggregate(aggregate) => {
                let received = AggregateReceived::new(id, Arc::clone(aggregate));
                lanes.aggregates.offer(received.sent_by(sender))
            }
            Content::Attestation(attestation) => {
                let received = AttestationReceived::new(id, Arc::clone(attestation));
                lanes.attestations.offer(received.sent_by(sender))
            }
        };
        if taken {
            self.waiting.insert(id, waiting);
        }
        taken
    }

    /// Takes the message that was judged.
    pub(super) fn judged(&mut self, id: InputId) -> Option<Waiting> {
        self.waiting.remove(&id)
    }

    /// Adds a connected peer. Returns true if the world did not know that it was connected.
    pub(super) fn connect(
        &mut self,
        peer: usize,
        (connection, direction): (u64, Direction),
        now_ms: u64,
    ) -> bool {
        if self.peers.insert(peer, connection).is_some() {
            return false;
        }
        let now = self.instant(now_ms);
        let state = self.book.connect(identity(peer), now);
        state.begin();
        let name = state.name.clone();
        let address = format!("/ip4/10.0.0.{peer}/udp/9000/quic-v1/p2p/{name}");
        self.tell(PeerEvent::Connected { peer: name.clone(), direction, address });
        self.tell(PeerEvent::Identified { peer: name, agent: "quintet/simulated".into() });
        true
    }

    /// Queues an event for the world.
    pub(super) fn tell(&mut self, event: PeerEvent) {
        self.peer_events.push_back(event);
    }

    /// Queues an event of a request.
    pub(super) fn tell_request(&mut self, event: RequestEvent) {
        self.request_events.push_back(event);
    }

    /// Passes queued events to the world as far as there is room.
    pub(super) fn flush(&mut self, lanes: &InboundLanes) {
        while let Some(event) = self.peer_events.pop_front() {
            if let Err(event) = lanes.peers.try_offer(event) {
                self.peer_events.push_front(event);
                break;
            }
        }
        while let Some(event) = self.request_events.pop_front() {
            if let Err(event) = lanes.request_events.try_offer(event) {
                self.request_events.push_front(event);
                break;
            }
        }
    }

    /// Adds a peer's request, and returns its id.
    pub(super) fn serve(&mut self, serving: Serving) -> InboundRequestId {
        let id = InboundRequestId(self.next_served);
        self.next_served += 1;
        self.serving.insert(id, serving);
        id
    }

    /// The name by which the world knows a node.
    pub(super) fn name_of(&self, node: usize) -> network::PeerId {
        self.book.name_of(&identity(node))
    }
}
