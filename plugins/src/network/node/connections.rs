//! How connections come about, and how they end.

use std::time::Duration;

use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    identify,
    swarm::{ConnectionError, ConnectionId, DialError, ListenError, dial_opts::DialOpts},
};
use quintet_components::{
    metrics::ConnectionResult,
    network::{Direction, DisconnectReason, PeerEvent},
};
use tokio::time::Instant;

use super::{MAX_WAITING_EVENTS, Node};
use crate::network::{codec::wire::cut, failure, substreams::RequestKind};

/// Bytes of a peer's agent at most.
const MAX_AGENT_BYTES: usize = 256;
/// Bytes of the words for a broken connection at most.
const MAX_REASON_BYTES: usize = 256;
/// How the names of gossip's protocols begin.
const GOSSIP_PROTOCOLS: &str = "/meshsub/";

/// A peer that calls again so long after it connected has lost the connection.
const STALE_AFTER: Duration = Duration::from_secs(2);

impl Node {
    /// A call of this node came to nothing. A bootnode's is told once for each reason.
    pub(super) fn on_missed_call(
        &mut self,
        call: ConnectionId,
        peer: Option<PeerId>,
        error: &DialError,
    ) {
        let failure = failure::of_calling(error);
        let result = connection_result(&failure);
        self.metrics.network.note_connection(Direction::Outbound, result);
        let is_new = self.bootnodes.missed(call, peer, &failure);
        if is_new.is_some() {
            self.counters.dial_failures.increment();
        }
        match (is_new, error) {
            // It is connected, or is being called, or is refused: by this node's own will.
            (_, DialError::DialPeerConditionFalse(_) | DialError::Denied { .. })
            | (None | Some(false), _) => tracing::debug!(failure, "a call did not get through"),
            // It may not have started yet.
            (Some(true), _) if result == ConnectionResult::Timeout => {
                tracing::info!("a bootnode does not answer, and is called again: {failure}");
            }
            (Some(true), _) => {
                tracing::warn!("a bootnode cannot be reached, and is called again: {failure}");
            }
        }
    }

    /// A call of somebody else came to nothing. Anybody can cause it, so only a few are told.
    pub(super) fn on_failed_answer(&mut self, from: &Multiaddr, error: &ListenError) {
        let failure = failure::of_answering(error);
        let result = connection_result(&failure);
        self.metrics.network.note_connection(Direction::Inbound, result);
        let is_handshake =
            matches!(error, ListenError::Transport(_) | ListenError::WrongPeerId { .. });
        if is_handshake && self.failed_handshakes.take(1.0, Instant::now()) {
            tracing::info!("the handshake with {from} failed: {failure}");
        } else {
            tracing::debug!(%from, failure, "a connection did not come about");
        }
    }

    pub(super) fn on_connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint) {
        if self.events.len() >= MAX_WAITING_EVENTS {
            // The world does not keep up; it will not miss what it never saw.
            self.peers.connect(peer, Instant::now()).reported = false;
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        }
        self.counters.connected.increment();
        let state = self.peers.connect(peer, Instant::now());
        self.swarm.behaviour_mut().gossip.connected(peer, state.gossip.clone());
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
    /// its connections are closed; it calls once more, and both begin anew. This does not apply to
    /// two nodes that call each other at the same time.
    pub(super) fn on_connected_again(&mut self, peer: &PeerId, endpoint: &ConnectedPoint) {
        let since = self.peers.get_mut(peer).map(|state| state.since);
        if endpoint.is_listener() && since.is_some_and(|since| since.elapsed() >= STALE_AFTER) {
            tracing::debug!(%peer, "a peer begins anew");
            let _ = self.swarm.disconnect_peer_id(*peer);
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: &PeerId, cause: Option<&ConnectionError>) {
        self.swarm.behaviour_mut().gossip.disconnected(peer);
        let Some(state) = self.peers.disconnect(peer, Instant::now()) else { return };
        let closing = state.closing.take();
        if !std::mem::take(&mut state.reported) {
            return;
        }
        self.counters.disconnected.increment();
        let reason = closing.unwrap_or_else(|| disconnect_reason(cause));
        tracing::debug!(%peer, ?reason, "disconnected");
        let (name, address) = (state.name.clone(), state.address.clone());
        let is_called_again = reason == DisconnectReason::SilentMesh;
        self.events.push_back(PeerEvent::Disconnected { peer: name, reason });
        if let Some(address) = address.filter(|_| is_called_again) {
            self.call_again(*peer, address);
        }
    }

    /// Calls a peer where it was. It may be no bootnode, and who called this node may not call
    /// again.
    fn call_again(&mut self, peer: PeerId, address: Multiaddr) {
        self.counters.dialled.increment();
        let call = DialOpts::peer_id(peer).addresses(vec![address]).build();
        if let Err(error) = self.swarm.dial(call) {
            tracing::debug!(%peer, %error, "cannot call a peer again");
            self.counters.dial_failures.increment();
        }
    }

    pub(super) fn on_identified(&mut self, peer: PeerId, info: &identify::Info) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if !state.reported || std::mem::replace(&mut state.identified, true) {
            return;
        }
        let agent = cut(&info.agent_version, MAX_AGENT_BYTES).to_owned();
        state.agent.clone_from(&agent);
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
