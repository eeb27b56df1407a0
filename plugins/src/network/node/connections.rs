//! Handles connections that open and close.

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

/// The largest agent of a peer in bytes.
const MAX_AGENT_BYTES: usize = 256;
/// The largest description of a failed connection in bytes.
const MAX_REASON_BYTES: usize = 256;
/// The beginning of the names of gossip's protocols.
const GOSSIP_PROTOCOLS: &str = "/meshsub/";

/// If a peer connects again this long after its last connection, it has lost that connection.
const STALE_AFTER: Duration = Duration::from_secs(2);

impl Node {
    /// Handles a failed outbound connection. For a bootnode it is logged once for each reason.
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
            // It is connected, or is being dialled, or is refused: this is intended.
            (_, DialError::DialPeerConditionFalse(_) | DialError::Denied { .. })
            | (None | Some(false), _) => tracing::debug!(failure, "a call did not get through"),
            // The bootnode may not have started yet.
            (Some(true), _) if result == ConnectionResult::Timeout => {
                tracing::info!("a bootnode does not answer, and is dialled again: {failure}");
            }
            (Some(true), _) => {
                tracing::warn!("a bootnode cannot be reached, and is dialled again: {failure}");
            }
        }
    }

    /// Handles a failed inbound connection. Anybody can cause it, so only a few are logged.
    pub(super) fn on_failed_answer(&mut self, from: &Multiaddr, error: &ListenError) {
        let failure = failure::of_answering(error);
        let result = connection_result(&failure);
        self.metrics.network.note_connection(Direction::Inbound, result);
        let is_handshake =
            matches!(error, ListenError::Transport(_) | ListenError::WrongPeerId { .. });
        if is_handshake && self.failed_handshakes.take(1.0, Instant::now()) {
            tracing::info!("the handshake with {from} failed: {failure}");
        } else {
            tracing::debug!(%from, failure, "an inbound connection failed");
        }
    }

    pub(super) fn on_connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint) {
        if self.events.len() >= MAX_WAITING_EVENTS {
            // The world does not keep up. It does not need events about a connection that was never
            // reported.
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

    /// Handles a new connection of a peer that has been connected for a while: it has lost its
    /// earlier connection, although this node still considers it open. This happens when the peer's
    /// process was stopped. Gossip announces its topics only on a peer's first connection, so the
    /// peer would learn of none and publish nothing. All its connections are closed; the peer
    /// connects once more, and both sides start anew. This does not apply to two nodes that dial
    /// each other at the same time.
    pub(super) fn on_connected_again(&mut self, peer: &PeerId, endpoint: &ConnectedPoint) {
        let since = self.peers.get_mut(peer).map(|state| state.since);
        if endpoint.is_listener() && since.is_some_and(|since| since.elapsed() >= STALE_AFTER) {
            tracing::debug!(%peer, "a peer reconnects");
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

    /// Dials a peer at its last address. It may not be a bootnode, and a peer that dialled this
    /// node may not dial again.
    fn call_again(&mut self, peer: PeerId, address: Multiaddr) {
        self.counters.dialled.increment();
        let call = DialOpts::peer_id(peer).addresses(vec![address]).build();
        if let Err(error) = self.swarm.dial(call) {
            tracing::debug!(%peer, %error, "cannot dial a peer again");
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

/// The result of a failed attempt. The transport reports a timeout only as text.
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
            // The QUIC library reports this only as text.
            if text.contains("closed by peer") || text.contains("aborted by peer") {
                DisconnectReason::ClosedByPeer
            } else {
                DisconnectReason::ConnectionLost(cut(&text, MAX_REASON_BYTES).to_owned())
            }
        }
    }
}
