//! The gate in front of gossip: a message for which there is no room does not reach gossip.
//!
//! Gossip remembers every message that it has seen for [`SEEN_TIME`](super::behaviour::SEEN_TIME),
//! and delivers no second copy. A message that is dropped because of a rate or a full lane has not
//! been read, and a peer that floods the node must not be able to hide what honest peers send. Such
//! a message is therefore dropped here, where gossip does not see it. If the world later finds no
//! room for a message, that is too late for this: its id is remembered, and the next copy from a
//! peer goes to the world although gossip has seen one.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ops::{Deref, DerefMut},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub::{self, MessageId, RawMessage},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};
use tokio::time::Instant;

use super::{
    behaviour::Gossip,
    codec::{message_id, topic::Topic},
    counters::Counters,
    peers::Allowance,
};
use crate::InboundLanes;

/// The number of unread messages that are remembered. Further ones count as seen.
const MAX_UNREAD: usize = 4096;
/// The time for which one is remembered. Gossip keeps a message for six heartbeats and cannot
/// forward it after that.
const UNREAD_TIME: Duration = Duration::from_secs(2);

/// An event from gossip's connections.
type HandlerEvent = THandlerOutEvent<Gossip>;

/// Gossip, and the gate that its messages pass.
pub(super) struct Gate {
    gossip: Gossip,
    fork_digest: String,
    lanes: InboundLanes,
    counters: Arc<Counters>,
    /// The number of blocks, aggregates and attestations that each connected peer may still
    /// forward.
    rates: HashMap<PeerId, Allowance>,
    /// Messages that were let in and that gossip has not delivered yet.
    let_in: [usize; 3],
    unread: Unread,
    /// Second copies of unread messages.
    again: VecDeque<gossipsub::Event>,
}

impl Gate {
    pub(super) fn new(
        gossip: Gossip,
        fork_digest: String,
        lanes: InboundLanes,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            gossip,
            fork_digest,
            lanes,
            counters,
            rates: HashMap::new(),
            let_in: [0; 3],
            unread: Unread::default(),
            again: VecDeque::new(),
        }
    }

    /// Notes that a peer has connected, with its rates.
    pub(super) fn connected(&mut self, peer: PeerId, rates: Allowance) {
        self.rates.insert(peer, rates);
    }

    /// Notes that a peer's last connection is gone.
    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.rates.remove(peer);
    }

    /// Lets the next copy of a message in although gossip has seen it. The message must not have
    /// been reported to gossip. Returns false if too many are remembered; the message must then be
    /// ignored.
    pub(super) fn note_unread(&mut self, id: MessageId, now: Instant) -> bool {
        self.unread.insert(id, now)
    }

    /// Returns true if gossip may see a message.
    fn admits(&mut self, peer: PeerId, message: &mut RawMessage) -> bool {
        // Messages of another network are not read, and gossip would keep them for a while.
        let Ok(topic) = Topic::parse(message.topic.as_str(), &self.fork_digest) else {
            return false;
        };
        let (now, kind) = (Instant::now(), kind_of(topic));
        let in_rate = self.rates.get(&peer).is_none_or(|rates| rates.take(kind, 1.0, now));
        if !in_rate || !self.has_room(topic) {
            let counters = self.counters.gossip(topic);
            counters.received.increment();
            counters.received_bytes.add(message.data.len() as u64);
            counters.dropped.increment();
            return false;
        }
        self.let_in[kind] += 1;
        if self.unread.is_empty() {
            return true;
        }
        let id = message_id::of_message(message.topic.as_str(), &message.data);
        let message_id = MessageId::from(id.to_vec());
        if !self.unread.take(&message_id, now) {
            return true;
        }
        let message = gossipsub::Message {
            source: None,
            data: std::mem::take(&mut message.data),
            sequence_number: None,
            topic: message.topic.clone(),
        };
        let propagation_source = peer;
        self.again.push_back(gossipsub::Event::Message { propagation_source, message_id, message });
        false
    }

    fn has_room(&self, topic: Topic) -> bool {
        let ahead = self.let_in[kind_of(topic)];
        match topic {
            Topic::Block => self.lanes.blocks.has_room(ahead),
            Topic::Aggregation => self.lanes.aggregates.has_room(ahead),
            Topic::Attestation(_) => self.lanes.attestations.has_room(ahead),
        }
    }
}

/// The index of a topic's kind among the rates of gossip.
const fn kind_of(topic: Topic) -> usize {
    match topic {
        Topic::Block => 0,
        Topic::Aggregation => 1,
        Topic::Attestation(_) => 2,
    }
}

/// Messages that gossip has seen and that were not read, the oldest first.
#[derive(Debug, Default)]
struct Unread {
    ids: HashSet<MessageId>,
    order: VecDeque<(Instant, MessageId)>,
}

impl Unread {
    fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn insert(&mut self, id: MessageId, now: Instant) -> bool {
        self.expire(now);
        if self.order.len() >= MAX_UNREAD {
            return false;
        }
        if self.ids.insert(id.clone()) {
            self.order.push_back((now, id));
        }
        true
    }

    fn take(&mut self, id: &MessageId, now: Instant) -> bool {
        self.expire(now);
        let was_there = self.ids.remove(id);
        if was_there {
            self.order.retain(|(_, each)| each != id);
        }
        was_there
    }

    fn expire(&mut self, now: Instant) {
        while let Some((since, _)) = self.order.front()
            && now - *since >= UNREAD_TIME
            && let Some((_, id)) = self.order.pop_front()
        {
            self.ids.remove(&id);
        }
    }
}

impl Deref for Gate {
    type Target = Gossip;

    fn deref(&self) -> &Gossip {
        &self.gossip
    }
}

impl DerefMut for Gate {
    fn deref_mut(&mut self) -> &mut Gossip {
        &mut self.gossip
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = <Gossip as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = gossipsub::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.gossip.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.gossip.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        mut event: THandlerOutEvent<Self>,
    ) {
        if let HandlerEvent::Message { rpc, .. } = &mut event {
            rpc.messages.retain_mut(|message| self.admits(peer, message));
        }
        self.gossip.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.again.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        let polled = self.gossip.poll(context);
        if polled.is_pending() {
            // Messages that were let in were delivered, or were second copies.
            self.let_in = [0; 3];
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> MessageId {
        MessageId::from(number.to_string())
    }

    #[test]
    fn an_unread_message_is_let_in_once_and_only_for_a_while() {
        let mut unread = Unread::default();
        let now = Instant::now();
        assert!(unread.insert(id(1), now) && unread.insert(id(1), now));
        assert!(unread.take(&id(1), now) && !unread.take(&id(1), now));
        assert!(unread.insert(id(2), now));
        assert!(!unread.take(&id(2), now + UNREAD_TIME));
        assert!(unread.is_empty() && unread.order.is_empty());
    }

    #[test]
    fn so_many_unread_messages_are_noted_and_no_more() {
        let mut unread = Unread::default();
        let now = Instant::now();
        assert!((0..MAX_UNREAD).all(|number| unread.insert(id(number), now)));
        assert!(!unread.insert(id(MAX_UNREAD), now));
        assert!(unread.insert(id(MAX_UNREAD), now + UNREAD_TIME), "room again");
    }
}
