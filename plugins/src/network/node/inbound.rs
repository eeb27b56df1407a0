//! Handles events of the swarm and of tasks.

use libp2p::{
    PeerId,
    gossipsub::{self, MessageAcceptance, MessageId},
    identify,
    swarm::SwarmEvent,
};
use quintet_components::{
    duties::BLOCKS_LOG,
    messages::{AggregateReceived, AttestationReceived, BlockReceived, InputId, Verdict},
    network::{InboundRequestId, RequestFailure},
};
use tokio::time::Instant;

use super::Node;
use crate::network::{
    behaviour::BehaviourEvent,
    codec::topic::Topic,
    gossip::{Content, Waiting},
    scoring::{
        INVALID_GOSSIP_POINTS, INVALID_REQUEST_POINTS, RATE_LIMIT_POINTS, STALLED_POINTS,
        acceptance, is_unread,
    },
    serve::{Inbound, MAX_SERVED_PER_PEER, Outcome, serve},
    substreams::Opened,
    tasks::Report,
};

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
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                self.on_missed_call(connection_id, peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.on_failed_answer(&send_back_addr, &error);
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "the network's socket has an error");
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                let reason = reason.err().map(|error| error.to_string()).unwrap_or_default();
                tracing::error!(
                    reason,
                    "the network's socket is closed, and the node receives nothing"
                );
                self.is_closed = true;
            }
            _ => {}
        }
    }

    /// Handles a new gossip message.
    fn on_message(&mut self, source: PeerId, id: MessageId, message: &gossipsub::Message) {
        let Ok(topic) = Topic::parse(message.topic.as_str(), &self.config.fork_digest) else {
            // Gossip delivers only topics that this node subscribes to.
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
            self.leave_unread(&waiting);
        }
    }

    /// Handles a message that was not read: another copy of it may be read, or gossip ignores it.
    fn leave_unread(&mut self, waiting: &Waiting) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.note_unread(waiting.message.clone(), Instant::now()) {
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

    /// Handles the world's verdict on a message.
    pub(super) fn judge(&mut self, id: InputId, verdict: &Verdict) {
        let Some(waiting) = self.verdicts.take(id) else { return };
        match verdict {
            Verdict::Ignored(reason) if is_unread(*reason) => {
                self.counters.gossip(waiting.topic).ignored.increment();
                self.leave_unread(&waiting);
            }
            verdict => self.report(&waiting, &acceptance(verdict)),
        }
    }

    /// Tells gossip what to do with a message, and penalizes its sender if necessary.
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

    /// Handles a substream that a peer has opened for a request.
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

    /// Handles the end of a task.
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
                    // The world is told too, and decides whether the peer loses points.
                    tracing::debug!(%peer, ?kind, %failure, "a request failed");
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
