//! The node itself: its identity, its progress, its peers.

use axum::{extract::State, response::Response};
use quintet_components::{
    containers::Slot,
    network::Direction,
    snapshot::{PeerView, Snapshot},
    sync::SyncState,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{
    answer::json,
    error::{ApiError, ErrorBody},
    state::Api,
};

/// The identity of the node.
#[derive(Serialize, ToSchema)]
pub(super) struct Identity {
    /// Software, version and proof system.
    version: String,
    /// The proof system of the network's blocks.
    proof_system: String,
    /// libp2p's peer id; null in a node without a network.
    peer_id: Option<String>,
    /// The signed node record, if the node knows the address at which others reach it.
    enr: Option<String>,
    /// The multiaddrs that it listens on.
    addresses: Vec<String>,
    /// Its name, chosen by the operator.
    name: String,
}

/// The identity of the node.
#[utoipa::path(get, path = "/lean/v0/node/identity", tag = "node",
    responses((status = OK, body = Identity)))]
pub(super) async fn identity(State(api): State<Api>) -> Response {
    json(&Identity {
        version: api.node.agent.clone(),
        proof_system: api.node.proof_system.clone(),
        peer_id: api.node.peer_id.clone(),
        enr: api.node.record.clone(),
        addresses: api.node.addresses.clone(),
        name: api.node.name.clone(),
    })
}

/// Software, version and proof system.
#[derive(Serialize, ToSchema)]
pub(super) struct Version {
    #[schema(example = "quintet/0.1.0/multisig")]
    version: String,
}

/// Software, version and proof system.
#[utoipa::path(get, path = "/lean/v0/node/version", tag = "node",
    responses((status = OK, body = Version)))]
pub(super) async fn version(State(api): State<Api>) -> Response {
    json(&Version { version: api.node.agent.clone() })
}

/// The progress of the node.
#[derive(Serialize, ToSchema)]
pub(super) struct Syncing {
    /// True if a followed chain is ahead, or if the node does not know. Duties are then not done.
    is_syncing: bool,
    head_slot: Slot,
    /// Slots from the head to the clock.
    sync_distance: u64,
    finalized_slot: Slot,
}

/// The progress of the node.
#[utoipa::path(get, path = "/lean/v0/node/syncing", tag = "node",
    responses((status = OK, body = Syncing), (status = 503, body = ErrorBody)))]
pub(super) async fn syncing(State(api): State<Api>) -> Result<Response, ApiError> {
    let snapshot = api.snapshot()?;
    let head_slot = snapshot.facts.head.slot;
    Ok(json(&Syncing {
        is_syncing: snapshot.sync.state != SyncState::Synced,
        head_slot,
        sync_distance: snapshot.time.slot().saturating_sub(head_slot),
        finalized_slot: snapshot.facts.finalized.slot,
    }))
}

/// A connected peer.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerBody {
    peer_id: String,
    /// Its name in `validator-config.yaml`.
    name: Option<String>,
    /// Its address, as a multiaddr.
    address: String,
    /// Always `connected`.
    state: &'static str,
    /// The side that opened the connection: `inbound` or `outbound`.
    direction: &'static str,
    agent: Option<String>,
    /// The network's score; below zero is bad.
    score: f64,
    /// The head in its last status.
    head_slot: Option<Slot>,
    /// The finalized checkpoint in its last status.
    finalized_slot: Option<Slot>,
    /// The time at which it connected, in Unix milliseconds.
    connected_ms: u64,
}

/// The peers.
#[derive(Serialize, ToSchema)]
pub(super) struct PeersBody {
    peers: Vec<PeerBody>,
}

impl From<&PeerView> for PeerBody {
    fn from(peer: &PeerView) -> Self {
        Self {
            peer_id: peer.id.to_string(),
            name: peer.name.clone(),
            address: peer.address.clone(),
            state: "connected",
            direction: match peer.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            agent: peer.agent.clone(),
            score: peer.score,
            head_slot: peer.status.map(|(head, _)| head.slot),
            finalized_slot: peer.status.map(|(_, finalized)| finalized.slot),
            connected_ms: peer.connected_ms,
        }
    }
}

/// The connected peers.
#[utoipa::path(get, path = "/lean/v0/node/peers", tag = "node",
    responses((status = OK, body = PeersBody), (status = 503, body = ErrorBody)))]
pub(super) async fn peers(State(api): State<Api>) -> Result<Response, ApiError> {
    let snapshot = api.snapshot()?;
    Ok(json(&PeersBody { peers: snapshot.peers.iter().map(PeerBody::from).collect() }))
}

/// The number of peers, in total and by direction.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerCount {
    connected: usize,
    inbound: usize,
    outbound: usize,
}

impl From<&Snapshot> for PeerCount {
    fn from(snapshot: &Snapshot) -> Self {
        let of =
            |direction| snapshot.peers.iter().filter(|peer| peer.direction == direction).count();
        Self {
            connected: snapshot.peers.len(),
            inbound: of(Direction::Inbound),
            outbound: of(Direction::Outbound),
        }
    }
}

/// The number of peers, in total and by direction.
#[utoipa::path(get, path = "/lean/v0/node/peer_count", tag = "node",
    responses((status = OK, body = PeerCount), (status = 503, body = ErrorBody)))]
pub(super) async fn peer_count(State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(json(&PeerCount::from(&*api.snapshot()?)))
}
