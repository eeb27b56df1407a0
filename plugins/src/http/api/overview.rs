//! The node at a glance: what its page shows.

use axum::{extract::State, response::Response};
use quintet_components::{
    clock::CurrentInterval,
    constants::SECONDS_PER_SLOT,
    containers::{Slot, ValidatorIndex},
    duties::DutyCounts,
    snapshot::{PeerView, Snapshot},
    sync::SyncState,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        answer::json,
        error::{ApiError, ErrorBody},
        state::Api,
    },
    chain::CheckpointBody,
    node::direction,
};

/// The node at a glance. Times are Unix milliseconds.
#[derive(Serialize, ToSchema)]
pub(super) struct Overview {
    node: NodeBody,
    clock: ClockBody,
    head: CheckpointBody,
    safe_target: CheckpointBody,
    justified: CheckpointBody,
    finalized: CheckpointBody,
    sync: SyncBody,
    peers: Vec<PeerBody>,
    duties: DutiesBody,
}

/// Who the node is, and what it was told to do.
#[derive(Serialize, ToSchema)]
struct NodeBody {
    name: String,
    version: String,
    agent: String,
    peer_id: Option<String>,
    start_time_ms: u64,
    /// Unix time of slot 0 in seconds.
    genesis_time: u64,
    validator_count: usize,
    is_aggregator: bool,
    committee_count: u64,
    /// The subnets whose votes it gets as an aggregator.
    subnets: Vec<u64>,
    /// Its own validators.
    validators: Vec<ValidatorIndex>,
}

/// The interval that was walked last.
#[derive(Serialize, ToSchema)]
struct ClockBody {
    slot: Slot,
    interval: u8,
    /// When the interval began.
    time_ms: u64,
    seconds_per_slot: u64,
}

/// Where the node stands against the network.
#[derive(Serialize, ToSchema)]
struct SyncBody {
    /// `idle`, `syncing` or `synced`.
    state: &'static str,
    head_slot: Slot,
    /// The highest head that a peer names, or the own one.
    target_slot: Slot,
}

/// A connected peer.
#[derive(Serialize, ToSchema)]
struct PeerBody {
    peer_id: String,
    /// What `validator-config.yaml` calls it.
    name: Option<String>,
    /// `inbound` or `outbound`.
    direction: &'static str,
    agent: Option<String>,
    score: f64,
    head_slot: Option<Slot>,
    finalized_slot: Option<Slot>,
    connected_ms: u64,
}

/// Duties since the node began.
#[derive(Serialize, ToSchema)]
struct DutiesBody {
    proposed: u64,
    attested: u64,
    missed: u64,
}

impl From<&PeerView> for PeerBody {
    fn from(peer: &PeerView) -> Self {
        Self {
            peer_id: peer.id.to_string(),
            name: None,
            direction: direction(peer.direction),
            agent: peer.agent.clone(),
            score: peer.score,
            head_slot: peer.status.map(|(head, _)| head.slot),
            finalized_slot: peer.status.map(|(_, finalized)| finalized.slot),
            connected_ms: peer.connected_ms,
        }
    }
}

impl From<DutyCounts> for DutiesBody {
    fn from(DutyCounts { proposed, attested, missed, .. }: DutyCounts) -> Self {
        Self { proposed, attested, missed }
    }
}

fn clock(genesis_time: u64, time: CurrentInterval) -> ClockBody {
    let clock = quintet_components::clock::SlotClock::new(genesis_time);
    ClockBody {
        slot: time.slot(),
        interval: time.interval() as u8,
        time_ms: clock.interval_start_ms(time.count),
        seconds_per_slot: SECONDS_PER_SLOT,
    }
}

impl Overview {
    fn of(api: &Api, snapshot: &Snapshot) -> Self {
        let (node, facts) = (&api.node, &snapshot.facts);
        Self {
            node: NodeBody {
                name: node.name.clone(),
                version: node.version.clone(),
                agent: node.agent.clone(),
                peer_id: node.peer_id.clone(),
                start_time_ms: node.start_time_ms,
                genesis_time: snapshot.genesis_time,
                validator_count: snapshot.validator_count,
                is_aggregator: snapshot.is_aggregator,
                committee_count: snapshot.committee_count,
                subnets: snapshot.subnets.to_vec(),
                validators: node.validators.clone(),
            },
            clock: clock(snapshot.genesis_time, snapshot.time),
            head: facts.head.into(),
            safe_target: facts.safe_target.into(),
            justified: facts.justified.into(),
            finalized: facts.finalized.into(),
            sync: SyncBody {
                state: match snapshot.sync.state {
                    SyncState::Idle => "idle",
                    SyncState::Syncing => "syncing",
                    SyncState::Synced => "synced",
                },
                head_slot: facts.head.slot,
                target_slot: snapshot.sync.target_slot,
            },
            peers: snapshot.peers.iter().map(PeerBody::from).collect(),
            duties: snapshot.duties.into(),
        }
    }
}

/// The node at a glance: what its page shows.
#[utoipa::path(get, path = "/quintet/v0/overview", tag = "node",
    responses((status = OK, body = Overview), (status = 503, body = ErrorBody)))]
pub(super) async fn overview(State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(json(&Overview::of(&api, &*api.snapshot()?)))
}
