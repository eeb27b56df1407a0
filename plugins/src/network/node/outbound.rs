//! Carries out commands of the world.

use libp2p::{PeerId, gossipsub::PublishError};
use quintet_components::network::{
    self, DisconnectReason, NetworkCommand, Request, RequestEvent, RequestFailure, RequestId,
};

use super::Node;
use crate::network::{
    codec::topic::Topic,
    gossip::Content,
    requests::{MAX_REQUESTS, ask, kind_of},
    streams::deliver,
};

impl Node {
    /// Publishes what this node made.
    pub(super) fn publish(&mut self, content: &Content) {
        let (topic, bytes) = content.encode(self.config.committee_count);
        let length = bytes.len() as u64;
        let name = self.topic(topic);
        let published = self.swarm.behaviour_mut().gossip.publish(name, bytes);
        let counters = self.counters.gossip(topic);
        match published {
            Ok(_) => {
                counters.published.increment();
                counters.published_bytes.add(length);
            }
            Err(error @ PublishError::MessageTooLarge) => {
                counters.unpublished.increment();
                tracing::error!(%error, ?topic, length, "cannot publish");
            }
            Err(error) => {
                counters.unpublished.increment();
                tracing::debug!(%error, ?topic, "cannot publish");
            }
        }
    }

    /// Carries out a command.
    pub(super) fn obey(&mut self, command: NetworkCommand) {
        match command {
            NetworkCommand::Request { id, peer, request } => self.request(id, &peer, request),
            NetworkCommand::Cancel(id) => {
                if let Some((kind, task)) = self.asking.remove(&id) {
                    task.abort();
                    self.counters.requests(kind).lost.increment();
                }
            }
            NetworkCommand::Respond { id, answer } => self.tasks.answers.give(id, answer),
            NetworkCommand::Penalize { peer, points, why } => {
                if let Some(peer) = parse(&peer) {
                    self.penalize(peer, points, why);
                }
            }
            NetworkCommand::Disconnect { peer, reason, ban } => {
                let Some(peer) = parse(&peer) else { return };
                if ban {
                    let why = ban_words(&reason);
                    self.ban(peer, reason, why);
                } else {
                    self.disconnect(peer, reason);
                }
            }
            NetworkCommand::Reconnect(peer) => {
                if let Some(peer) = parse(&peer) {
                    self.disconnect(peer, DisconnectReason::SilentMesh);
                }
            }
            NetworkCommand::Subscribe(subnets) => self.set_subnets(&subnets),
        }
    }

    fn request(&mut self, id: RequestId, name: &network::PeerId, request: Request) {
        let kind = kind_of(&request);
        self.counters.requests(kind).sent.increment();
        let peer = parse(name).filter(|peer| self.swarm.is_connected(peer));
        let Some(peer) = peer.filter(|_| self.asking.len() < MAX_REQUESTS) else {
            self.counters.requests(kind).lost.increment();
            let events = self.tasks.events.clone();
            let result = Err(RequestFailure::Disconnected);
            tokio::spawn(async move {
                deliver(&events, RequestEvent::Ended { id, result }).await;
            });
            return;
        };
        let opening = self.swarm.behaviour_mut().substreams.open(peer, kind);
        let task = tokio::spawn(ask(self.tasks.clone(), id, peer, request, opening));
        self.asking.insert(id, (kind, task.abort_handle()));
    }

    /// Subscribes to these attestation subnets and no others.
    pub(super) fn set_subnets(&mut self, subnets: &[u64]) {
        for subnet in 0..self.config.committee_count {
            let topic = Topic::Attestation(subnet);
            if subnets.contains(&subnet) {
                self.subscribe(topic);
            } else {
                let name = self.topic(topic);
                self.swarm.behaviour_mut().gossip.unsubscribe(&name);
            }
        }
        if let Some(beyond) = subnets.iter().find(|subnet| **subnet >= self.config.committee_count)
        {
            tracing::warn!(
                subnet = beyond,
                committees = self.config.committee_count,
                "no such attestation subnet; check the committee count"
            );
        }
    }

    pub(super) fn subscribe(&mut self, topic: Topic) {
        let name = self.topic(topic);
        if let Err(error) = self.swarm.behaviour_mut().gossip.subscribe(&name) {
            tracing::error!(%error, ?topic, "cannot subscribe");
        }
    }
}

/// The reason the world bans a peer, in words for the log.
fn ban_words(reason: &DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::WrongChain => "it is on another chain",
        DisconnectReason::Incompatible => "it speaks none of this network's protocols",
        DisconnectReason::LowScore => "its score fell too low",
        _ => "the world refuses it",
    }
}

fn parse(name: &network::PeerId) -> Option<PeerId> {
    name.0.parse().ok()
}
