//! A node whose world is a script: it judges and answers as the test says, and remembers all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use bevy_app::{App, Update};
use bevy_ecs::{prelude::*, world::World};
use libp2p::{Multiaddr, PeerId as LibPeerId};
use quintet_components::{
    containers::{Root, SignedBlock, Status},
    messages::{
        AggregateReceived, AttestationReceived, BlockReceived, InputId, InputJudged, Verdict,
    },
    network::{
        Answer, NetworkCommand, PeerEvent, Request, RequestEvent, RequestId, RequestReceived,
    },
    schedule::NodeSystems,
    storage::{BlockSource, Blocks, StorageError},
    waker::{LULL, NodeWaker},
};
use quintet_plugins::{
    InboundPlugin, NetworkConfig, NetworkPlugin, OrderPlugin,
    network::NodeKey,
    network::{Counters, LocalNode, NetworkCounters, Redial},
};

use crate::quic::raw::PATIENCE;

/// A message that arrived by gossip.
#[derive(Clone, Debug)]
pub enum Item {
    Block(BlockReceived),
    Aggregate(AggregateReceived),
    Attestation(AttestationReceived),
}

/// All that a node's world has seen.
#[derive(Default)]
pub struct Log {
    pub items: Vec<Item>,
    pub peers: Vec<PeerEvent>,
    pub events: Vec<RequestEvent>,
    pub requests: Vec<RequestReceived>,
}

/// The verdicts of a world.
#[derive(Resource)]
pub struct Script {
    /// Judges an item, now or never.
    pub verdict: Box<dyn Fn(&Item) -> Option<Verdict> + Send + Sync>,
    /// Answers a request, now or never.
    pub answer: Box<dyn Fn(&Request) -> Option<Answer> + Send + Sync>,
    /// The blocks in the store.
    pub blocks: Vec<Arc<SignedBlock>>,
}

impl Default for Script {
    /// Accepts everything, and serves what is asked for.
    fn default() -> Self {
        Self {
            verdict: Box::new(|_| Some(Verdict::Accepted)),
            answer: Box::new(|request| {
                Some(match request {
                    Request::Status(_) => Answer::Status(Status::default()),
                    Request::BlocksByRoot(request) => {
                        Answer::Blocks(request.roots.0.iter().copied().collect())
                    }
                    Request::BlocksByRange(_) => Answer::Blocks(Arc::new([])),
                })
            }),
            blocks: Vec::new(),
        }
    }
}

struct Store(HashMap<Root, Arc<SignedBlock>>);

impl BlockSource for Store {
    fn signed_block(&self, root: &Root) -> Result<Option<Arc<SignedBlock>>, StorageError> {
        Ok(self.0.get(root).cloned())
    }
}

#[derive(Resource, Clone, Default)]
struct SharedLog(Arc<Mutex<Log>>);

type Act = Box<dyn FnOnce(&mut World) + Send>;

/// A running node.
pub struct TestNode {
    pub local: LocalNode,
    pub counters: Arc<Counters>,
    log: SharedLog,
    acts: mpsc::Sender<Act>,
    waker: NodeWaker,
    thread: Option<thread::JoinHandle<Duration>>,
}

/// A configuration for tests: on loopback, with an identity made of one byte.
pub fn config(identity: u8) -> NetworkConfig {
    let mut config = NetworkConfig::new(NodeKey::new([identity; 32]).expect("a key"));
    config.listen = ([127, 0, 0, 1], 0).into();
    config.redial =
        Redial { first: Duration::from_millis(100), longest: Duration::from_millis(400) };
    config
}

impl TestNode {
    pub fn start(config: NetworkConfig) -> Self {
        Self::scripted(config, Script::default())
    }

    pub fn scripted(config: NetworkConfig, script: Script) -> Self {
        let (started, starts) = mpsc::channel();
        let (acts, inbox) = mpsc::channel::<Act>();
        let log = SharedLog::default();
        let shared = log.clone();
        let run = move || {
            let (waker, wakes) = NodeWaker::new();
            let mut app = App::new();
            app.insert_resource(waker.clone())
                .insert_resource(shared)
                .add_plugins((OrderPlugin, InboundPlugin, NetworkPlugin { config }))
                .insert_resource(Blocks(Arc::new(Store(
                    script
                        .blocks
                        .iter()
                        .map(|block| {
                            (
                                BlockReceived::new(InputId(0), Arc::clone(block)).root,
                                Arc::clone(block),
                            )
                        })
                        .collect(),
                ))))
                .insert_resource(script)
                .add_systems(Update, (judge, answer, watch).chain().in_set(NodeSystems::Import));
            app.finish();
            app.cleanup();
            let local = app.world().get_resource::<LocalNode>().cloned();
            let counters = app.world().get_resource::<NetworkCounters>().cloned();
            let _ = started.send((local, counters, waker));
            loop {
                loop {
                    match inbox.try_recv() {
                        Ok(act) => act(app.world_mut()),
                        Err(mpsc::TryRecvError::Empty) => break,
                        Err(mpsc::TryRecvError::Disconnected) => {
                            let stopping = Instant::now();
                            drop(app);
                            return stopping.elapsed();
                        }
                    }
                }
                app.update();
                wakes.wait(Duration::from_millis(20), LULL);
            }
        };
        let thread = thread::spawn(run);
        let (local, counters, waker) = starts.recv_timeout(PATIENCE).expect("starts");
        Self {
            local: local.expect("listens"),
            counters: counters.expect("counts").0,
            log,
            acts,
            waker,
            thread: Some(thread),
        }
    }

    pub fn peer(&self) -> LibPeerId {
        self.local.peer.0.parse().expect("a peer id")
    }

    pub fn address(&self) -> String {
        self.local.address()
    }

    /// A bootnode's text for another node.
    pub fn bootnode(&self) -> Vec<quintet_plugins::network::Bootnode> {
        vec![self.address().parse().expect("a bootnode")]
    }

    /// Writes a message into the world.
    pub fn write<M: Message>(&self, message: M) {
        self.act(move |world| _ = world.write_message(message));
    }

    pub fn act(&self, act: impl FnOnce(&mut World) + Send + 'static) {
        assert!(self.acts.send(Box::new(act)).is_ok(), "the node runs");
        self.waker.wake();
    }

    pub fn request(&self, id: u64, peer: LibPeerId, request: Request) {
        let peer = peer.to_base58().as_str().into();
        self.write(NetworkCommand::Request { id: RequestId(id), peer, request });
    }

    /// Waits until the log, or the counters, show something.
    pub fn wait(&self, what: &str, seen: impl Fn(&Log) -> bool) {
        self.wait_within(PATIENCE, what, seen);
    }

    fn wait_within(&self, patience: Duration, what: &str, seen: impl Fn(&Log) -> bool) {
        let deadline = Instant::now() + patience;
        while !self.look(&seen) {
            if Instant::now() >= deadline {
                self.look(|log| {
                    panic!("{what}: {:?} {:?} {:?}", log.peers, log.events, log.requests)
                });
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn look<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        look(&self.log.0.lock().expect("nobody panics with it"))
    }

    /// Waits until a peer is connected.
    pub fn wait_connected(&self, peer: LibPeerId) {
        let name: quintet_components::network::PeerId = peer.to_base58().as_str().into();
        self.wait("connected", |log| {
            log.peers.iter().rev().find_map(|event| match event {
                PeerEvent::Connected { peer, .. } if *peer == name => Some(true),
                PeerEvent::Disconnected { peer, .. } if *peer == name => Some(false),
                _ => None,
            }) == Some(true)
        });
    }

    /// Waits for the end of a request; tells how many blocks came and how it ended.
    pub fn wait_ended(
        &self,
        id: u64,
    ) -> (usize, Result<(), quintet_components::network::RequestFailure>) {
        let ended = |log: &Log| {
            log.events.iter().find_map(|event| match event {
                RequestEvent::Ended { id: ended, result } if ended.0 == id => Some(result.clone()),
                _ => None,
            })
        };
        self.wait("ends", |log| ended(log).is_some());
        self.look(|log| {
            let blocks = log
                .events
                .iter()
                .filter(|event| matches!(event, RequestEvent::Block { id: of, .. } if of.0 == id));
            (blocks.count(), ended(log).expect("just seen"))
        })
    }

    /// Stops the node; tells how long it took.
    pub fn stop(mut self) -> Duration {
        let thread = self.thread.take().expect("stopped once");
        let waker = self.waker.clone();
        drop(self);
        waker.wake();
        thread.join().expect("ends well")
    }
}

/// Connected both ways.
pub fn meet(one: &TestNode, other: &TestNode) {
    one.wait_connected(other.peer());
    other.wait_connected(one.peer());
}

fn judge(
    script: Res<Script>,
    log: Res<SharedLog>,
    mut blocks: MessageReader<BlockReceived>,
    mut aggregates: MessageReader<AggregateReceived>,
    mut attestations: MessageReader<AttestationReceived>,
    mut judged: MessageWriter<InputJudged>,
) {
    let blocks = blocks.read().map(|block| (block.id, Item::Block(block.clone())));
    let aggregates = aggregates.read().map(|item| (item.id, Item::Aggregate(item.clone())));
    let votes = attestations.read().map(|item| (item.id, Item::Attestation(item.clone())));
    for (id, item) in blocks.chain(aggregates).chain(votes) {
        if let Some(verdict) = (script.verdict)(&item) {
            judged.write(InputJudged { id, verdict });
        }
        log.0.lock().expect("nobody panics with it").items.push(item);
    }
}

fn answer(
    script: Res<Script>,
    log: Res<SharedLog>,
    mut requests: MessageReader<RequestReceived>,
    mut commands: MessageWriter<NetworkCommand>,
) {
    for request in requests.read() {
        if let Some(answer) = (script.answer)(&request.request) {
            commands.write(NetworkCommand::Respond { id: request.id, answer });
        }
        log.0.lock().expect("nobody panics with it").requests.push(request.clone());
    }
}

fn watch(
    log: Res<SharedLog>,
    mut peers: MessageReader<PeerEvent>,
    mut events: MessageReader<RequestEvent>,
) {
    let mut log = log.0.lock().expect("nobody panics with it");
    log.peers.extend(peers.read().cloned());
    log.events.extend(events.read().cloned());
}

/// Parses a multiaddr without its peer.
pub fn without_peer(address: &str) -> String {
    let mut address: Multiaddr = address.parse().expect("an address");
    address.pop();
    address.to_string()
}
