//! A node with sync in a network of scripted peers. Time is turned by hand in steps of 100 ms.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bevy_app::App;
use bevy_ecs::message::{MessageCursor, Messages};
use quintet_components::{
    chain::{Finalized, Head},
    clock::{SlotClock, UnixTime},
    constants::{INTERVALS_PER_SLOT, SLOT_DURATION_MS},
    containers::{Checkpoint, Root, SignedBlock, Slot, Status},
    duties::Signing,
    messages::{BlockReceived, InputId},
    network::{
        Answer, Direction, DisconnectReason, InboundRequestId, NetworkCommand, PeerEvent, PeerId,
        Request, RequestEvent, RequestFailure, RequestId, RequestReceived,
    },
    sync::{
        Asked, BatchRequest, DutyGate, Orphans, RequestsByRoot, RootRequest, StatusRequest,
        SyncCounts, SyncState, limits,
    },
    tree::BlockTree,
};
use quintet_plugins::{DutiesPlugin, InboundLanes, SyncPlugin};
use quintet_systems::{
    fork_choice::import::ImportQueue,
    sync::{RangeSync, RequestedBlocks},
};

use crate::{
    support::node::{Setup, TestNode},
    sync::{
        ledger::Chain,
        peers::{Behaviour, Reply, ScriptedPeer},
    },
};

const STEP_MS: u64 = 100;

pub struct SyncWorld {
    pub node: TestNode,
    pub now_ms: u64,
    pub peers: BTreeMap<PeerId, ScriptedPeer>,
    /// The node's answers.
    pub answers: BTreeMap<InboundRequestId, Answer>,
    /// Connections that the node closed.
    pub closed: Vec<(PeerId, DisconnectReason)>,
    /// Peers that the node called anew, and when.
    pub called_anew: Vec<(u64, PeerId)>,
    /// Points that each peer has lost.
    pub points: HashMap<PeerId, f64>,
    /// Every request that was sent, in order.
    pub sent: Vec<(PeerId, Request)>,
    /// Roots asked for, with how often.
    pub roots_asked: HashMap<Root, usize>,
    /// The most blocks that were asked for and waited for the import at one time.
    pub waiting_at_most: usize,
    open: BTreeMap<RequestId, (PeerId, Request)>,
    pending: Vec<(u64, u64, RequestId, RequestEvent)>,
    commands: MessageCursor<NetworkCommand>,
    sequence: u64,
}

fn connected(peer: &PeerId) -> PeerEvent {
    PeerEvent::Connected {
        peer: peer.clone(),
        direction: Direction::Outbound,
        address: format!("/ip4/127.0.0.1/udp/1/quic-v1/p2p/{peer}"),
    }
}

impl SyncWorld {
    /// A node on the chain's anchor, at the beginning of this slot.
    pub fn at_slot(chain: &Chain, slot: Slot) -> Self {
        Self::with(chain, slot, |_| ())
    }

    /// A node with validators.
    pub fn with_duties(chain: &Chain, slot: Slot, signing: Signing) -> Self {
        Self::with(chain, slot, |app| _ = app.add_plugins(DutiesPlugin { signing }))
    }

    /// A node with one more plugin.
    pub fn with(chain: &Chain, slot: Slot, plugin: impl FnOnce(&mut App) + 'static) -> Self {
        let setup = Setup::new(chain.anchor.clone())
            .accepting_signatures()
            .with(|app: &mut App| _ = app.add_plugins(SyncPlugin))
            .with(plugin);
        let node = TestNode::new(setup);
        let mut world = Self {
            node,
            now_ms: 0,
            peers: BTreeMap::new(),
            answers: BTreeMap::new(),
            closed: Vec::new(),
            called_anew: Vec::new(),
            points: HashMap::new(),
            sent: Vec::new(),
            roots_asked: HashMap::new(),
            waiting_at_most: 0,
            open: BTreeMap::new(),
            pending: Vec::new(),
            commands: MessageCursor::default(),
            sequence: 0,
        };
        world.now_ms = world.slot_start_ms(slot);
        world.set_time();
        // The clock walks at most 64 slots an update.
        while world.node.time() < slot * INTERVALS_PER_SLOT {
            world.update();
        }
        world
    }

    pub fn slot_start_ms(&mut self, slot: Slot) -> u64 {
        self.node.world().resource::<SlotClock>().interval_start_ms(slot * INTERVALS_PER_SLOT)
    }

    fn set_time(&mut self) {
        let now_ms = self.now_ms;
        self.node.world().resource_mut::<UnixTime>().now_ms = now_ms;
    }

    /// A peer connects that behaves so, and claims the head of its chain.
    pub fn connect(&mut self, name: &str, chain: &Arc<Chain>, behaviour: Behaviour) {
        let status = chain.status();
        self.connect_with(name, chain, behaviour, status);
    }

    /// A peer connects that claims this.
    pub fn connect_with(
        &mut self,
        name: &str,
        chain: &Arc<Chain>,
        behaviour: Behaviour,
        status: Status,
    ) {
        let id = PeerId::from(name);
        let chain = Arc::clone(chain);
        self.peers.insert(id.clone(), ScriptedPeer { chain, behaviour, status });
        self.node.world().write_message(connected(&id));
        self.update();
    }

    pub fn disconnect(&mut self, name: &str, reason: DisconnectReason) {
        self.drop_peer(&PeerId::from(name), reason);
    }

    fn drop_peer(&mut self, peer: &PeerId, reason: DisconnectReason) {
        if self.peers.remove(peer).is_none() {
            return;
        }
        let lost: Vec<RequestId> =
            self.open.iter().filter(|(_, (of, _))| of == peer).map(|(id, _)| *id).collect();
        for id in lost {
            self.pending.retain(|(_, _, of, _)| *of != id);
            self.open.remove(&id);
            let result = Err(RequestFailure::Disconnected);
            self.node.world().write_message(RequestEvent::Ended { id, result });
        }
        let peer = peer.clone();
        self.node.world().write_message(PeerEvent::Disconnected { peer, reason });
    }

    /// Lets time pass.
    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms = (self.now_ms + STEP_MS).min(end);
            self.set_time();
            self.settle();
        }
    }

    pub fn run_slots(&mut self, slots: u64) {
        self.run_ms(slots * SLOT_DURATION_MS);
    }

    /// Lets time pass until it is so, at most this many slots. Returns whether it is.
    pub fn run_until(&mut self, slots: u64, is_so: impl Fn(&mut Self) -> bool) -> bool {
        for _ in 0..slots * SLOT_DURATION_MS / STEP_MS {
            if is_so(self) {
                return true;
            }
            self.run_ms(STEP_MS);
        }
        is_so(self)
    }

    /// The clock jumps without an update in between, as when a machine slept.
    pub fn sleep_slots(&mut self, slots: u64) {
        self.now_ms += slots * SLOT_DURATION_MS;
        self.set_time();
        self.update();
    }

    /// Updates until nothing moves any more at this time.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            let before = (self.sequence, self.pending_inputs());
            let delivered = self.deliver();
            self.update();
            if !delivered && self.is_quiet() && before == (self.sequence, self.pending_inputs()) {
                return;
            }
        }
        panic!("the node never comes to rest");
    }

    fn pending_inputs(&mut self) -> usize {
        self.node.world().resource::<RequestedBlocks>().len()
    }

    fn is_quiet(&mut self) -> bool {
        let world = self.node.world();
        world.resource::<ImportQueue>().is_empty()
            && world.resource::<Messages<BlockReceived>>().iter_current_update_messages().count()
                == 0
    }

    /// One update, with every invariant looked at.
    pub fn update(&mut self) {
        self.node.update();
        let messages = self.node.world().resource::<Messages<NetworkCommand>>();
        let commands: Vec<NetworkCommand> = self.commands.read(messages).cloned().collect();
        for command in commands {
            self.sequence += 1;
            self.obey(command);
        }
        self.check();
    }

    fn obey(&mut self, command: NetworkCommand) {
        match command {
            NetworkCommand::Request { id, peer, request } => {
                self.sent.push((peer.clone(), request.clone()));
                if let Request::BlocksByRoot(request) = &request {
                    for root in &request.roots.0 {
                        *self.roots_asked.entry(*root).or_default() += 1;
                    }
                }
                assert!(self.open.insert(id, (peer.clone(), request.clone())).is_none());
                let Some(scripted) = self.peers.get_mut(&peer) else {
                    let result = Err(RequestFailure::Disconnected);
                    self.push(0, id, RequestEvent::Ended { id, result });
                    return;
                };
                let replies = scripted.reply(id, &request);
                for Reply { after_ms, event } in replies {
                    self.push(after_ms, id, event);
                }
            }
            NetworkCommand::Cancel(id) => {
                // It may have ended meanwhile.
                self.open.remove(&id);
                self.pending.retain(|(_, _, of, _)| *of != id);
            }
            NetworkCommand::Respond { id, answer } => {
                assert!(self.answers.insert(id, answer).is_none(), "answered twice");
            }
            NetworkCommand::Penalize { peer, points, .. } => {
                assert!(points > 0.0);
                let total = self.points.entry(peer.clone()).or_default();
                *total += points;
                if *total >= 100.0 {
                    self.drop_peer(&peer, DisconnectReason::LowScore);
                }
            }
            NetworkCommand::Disconnect { peer, reason, .. } => {
                self.closed.push((peer.clone(), reason.clone()));
                self.drop_peer(&peer, reason);
            }
            NetworkCommand::Reconnect(peer) => {
                self.called_anew.push((self.now_ms, peer.clone()));
                let Some(scripted) = self.peers.get(&peer).cloned() else { return };
                self.drop_peer(&peer, DisconnectReason::SilentMesh);
                self.node.world().write_message(connected(&peer));
                self.peers.insert(peer, scripted);
            }
            NetworkCommand::Subscribe(_) => {}
        }
    }

    fn push(&mut self, after_ms: u64, id: RequestId, event: RequestEvent) {
        self.sequence += 1;
        self.pending.push((self.now_ms + after_ms, self.sequence, id, event));
    }

    fn deliver(&mut self) -> bool {
        let now_ms = self.now_ms;
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|each| each.0 <= now_ms);
        self.pending = later;
        due.sort_by_key(|each| (each.0, each.1));
        let any = !due.is_empty();
        for (_, _, id, event) in due {
            if !self.open.contains_key(&id) {
                continue;
            }
            let ended = matches!(event, RequestEvent::Ended { .. });
            let broken = matches!(
                &event,
                RequestEvent::Ended { result: Err(RequestFailure::Disconnected), .. }
            );
            self.node.world().write_message(event);
            if ended
                && let Some((peer, _)) = self.open.remove(&id)
                && broken
            {
                self.drop_peer(&peer, DisconnectReason::ConnectionLost("reset".into()));
            }
        }
        any
    }

    /// Checks the rules that hold at every update.
    fn check(&mut self) {
        let world = self.node.world();
        let mut by_peer: HashMap<PeerId, usize> = HashMap::new();
        let mut asked = world.query::<(&Asked, Option<&StatusRequest>, Option<&RootRequest>)>();
        let mut roots = Vec::new();
        let mut statuses: Vec<PeerId> = Vec::new();
        for (asked, status, root) in asked.iter(world) {
            if status.is_some() {
                assert!(!statuses.contains(&asked.peer), "two status requests to one peer");
                statuses.push(asked.peer.clone());
            } else {
                *by_peer.entry(asked.peer.clone()).or_default() += 1;
            }
            if let Some(RootRequest(root)) = root {
                assert!(!roots.contains(root), "{root} is asked for twice");
                roots.push(*root);
            }
        }
        assert!(by_peer.values().sum::<usize>() <= limits::MAX_REQUESTS);
        assert!(by_peer.values().all(|count| *count <= limits::MAX_REQUESTS_PER_PEER));
        assert!(roots.len() <= limits::MAX_FETCHES);
        assert_eq!(world.resource::<RequestsByRoot>().len(), roots.len());
        let slots: u64 = world.query::<&BatchRequest>().iter(world).map(|batch| batch.count).sum();
        assert!(slots <= limits::BATCH_SLOTS * limits::MAX_BATCHES as u64);
        let orphans = world.resource::<Orphans>();
        assert!(orphans.len() <= limits::MAX_ORPHANS);
        assert!(orphans.bytes() <= limits::MAX_ORPHAN_BYTES);
        assert!(world.resource::<RangeSync>().bytes() <= limits::MAX_RANGE_BYTES);
        let waiting = world.resource::<RequestedBlocks>().len();
        self.waiting_at_most = self.waiting_at_most.max(waiting);
    }

    /// A block arrives by gossip, from nobody in particular.
    pub fn gossip(&mut self, block: &Arc<SignedBlock>) -> InputId {
        self.node.offer_block(SignedBlock::clone(block))
    }

    /// A block arrives by gossip from a peer.
    pub fn gossip_from(&mut self, name: &str, block: &Arc<SignedBlock>) -> InputId {
        // Far from the names that the node counts up.
        self.sequence += 1;
        let id = InputId((1 << 40) + self.sequence);
        let lanes = self.node.world().resource::<InboundLanes>().clone();
        let received = BlockReceived::new(id, Arc::clone(block)).sent_by(PeerId::from(name));
        assert!(lanes.blocks.offer(received), "lane is full");
        id
    }

    /// The name of a request under way to a peer.
    pub fn open_request(&self, name: &str, is_meant: impl Fn(&Request) -> bool) -> RequestId {
        let meant = |(peer, request): &(PeerId, Request)| *peer.0 == *name && is_meant(request);
        let open = self.open.iter().find(|(_, open)| meant(open));
        *open.expect("a request under way").0
    }

    /// A peer asks.
    pub fn ask(&mut self, name: &str, request: Request) -> Answer {
        self.sequence += 1;
        let id = InboundRequestId(self.sequence);
        let peer = PeerId::from(name);
        self.node.world().write_message(RequestReceived { id, peer, request });
        self.update();
        self.answers.remove(&id).expect("answered in the same update")
    }

    pub fn head(&mut self) -> Checkpoint {
        self.node.world().resource::<Head>().0
    }

    pub fn finalized(&mut self) -> Checkpoint {
        self.node.world().resource::<Finalized>().0
    }

    pub fn knows(&mut self, root: &Root) -> bool {
        self.node.world().resource::<BlockTree>().contains(root)
    }

    pub fn state(&mut self) -> SyncState {
        *self.node.world().resource::<SyncState>()
    }

    pub fn gate(&mut self) -> DutyGate {
        *self.node.world().resource::<DutyGate>()
    }

    pub fn counts(&mut self) -> SyncCounts {
        *self.node.world().resource::<SyncCounts>()
    }

    pub fn is_connected(&self, name: &str) -> bool {
        self.peers.contains_key(&PeerId::from(name))
    }

    pub fn points_of(&self, name: &str) -> f64 {
        self.points.get(&PeerId::from(name)).copied().unwrap_or_default()
    }
}
