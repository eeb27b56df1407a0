//! What the swarm and the tasks say.

use std::time::Duration;

use libp2p::{
    PeerId,
    core::ConnectedPoint,
    gossipsub::{self, MessageAcceptance, MessageId},
    identify,
    swarm::{ConnectionError, SwarmEvent},
};
use quintet_components::{
    duties::BLOCKS_LOG,
    messages::{AggregateReceived, AttestationReceived, BlockReceived, InputId, Verdict},
    metrics::ConnectionResult,
    network::{Direction, DisconnectReason, InboundRequestId, PeerEvent, RequestFailure},
};
use tokio::time::Instant;

use super::{MAX_WAITING_EVENTS, Node};
use crate::network::{
    behaviour::BehaviourEvent,
    codec::{topic::Topic, wire::cut},
    gossip::{Content, Waiting},
    scoring::{
        INVALID_GOSSIP_POINTS, INVALID_REQUEST_POINTS, RATE_LIMIT_POINTS, STALLED_POINTS,
        acceptance, failure_points,
    },
    serve::{Inbound, MAX_SERVED_PER_PEER, Outcome, serve},
    substreams::{Opened, RequestKind},
    tasks::Report,
};

/// Bytes of a peer's agent at most.
const MAX_AGENT_BYTES: usize = 256;
/// Bytes of the words for a broken connection at most.
const MAX_REASON_BYTES: usize = 256;
/// How the names of gossip's protocols begin.
const GOSSIP_PROTOCOLS: &str = "/meshsub/";

/// A peer that calls again so long after it connected has lost the connection.
const STALE_AFTER: Duration = Duration::from_secs(2);

impl Node {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => self.on_message(propagation_source, message_id, &message),
            SwarmEvent::Behaviour(BehaviourEvent::Substreams(opened)) => self.on_substream(opened),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => self.on_identified(peer_id, &info),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                num_established,
                ..
            } => {
                self.bootnodes.reached(connection_id, peer_id);
                if num_established.get() == 1 {
                    self.on_connected(peer_id, &endpoint);
                } else {
                    self.on_connected_again(&peer_id, &endpoint);
                }
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                self.on_disconnected(&peer_id, cause.as_ref());
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                tracing::debug!(%error, "a call did not get through");
                let result = connection_result(&error.to_string());
                self.metrics.network.note_connection(Direction::Outbound, result);
                if self.bootnodes.missed(connection_id) {
                    self.counters.dial_failures.increment();
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "a connection did not come about");
                let result = connection_result(&error.to_string());
                self.metrics.network.note_connection(Direction::Inbound, result);
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "the network's socket has trouble");
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                tracing::error!(?reason, "the network's socket is closed; restart the node");
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint) {
        if self.events.len() >= MAX_WAITING_EVENTS {
            // The world does not keep up; it will not miss what it never saw.
            self.peers.connect(peer, Instant::now()).reported = false;
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        }
        self.counters.connected.increment();
        let state = self.peers.connect(peer, Instant::now());
        state.begin();
        state.address = Some(endpoint.get_remote_address().clone());
        let direction = if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
        tracing::debug!(%peer, ?direction, "connected");
        self.events.push_back(PeerEvent::Connected {
            peer: state.name.clone(),
            direction,
            address: endpoint.get_remote_address().to_string(),
        });
    }

    /// A peer that has been connected for a while calls again: it has lost the connection that this
    /// node still takes for good, as a process that was stopped does. Gossip tells its topics once,
    /// on a peer's first connection, so that the peer would hear of none and publish to nobody. All
    /// its connections are closed; it calls once more, and both begin anew. Two nodes that call each
    /// other at the same time are not meant.
    fn on_connected_again(&mut self, peer: &PeerId, endpoint: &ConnectedPoint) {
        let since = self.peers.get_mut(peer).map(|state| state.since);
        if endpoint.is_listener() && since.is_some_and(|since| since.elapsed() >= STALE_AFTER) {
            tracing::debug!(%peer, "a peer begins anew");
            let _ = self.swarm.disconnect_peer_id(*peer);
        }
    }

    fn on_disconnected(&mut self, peer: &PeerId, cause: Option<&ConnectionError>) {
        let Some(state) = self.peers.disconnect(peer, Instant::now()) else { return };
        let closing = state.closing.take();
        if !std::mem::take(&mut state.reported) {
            return;
        }
        self.counters.disconnected.increment();
        let reason = closing.unwrap_or_else(|| disconnect_reason(cause));
        tracing::debug!(%peer, ?reason, "disconnected");
        let peer = state.name.clone();
        self.events.push_back(PeerEvent::Disconnected { peer, reason });
    }

    fn on_identified(&mut self, peer: PeerId, info: &identify::Info) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if !state.reported || std::mem::replace(&mut state.identified, true) {
            return;
        }
        let agent = cut(&info.agent_version, MAX_AGENT_BYTES).to_owned();
        self.events.push_back(PeerEvent::Identified { peer: state.name.clone(), agent });
        let useful = |name: &str| {
            name.starts_with(GOSSIP_PROTOCOLS)
                || RequestKind::ALL.iter().any(|kind| kind.protocol() == name)
        };
        if !info.protocols.iter().any(|protocol| useful(protocol.as_ref())) {
            self.disconnect(peer, DisconnectReason::Incompatible);
        }
    }

    /// Closes a peer's connections.
    pub(super) fn disconnect(&mut self, peer: PeerId, reason: DisconnectReason) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.closing.get_or_insert(reason);
        }
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// A gossip message that this node has not seen before.
    fn on_message(&mut self, source: PeerId, id: MessageId, message: &gossipsub::Message) {
        let Ok(topic) = Topic::parse(message.topic.as_str(), &self.config.fork_digest) else {
            // Gossip hands out only what this node subscribes to.
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.report_message_validation_result(&id, &source, MessageAcceptance::Ignore);
            return;
        };
        let counters = self.counters.gossip(topic);
        counters.received.increment();
        counters.received_bytes.add(message.data.len() as u64);
        match topic {
            Topic::Block => self.metrics.network.note_block(message.data.len()),
            Topic::Aggregation => self.metrics.network.note_aggregate(message.data.len()),
            Topic::Attestation(_) => self.metrics.network.note_attestation(message.data.len()),
        }
        let waiting = Waiting { topic, message: id, source };
        if !self.peers.take_message(&source, topic, Instant::now()) {
            counters.dropped.increment();
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            let ignore = MessageAcceptance::Ignore;
            gossip.report_message_validation_result(&waiting.message, &waiting.source, ignore);
            return;
        }
        let content = match Content::decode(topic, &message.data) {
            Ok(content) => content,
            Err(error) => {
                tracing::debug!(%error, peer = %source, ?topic, "a malformed message");
                counters.malformed.increment();
                self.report(&waiting, &MessageAcceptance::Reject);
                return;
            }
        };
        if let Content::Block(block) = &content {
            let slot = block.block.slot;
            tracing::debug!(target: BLOCKS_LOG, slot, peer = %source, "block received");
        }
        let id = self.verdicts.wait(waiting, Instant::now());
        if !self.offer(id, &source, content)
            && let Some(waiting) = self.verdicts.take(id)
        {
            self.counters.gossip(topic).dropped.increment();
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            let ignore = MessageAcceptance::Ignore;
            gossip.report_message_validation_result(&waiting.message, &waiting.source, ignore);
        }
    }

    fn offer(&self, id: InputId, sender: &PeerId, content: Content) -> bool {
        let sender = self.peers.name_of(sender);
        let lanes = &self.lanes;
        match content {
            Content::Block(block) => {
                lanes.blocks.offer(BlockReceived::new(id, block).sent_by(sender))
            }
            Content::Aggregate(aggregate) => {
                lanes.aggregates.offer(AggregateReceived::new(id, aggregate).sent_by(sender))
            }
            Content::Attestation(attestation) => {
                lanes.attestations.offer(AttestationReceived::new(id, attestation).sent_by(sender))
            }
        }
    }

    /// The world has judged a message.
    pub(super) fn judge(&mut self, id: InputId, verdict: &Verdict) {
        if let Some(waiting) = self.verdicts.take(id) {
            self.report(&waiting, &acceptance(verdict));
        }
    }

    /// Tells gossip what to do with a message, and its sender what it thinks of it.
    pub(super) fn report(&mut self, waiting: &Waiting, acceptance: &MessageAcceptance) {
        let counters = self.counters.gossip(waiting.topic);
        let (counter, told) = match acceptance {
            MessageAcceptance::Accept => (&counters.accepted, MessageAcceptance::Accept),
            MessageAcceptance::Ignore => (&counters.ignored, MessageAcceptance::Ignore),
            MessageAcceptance::Reject => (&counters.rejected, MessageAcceptance::Reject),
        };
        counter.increment();
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&waiting.message, &waiting.source, told);
        if matches!(acceptance, MessageAcceptance::Reject) {
            self.penalize(waiting.source, INVALID_GOSSIP_POINTS, "an invalid message");
        }
    }

    /// A peer wants to ask something.
    fn on_substream(&mut self, opened: Opened) {
        let Opened { peer, kind, stream } = opened;
        let counters = self.counters.requests(kind);
        counters.received.increment();
        let Some(state) = self.peers.get_mut(&peer).filter(|state| state.reported) else { return };
        if state.serving >= MAX_SERVED_PER_PEER {
            counters.rate_limited.increment();
            // The substream is reset when it is dropped.
            self.penalize(peer, RATE_LIMIT_POINTS, "too many requests at once");
            return;
        }
        state.serving += 1;
        let id = InboundRequestId(self.next_served);
        let name = state.name.clone();
        let inbound = Inbound { id, peer, name, kind, allowance: state.allowance.clone() };
        self.next_served += 1;
        tokio::spawn(serve(self.tasks.clone(), inbound, stream));
    }

    /// A task has ended.
    pub(super) fn on_report(&mut self, report: Report) {
        match report {
            Report::Asked { id, peer, kind, result } => {
                self.asking.remove(&id);
                let counters = self.counters.requests(kind);
                match &result {
                    Ok(()) => counters.answered.increment(),
                    Err(RequestFailure::Timeout) => counters.timed_out.increment(),
                    Err(RequestFailure::Refused(_)) => counters.refused.increment(),
                    Err(RequestFailure::InvalidAnswer(_)) => counters.invalid.increment(),
                    Err(RequestFailure::Unsupported | RequestFailure::Disconnected) => {
                        counters.lost.increment();
                    }
                }
                if let Err(failure) = result {
                    tracing::debug!(%peer, ?kind, %failure, "a request failed");
                    self.penalize(peer, failure_points(&failure), "a failed request");
                }
            }
            Report::Served { peer, kind, outcome } => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.serving = state.serving.saturating_sub(1);
                }
                let counters = self.counters.requests(kind);
                let (counter, points) = match outcome {
                    Outcome::Served => (&counters.served, 0.0),
                    Outcome::Refused => (&counters.errors, 0.0),
                    Outcome::Invalid => (&counters.errors, INVALID_REQUEST_POINTS),
                    Outcome::RateLimited => (&counters.rate_limited, RATE_LIMIT_POINTS),
                    Outcome::Abandoned => (&counters.abandoned, 0.0),
                    Outcome::Stalled => (&counters.stalled, STALLED_POINTS),
                };
                counter.increment();
                self.penalize(peer, points, "its request");
            }
        }
    }
}

/// How an attempt ended that came to nothing. The transport tells a timeout in words only.
fn connection_result(words: &str) -> ConnectionResult {
    let words = words.to_ascii_lowercase();
    let is_timeout = words.contains("timed out") || words.contains("timeout");
    if is_timeout { ConnectionResult::Timeout } else { ConnectionResult::Error }
}

fn disconnect_reason(cause: Option<&ConnectionError>) -> DisconnectReason {
    match cause {
        None => DisconnectReason::ClosedByPeer,
        Some(error) => {
            let text = error.to_string();
            // The QUIC library tells this in words only.
            if text.contains("closed by peer") || text.contains("aborted by peer") {
                DisconnectReason::ClosedByPeer
            } else {
                DisconnectReason::ConnectionLost(cut(&text, MAX_REASON_BYTES).to_owned())
            }
        }
    }
}
