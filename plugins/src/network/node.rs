//! The network's loop: events of the swarm, commands of the world, and timers.

mod connections;
mod inbound;
mod outbound;

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    gossipsub::{IdentTopic, MessageAcceptance},
    identity::Keypair,
    multiaddr::Protocol,
    swarm::SwarmEvent,
};
use quintet_components::{
    metrics::Metrics,
    network::{DisconnectReason, MeshPeers, PeerEvent, RequestId},
    storage::Blocks,
};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    LocalNode, Measures, NetworkConfig, NetworkError, Rate,
    behaviour::{Behaviour, GOSSIP_HEARTBEAT},
    bootnodes::{self, Bootnodes},
    codec::topic::Topic,
    counters::Counters,
    failure,
    gossip::Verdicts,
    peers::{self, Bucket, Peers},
    substreams::RequestKind,
    tasks::{Answers, MAX_REPORTS, Report, Shared},
    thread::Outbound,
    udp,
};
use crate::InboundLanes;

/// The time between two checks of the loop's timers: dials, overdue verdicts, events that found no
/// room.
const TICK: Duration = Duration::from_millis(100);
/// The number of peer events that may wait for room in their lane before new connections are
/// closed.
const MAX_WAITING_EVENTS: usize = 1024;
/// The time that connections have to close when the node stops.
const CLOSE_TIME: Duration = Duration::from_millis(300);
/// The number of substreams that a peer may have open on a connection.
const MAX_SUBSTREAMS: u32 = 128;
/// The rate at which failed inbound handshakes are logged above debug. Anybody can cause any number
/// of them.
const TOLD_HANDSHAKES: Rate = Rate { burst: 4.0, per_second: 1.0 / 60.0 };
/// The number of substreams of a connection that may be negotiating a protocol.
const MAX_NEGOTIATING: usize = 32;

/// Everything that the network's thread owns.
pub(super) struct Node {
    swarm: Swarm<Behaviour>,
    config: NetworkConfig,
    lanes: InboundLanes,
    counters: Arc<Counters>,
    metrics: Metrics,
    /// The peers in a mesh, for the world.
    mesh: MeshPeers,
    peers: Peers,
    bootnodes: Bootnodes,
    verdicts: Verdicts,
    tasks: Shared,
    reports: mpsc::Receiver<Report>,
    /// Open requests of this node.
    asking: HashMap<RequestId, (RequestKind, AbortHandle)>,
    /// The id of the next request of a peer.
    next_served: u64,
    /// Events that found no room in their lane.
    events: VecDeque<PeerEvent>,
    /// The number of failed inbound handshakes that may still be logged.
    failed_handshakes: Bucket,
    /// True once the socket is closed: the node then receives nothing.
    is_closed: bool,
    tended: Instant,
}

impl Node {
    /// Starts a node that listens. Returns its address too.
    pub(super) async fn listen(
        config: &NetworkConfig,
        key: &Keypair,
        lanes: InboundLanes,
        measures: Measures,
        blocks: Arc<OnceLock<Blocks>>,
    ) -> Result<(Self, LocalNode), NetworkError> {
        let Measures { counters, metrics, mesh } = measures;
        let mut swarm = build_swarm(config, key, &lanes, &counters);
        let address = config.listen;
        let failed = |error: &(dyn std::error::Error + 'static)| NetworkError::Listen {
            address,
            error: failure::of_listening(address, error),
        };
        swarm.listen_on(config.listen_address()).map_err(|error| failed(&error))?;
        let port = loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => break udp_port(&address),
                SwarmEvent::ListenerClosed { reason: Err(error), .. }
                | SwarmEvent::ListenerError { error, .. } => return Err(failed(&error)),
                SwarmEvent::ListenerClosed { reason: Ok(()), .. } => {
                    let error = "the socket was closed".into();
                    return Err(NetworkError::Listen { address, error });
                }
                _ => {}
            }
        };
        let listen = SocketAddr::new(config.listen.ip(), port.unwrap_or(config.listen.port()));
        udp::raise_and_warn(listen.port());
        let local = local_node(config, *swarm.local_peer_id(), listen);
        let (reporter, reports) = mpsc::channel(MAX_REPORTS);
        let now = Instant::now();
        let me = *swarm.local_peer_id();
        let others: Vec<_> =
            config.bootnodes.iter().filter(|node| node.peer != Some(me)).cloned().collect();
        if let Some(warning) = bootnodes::warning(config.listen.ip(), &others) {
            tracing::warn!("{warning}");
        }
        let tasks = Shared {
            events: lanes.request_events.clone(),
            received: lanes.requests.clone(),
            counters: Arc::clone(&counters),
            timeouts: config.timeouts,
            answer_bytes: config.answer_bytes,
            blocks,
            answers: Answers::default(),
            reports: reporter,
        };
        let mut node = Self {
            swarm,
            lanes,
            counters,
            metrics,
            mesh,
            peers: Peers::new(config.rates),
            bootnodes: Bootnodes::new(&others, config.redial, now),
            verdicts: Verdicts::default(),
            tasks,
            reports,
            asking: HashMap::new(),
            next_served: 0,
            events: VecDeque::new(),
            failed_handshakes: Bucket::full(TOLD_HANDSHAKES, now),
            is_closed: false,
            tended: now,
            config: config.clone(),
        };
        for topic in [Topic::Block, Topic::Aggregation] {
            node.subscribe(topic);
        }
        node.set_subnets(&config.subnets);
        Ok((node, local))
    }

    /// Runs until the world disconnects or the socket is closed, and then closes every connection.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Outbound>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_closed {
            tokio::select! {
                outbound = inbox.recv() => match outbound {
                    Some(Outbound::Publish(content)) => self.publish(&content),
                    Some(Outbound::Verdict(id, verdict)) => self.judge(id, &verdict),
                    Some(Outbound::Command(command)) => self.obey(command),
                    #[cfg(test)]
                    Some(Outbound::Panic) => panic!("on purpose"),
                    None => break,
                },
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(report) = self.reports.recv() => self.on_report(report),
                _ = ticks.tick() => self.on_tick(),
            }
            self.flush_events();
        }
        self.close().await;
    }

    fn on_tick(&mut self) {
        let now = Instant::now();
        while let Some(waiting) = self.verdicts.overdue(now, self.config.timeouts.verdict) {
            self.report(&waiting, &MessageAcceptance::Ignore);
        }
        for peer in self.peers.unban(now) {
            self.swarm.behaviour_mut().banned.unblock_peer(peer);
        }
        let (swarm, peers) = (&self.swarm, &self.peers);
        let is_left_alone = |peer: &PeerId| peers.is_banned(peer);
        for call in self.bootnodes.due(now, |peer| swarm.is_connected(peer), is_left_alone) {
            self.counters.dialled.increment();
            let id = call.connection_id();
            if let Err(error) = self.swarm.dial(call) {
                self.on_missed_call(id, None, &error);
            }
        }
        if now - self.tended >= GOSSIP_HEARTBEAT {
            self.peers.tend(now - self.tended, now);
            self.tended = now;
            self.tell_scores();
            self.tell_mesh();
        }
    }

    /// Tells the world which peers are in a mesh.
    fn tell_mesh(&mut self) {
        let members = self.swarm.behaviour().gossip.all_mesh_peers();
        self.mesh.set(members.map(peers::name).collect());
    }

    /// Passes this node's own scores to gossip, and the sums to the world.
    fn tell_scores(&mut self) {
        let room = self.events.len() < MAX_WAITING_EVENTS;
        for (peer, own) in self.peers.connected() {
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.set_application_score(&peer, own);
            let score = gossip.peer_score(&peer).unwrap_or(own);
            if let Some(state) = self.peers.get_mut(&peer)
                && room
                && state.tell(score)
            {
                let peer = state.name.clone();
                self.events.push_back(PeerEvent::Scored { peer, score });
            }
        }
    }

    /// Subtracts points from a peer, which may lead to a ban.
    fn penalize(&mut self, peer: PeerId, points: f64, why: &str) {
        // Messages that a banned peer sent before its ban change nothing.
        if points == 0.0 || self.peers.is_banned(&peer) {
            return;
        }
        tracing::debug!(%peer, points, why, "a peer loses points");
        if self.peers.penalize(&peer, points) {
            self.ban(peer, DisconnectReason::LowScore, why);
        }
    }

    /// Bans a peer for the ban time, and disconnects it.
    fn ban(&mut self, peer: PeerId, reason: DisconnectReason, why: &str) {
        let until = Instant::now() + self.config.ban_time;
        let seconds = self.config.ban_time.as_secs();
        let agent = self.peers.get_mut(&peer).map_or("", |state| state.agent.as_str());
        tracing::info!(%peer, agent, why, seconds, "a peer is banned");
        self.counters.banned.increment();
        if let Some(freed) = self.peers.ban(peer, until) {
            self.swarm.behaviour_mut().banned.unblock_peer(freed);
        }
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let until_ms = (since_epoch + self.config.ban_time).as_millis();
        self.events.push_back(PeerEvent::Banned {
            peer: peers::name(&peer),
            until_ms: u64::try_from(until_ms).unwrap_or(u64::MAX),
        });
        if let Some(state) = self.peers.get_mut(&peer) {
            state.closing.get_or_insert(reason);
            if let Some(address) = &state.address {
                let (time, now) = (self.config.ban_time, std::time::Instant::now());
                self.swarm.behaviour_mut().addresses.ban(address, time, now);
            }
        }
        // This also closes the connections.
        self.swarm.behaviour_mut().banned.block_peer(peer);
    }

    /// Sends events to the world, in order, as long as there is room.
    fn flush_events(&mut self) {
        while let Some(event) = self.events.pop_front() {
            if let Err(event) = self.lanes.peers.try_offer(event) {
                self.events.push_front(event);
                return;
            }
        }
    }

    fn topic(&self, topic: Topic) -> IdentTopic {
        IdentTopic::new(topic.text(&self.config.fork_digest))
    }

    /// Closes all connections, so that peers need not wait for a timeout.
    async fn close(mut self) {
        for (_, (_, task)) in self.asking.drain() {
            task.abort();
        }
        let peers: Vec<_> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
            // One more turn for the last packets.
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let _ = timeout(CLOSE_TIME, closed).await;
    }
}

fn build_swarm(
    config: &NetworkConfig,
    key: &Keypair,
    lanes: &InboundLanes,
    counters: &Arc<Counters>,
) -> Swarm<Behaviour> {
    SwarmBuilder::with_existing_identity(key.clone())
        .with_tokio()
        .with_quic_config(|mut quic| {
            quic.max_concurrent_stream_limit = MAX_SUBSTREAMS;
            quic
        })
        .with_behaviour(|key| Behaviour::new(key, config, lanes.clone(), Arc::clone(counters)))
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|swarm| swarm.with_max_negotiating_inbound_streams(MAX_NEGOTIATING))
        .build()
}

fn udp_port(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

fn local_node(config: &NetworkConfig, peer: PeerId, listen: SocketAddr) -> LocalNode {
    let ip: Option<IpAddr> =
        config.external_ip.or_else(|| Some(listen.ip()).filter(|ip| !ip.is_unspecified()));
    let record = ip.map(|ip| config.key.record(ip, listen.port()));
    let record = record.and_then(|record| {
        record.inspect_err(|error| tracing::warn!(%error, "no node record")).ok()
    });
    LocalNode { peer: peers::name(&peer), listen, record: record.map(|record| record.to_string()) }
}
