//! Gossip: own messages go to every subscribed peer, others are passed on after the verdict.

use std::sync::Arc;

use quintet_components::messages::{InputId, Verdict};
use ssz::Encode;

use super::{
    edge::Content,
    events::{Event, Parcel},
    port::{Gossip, VERDICT_MS, Waiting, identity},
    random::{Fingerprint, Random},
    run::Run,
    scenario::Scenario,
};
use crate::network::scoring::{INVALID_GOSSIP_POINTS, acceptance, is_unread};
use libp2p::gossipsub::MessageAcceptance;

/// The average number of peers in a mesh.
const MESH: usize = 8;
/// The time between two heartbeats, at which peers outside of the mesh are told of messages.
const HEARTBEAT_MS: u64 = 1_000;
/// The number of peers outside of the mesh that are told of a message.
const LAZY: usize = 6;

impl Gossip {
    pub(super) fn new(content: Content) -> Self {
        let mut print = Fingerprint::new(4);
        let root = match &content {
            Content::Block(block) => {
                let root = tree_hash::TreeHash::tree_hash_root(&block.block);
                print.bytes(root.as_slice()).bytes(block.proof.proof.as_bytes());
                root
            }
            Content::Aggregate(aggregate) => {
                print.word(1).bytes(&aggregate.as_ssz_bytes());
                Default::default()
            }
            Content::Attestation(attestation) => {
                print.word(2).bytes(&attestation.as_ssz_bytes());
                Default::default()
            }
        };
        let bytes = match &content {
            Content::Block(block) => block.ssz_bytes_len(),
            Content::Aggregate(aggregate) => aggregate.ssz_bytes_len(),
            Content::Attestation(attestation) => attestation.ssz_bytes_len(),
        };
        Self { id: u128::from_be_bytes(print.finish()), content, root, bytes }
    }

    /// The index of its kind in the rates of gossip.
    const fn kind(&self) -> usize {
        match self.content {
            Content::Block(_) => 0,
            Content::Aggregate(_) => 1,
            Content::Attestation(_) => 2,
        }
    }
}

/// For each node, the peers to which it passes gossip on, if they are connected.
pub(super) fn meshes(scenario: &Scenario, random: &Random) -> Vec<Vec<bool>> {
    let nodes = scenario.nodes;
    let is_small = nodes <= MESH + 1 || scenario.network.calls > 0;
    let mut meshes = vec![vec![is_small; nodes]; nodes];
    for node in (0..nodes).filter(|_| !is_small) {
        let mut others: Vec<usize> = (0..nodes).filter(|other| *other != node).collect();
        random.stream("mesh", node as u64).shuffle(&mut others);
        // The next node is always among them, so that the network is connected.
        for other in others.into_iter().take(MESH / 2 - 1).chain([(node + 1) % nodes]) {
            (meshes[node][other], meshes[other][node]) = (true, true);
        }
    }
    meshes
}

impl Run {
    /// Publishes a node's own message.
    pub(super) fn publish(&mut self, node: usize, content: Content) {
        if self.players[node].is_some() {
            return self.play(node, content);
        }
        self.publish_honestly(node, content);
    }

    fn publish_honestly(&mut self, node: usize, content: Content) {
        self.record_content(node, &content);
        let gossip = Arc::new(Gossip::new(content));
        let now_ms = self.now_ms;
        let Some(alive) = &mut self.machines[node].node else { return };
        alive.port.see(gossip.id, now_ms);
        self.spread(node, &gossip, None);
    }

    /// Sends an adversary's message to some of its peers.
    pub(super) fn send_as(&mut self, node: usize, content: &Content, to: &[usize]) {
        self.record_content(node, content);
        let gossip = Arc::new(Gossip::new(content.clone()));
        let now_ms = self.now_ms;
        if let Some(alive) = &mut self.machines[node].node {
            alive.port.see(gossip.id, now_ms);
        }
        for peer in to {
            self.pass(node, *peer, &gossip);
        }
    }

    /// Sends a message to every connected peer that is subscribed to its topic.
    fn spread(&mut self, node: usize, gossip: &Arc<Gossip>, except: Option<usize>) {
        let Some(alive) = &self.machines[node].node else { return };
        let peers: Vec<usize> = alive.port.peers.keys().copied().collect();
        let mut others = Vec::new();
        for peer in peers.into_iter().filter(|peer| Some(*peer) != except) {
            // Own messages go to all peers, others only to the mesh.
            let is_in_mesh = except.is_none() || self.mesh[node][peer];
            if !self.listens(peer, gossip) {
                continue;
            }
            if is_in_mesh {
                self.pass(node, peer, gossip);
            } else {
                others.push(peer);
            }
        }
        self.random.shuffle(&mut others);
        for peer in others.into_iter().take(LAZY) {
            self.offer(node, peer, gossip);
        }
    }

    /// Tells a peer with the next heartbeat that there is a message.
    fn offer(&mut self, node: usize, peer: usize, gossip: &Arc<Gossip>) {
        let Some(connection) = self.connection(node, peer) else { return };
        let beat_ms = self.now_ms + HEARTBEAT_MS - (self.now_ms + 97 * node as u64) % HEARTBEAT_MS;
        if let Some(at_ms) = self.links.arrival((node, peer), 0, beat_ms) {
            let parcel = Parcel::Have(Arc::clone(gossip));
            self.queue.push(at_ms, peer, Event::Arrive { from: node, connection, parcel });
        }
    }

    /// A node learns that a peer has a message, and requests it if it has not seen it meanwhile.
    fn want(&mut self, node: usize, (peer, connection): (usize, u64), gossip: Arc<Gossip>) {
        if !self.listens(node, &gossip) {
            return;
        }
        let asked_ms = self.links.arrival((node, peer), 0, self.now_ms);
        let sent = asked_ms.and_then(|at_ms| self.links.arrival((peer, node), gossip.bytes, at_ms));
        if let Some(at_ms) = sent {
            let parcel = Parcel::Gossip(gossip);
            self.queue.push(at_ms, node, Event::Arrive { from: peer, connection, parcel });
        }
    }

    fn listens(&self, node: usize, gossip: &Gossip) -> bool {
        let Some(alive) = &self.machines[node].node else { return false };
        // A message that the peer has seen is not sent again, as with `IDONTWANT`.
        !alive.port.has_seen(gossip.id)
            && match &gossip.content {
                Content::Block(_) | Content::Aggregate(_) => true,
                Content::Attestation(vote) => {
                    let subnet = vote.validator_index % self.scenario.committees;
                    alive.port.subnets.contains(&subnet)
                }
            }
    }

    fn pass(&mut self, node: usize, peer: usize, gossip: &Arc<Gossip>) {
        let Some(connection) = self.connection(node, peer) else { return };
        for at_ms in self.links.gossip_arrivals((node, peer), gossip.bytes, self.now_ms) {
            let parcel = Parcel::Gossip(Arc::clone(gossip));
            self.queue.push(at_ms, peer, Event::Arrive { from: node, connection, parcel });
        }
    }

    /// Handles a message that arrives over a connection.
    pub(super) fn arrive(
        &mut self,
        node: usize,
        (from, connection): (usize, u64),
        parcel: Parcel,
    ) -> bool {
        if self.connection(node, from) != Some(connection) {
            return false;
        }
        match parcel {
            Parcel::Gossip(gossip) => self.hear(node, from, gossip),
            Parcel::Ask(id, request) => self.asked(node, (from, connection), id, request),
            Parcel::Reply(event) => self.answered(node, event),
            Parcel::Have(gossip) => {
                self.want(node, (from, connection), gossip);
                false
            }
        }
    }

    fn hear(&mut self, node: usize, from: usize, gossip: Arc<Gossip>) -> bool {
        let now_ms = self.now_ms;
        let most = self.machines[node].lane_items;
        let Some(alive) = &mut self.machines[node].node else { return false };
        let port = &mut alive.port;
        let (now, kind) = (port.instant(now_ms), gossip.kind());
        let state = port.book.get_mut(&identity(from));
        if port_is_over_rate(state, kind, now) || !port.see(gossip.id, now_ms) {
            return false;
        }
        let id = gossip.id;
        let waiting = Waiting { gossip, from, since_ms: now_ms };
        let taken = port.offer(&alive.lanes, waiting, most);
        if !taken {
            port.forget(id);
        }
        taken
    }

    /// Handles the world's verdict on a message.
    pub(super) fn judge(&mut self, node: usize, id: InputId, verdict: &Verdict) {
        let now_ms = self.now_ms;
        let Some(alive) = &mut self.machines[node].node else { return };
        let Some(waiting) = alive.port.judged(id) else { return };
        if let Verdict::Ignored(reason) = verdict
            && is_unread(*reason)
        {
            alive.port.forget(waiting.gossip.id);
            return;
        }
        match acceptance(verdict) {
            MessageAcceptance::Accept if waiting.since_ms + VERDICT_MS >= now_ms => {
                self.spread(node, &waiting.gossip, Some(waiting.from));
            }
            MessageAcceptance::Reject => {
                self.oracles.note_rejection(node, waiting.from, verdict);
                self.penalize(node, waiting.from, INVALID_GOSSIP_POINTS);
            }
            MessageAcceptance::Accept | MessageAcceptance::Ignore => {}
        }
    }
}

fn port_is_over_rate(
    state: Option<&mut crate::network::peers::PeerState>,
    kind: usize,
    now: tokio::time::Instant,
) -> bool {
    state.is_some_and(|state| !state.gossip.take(kind, 1.0, now))
}
