//! A bare libp2p peer that says and does whatever a test wants.

#![allow(dead_code, reason = "every test binary uses its own part")]

use std::{
    future::Future,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, gossipsub, identify,
    identity::Keypair,
    swarm::{NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
};
use libp2p_stream as streams;

/// The time that anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(NetworkBehaviour)]
pub struct Protocols {
    pub streams: streams::Behaviour,
    pub gossip: Toggle<gossipsub::Behaviour>,
    pub identify: Toggle<identify::Behaviour>,
}

/// An event at a raw peer.
#[derive(Clone, Debug, PartialEq)]
pub enum RawEvent {
    Connected(PeerId),
    Disconnected(PeerId),
    Failed,
    Subscribed(PeerId, String),
    Unsubscribed(PeerId, String),
    Message(PeerId, String, Vec<u8>),
}

type Act = Box<dyn FnOnce(&mut Swarm<Protocols>) + Send>;

pub struct RawPeer {
    pub peer: PeerId,
    pub address: Multiaddr,
    handle: tokio::runtime::Handle,
    acts: tokio::sync::mpsc::UnboundedSender<Act>,
    events: Arc<Mutex<Vec<RawEvent>>>,
    control: streams::Control,
}

/// Gossip as anybody would set it up, forwarding without a verdict.
pub fn gossip(validate: bool) -> gossipsub::Behaviour {
    let mut config = gossipsub::ConfigBuilder::default();
    config
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .heartbeat_interval(Duration::from_millis(200))
        .max_transmit_size(32 << 20)
        .message_id_fn(|message| {
            let parts = [message.topic.as_str().as_bytes(), message.data.as_slice()];
            gossipsub::MessageId::from(tree_hash::merkle_root(&parts.concat(), 0).to_vec())
        });
    if validate {
        config.validate_messages();
    }
    gossipsub::Behaviour::new(
        gossipsub::MessageAuthenticity::Anonymous,
        config.build().expect("a valid configuration"),
    )
    .expect("anonymous in both places")
}

impl RawPeer {
    pub fn start(gossip: Option<gossipsub::Behaviour>) -> Self {
        Self::with(gossip, false)
    }

    /// One that says what it speaks.
    pub fn start_identifying(gossip: Option<gossipsub::Behaviour>) -> Self {
        Self::with(gossip, true)
    }

    fn with(gossip: Option<gossipsub::Behaviour>, identifies: bool) -> Self {
        let (started, starts) = mpsc::channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let (acts, inbox) = tokio::sync::mpsc::unbounded_channel();
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
            runtime.block_on(async {
                let mut swarm = swarm(gossip, identifies);
                let any = "/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address");
                swarm.listen_on(any).expect("a free port");
                let address = loop {
                    if let SwarmEvent::NewListenAddr { address, .. } =
                        swarm.select_next_some().await
                    {
                        break address;
                    }
                };
                let control = swarm.behaviour().streams.new_control();
                let handle = tokio::runtime::Handle::current();
                let _ = started.send((*swarm.local_peer_id(), address, handle, control));
                run(swarm, inbox, &log).await;
            });
            runtime.shutdown_background();
        });
        let (peer, address, handle, control) = starts.recv_timeout(PATIENCE).expect("starts");
        Self { peer, address, handle, acts, events, control }
    }

    /// Does something with the swarm.
    pub fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Swarm<Protocols>) -> T + Send + 'static,
    ) -> T {
        let (done, result) = mpsc::channel();
        let act: Act = Box::new(move |swarm| _ = done.send(act(swarm)));
        assert!(self.acts.send(act).is_ok(), "the peer runs");
        result.recv_timeout(PATIENCE).expect("the peer acts in time")
    }

    /// Runs something beside the swarm.
    pub fn run<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        self.handle.spawn(async move { done.send(future.await) });
        result.recv_timeout(PATIENCE).expect("the peer acts in time")
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(future);
    }

    pub fn events(&self) -> Vec<RawEvent> {
        self.events.lock().expect("nobody panics with it").clone()
    }

    /// Waits until this has happened.
    pub fn wait(&self, what: &str, seen: impl Fn(&[RawEvent]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !seen(&self.events()) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.events());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn dial(&self, address: &str) {
        let address: Multiaddr = address.parse().expect("an address");
        self.act(move |swarm| swarm.dial(address).expect("calls"));
    }

    pub fn connect(&self, address: &str) {
        self.dial(address);
        self.wait("connects", |events| {
            events.iter().any(|event| matches!(event, RawEvent::Connected(_)))
        });
    }

    /// Opens a substream.
    pub fn open(&self, peer: PeerId, protocol: &'static str) -> Option<Stream> {
        let mut control = self.control.clone();
        let opened =
            async move { control.open_stream(peer, StreamProtocol::new(protocol)).await.ok() };
        self.run(opened)
    }

    /// Takes the substreams that others open.
    pub fn accept(&self, protocol: &'static str) -> streams::IncomingStreams {
        self.control.clone().accept(StreamProtocol::new(protocol)).expect("not taken yet")
    }

    /// Sends bytes, and reads until the other side closes or resets.
    pub fn exchange(&self, peer: PeerId, protocol: &'static str, bytes: Vec<u8>) -> Vec<u8> {
        let mut stream = self.open(peer, protocol).expect("opens");
        self.run(async move {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.close().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        })
    }

    pub fn subscribe(&self, topic: &str) {
        let topic = gossipsub::IdentTopic::new(topic);
        self.act(move |swarm| {
            let gossip = swarm.behaviour_mut().gossip.as_mut().expect("with gossip");
            gossip.subscribe(&topic).expect("subscribes");
        });
    }

    pub fn publish(&self, topic: &str, data: Vec<u8>) {
        self.publish_all(topic, vec![data]);
    }

    /// Publishes all of these before anybody can react to the first.
    pub fn publish_all(&self, topic: &str, all: Vec<Vec<u8>>) {
        let topic = gossipsub::IdentTopic::new(topic);
        self.act(move |swarm| {
            let gossip = swarm.behaviour_mut().gossip.as_mut().expect("with gossip");
            for data in all {
                gossip.publish(topic.clone(), data).expect("publishes");
            }
        });
    }

    /// Waits until a peer has subscribed to a topic.
    pub fn wait_subscribed(&self, peer: PeerId, topic: &str) {
        let expected = RawEvent::Subscribed(peer, topic.to_owned());
        self.wait("subscribes", |events| events.contains(&expected));
    }
}

fn swarm(gossip: Option<gossipsub::Behaviour>, identifies: bool) -> Swarm<Protocols> {
    let key = Keypair::generate_secp256k1();
    let identify = identifies
        .then(|| identify::Behaviour::new(identify::Config::new("raw/1".into(), key.public())));
    SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| Protocols {
            streams: streams::Behaviour::new(),
            gossip: Toggle::from(gossip),
            identify: Toggle::from(identify),
        })
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

async fn run(
    mut swarm: Swarm<Protocols>,
    mut inbox: tokio::sync::mpsc::UnboundedReceiver<Act>,
    log: &Mutex<Vec<RawEvent>>,
) {
    loop {
        let event = tokio::select! {
            act = inbox.recv() => match act {
                Some(act) => {
                    act(&mut swarm);
                    continue;
                }
                None => return,
            },
            event = swarm.select_next_some() => event,
        };
        let event = match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => RawEvent::Connected(peer_id),
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                RawEvent::Disconnected(peer_id)
            }
            SwarmEvent::OutgoingConnectionError { .. } => RawEvent::Failed,
            SwarmEvent::Behaviour(ProtocolsEvent::Gossip(event)) => match event {
                gossipsub::Event::Subscribed { peer_id, topic } => {
                    RawEvent::Subscribed(peer_id, topic.into_string())
                }
                gossipsub::Event::Unsubscribed { peer_id, topic } => {
                    RawEvent::Unsubscribed(peer_id, topic.into_string())
                }
                gossipsub::Event::Message { propagation_source, message, .. } => {
                    RawEvent::Message(propagation_source, message.topic.into_string(), message.data)
                }
                _ => continue,
            },
            _ => continue,
        };
        log.lock().expect("nobody panics with it").push(event);
    }
}
