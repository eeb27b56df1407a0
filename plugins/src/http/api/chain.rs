//! An overview of the chain: health, constants, checkpoints, the fork-choice tree.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quintet_components::{
    clock::in_words,
    constants::{
        ATTESTATION_COMMITTEE_COUNT, GOSSIP_DISPARITY_INTERVALS, HISTORICAL_ROOTS_LIMIT,
        IMMEDIATE_JUSTIFICATION_WINDOW, INTERVAL_DURATION_MS, INTERVALS_PER_SLOT,
        JUSTIFICATION_LOOKBACK_SLOTS, MAX_ATTESTATIONS_DATA, MAX_REQUEST_BLOCKS, SECONDS_PER_SLOT,
        SLOT_DURATION_MS, VALIDATOR_REGISTRY_LIMIT,
    },
    containers::{Checkpoint, Root, Slot, ValidatorIndex},
    snapshot::Snapshot,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{
    answer::json,
    error::{ApiError, ErrorBody},
    state::Api,
};

/// The node's health.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`, or `unhealthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Always `lean-rpc-api`.
    #[schema(example = "lean-rpc-api")]
    service: &'static str,
    /// The reason it is unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The node's health: 503 when it has walked no interval for two slots after genesis.
#[utoipa::path(get, path = "/lean/v0/health", tag = "node",
    responses((status = OK, body = Health), (status = 503, body = Health)))]
pub(super) async fn health(State(api): State<Api>) -> Response {
    let service = "lean-rpc-api";
    let Some(time) = api.stands_still() else {
        return json(&Health { status: "healthy", service, reason: None });
    };
    let reason = Some(format!(
        "no interval has been walked for {}: the node stands still; its log may say why",
        in_words(time)
    ));
    let body = json(&Health { status: "unhealthy", service, reason });
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

/// The same, at another path that some monitors use.
#[utoipa::path(get, path = "/v0/health", tag = "node",
    responses((status = OK, body = Health), (status = 503, body = Health)))]
pub(super) async fn short_health(api: State<Api>) -> Response {
    health(api).await
}

/// The protocol's constants, with leanSpec's names.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct Spec {
    seconds_per_slot: u64,
    milliseconds_per_slot: u64,
    intervals_per_slot: u64,
    milliseconds_per_interval: u64,
    gossip_disparity_intervals: u64,
    historical_roots_limit: usize,
    validator_registry_limit: usize,
    max_attestations_data: usize,
    max_request_blocks: usize,
    justification_lookback_slots: u64,
    immediate_justification_window: u64,
    /// The network's number of committees, which is not a constant of the protocol.
    attestation_committee_count: u64,
    /// The network's name in gossip topics.
    fork_digest: String,
}

/// The protocol's constants.
#[utoipa::path(get, path = "/lean/v0/config/spec", tag = "chain",
    responses((status = OK, body = Spec)))]
pub(super) async fn spec(State(api): State<Api>) -> Response {
    let committees = api.snapshots.read().map(|snapshot| snapshot.committee_count);
    json(&Spec {
        seconds_per_slot: SECONDS_PER_SLOT,
        milliseconds_per_slot: SLOT_DURATION_MS,
        intervals_per_slot: INTERVALS_PER_SLOT,
        milliseconds_per_interval: INTERVAL_DURATION_MS,
        gossip_disparity_intervals: GOSSIP_DISPARITY_INTERVALS,
        historical_roots_limit: HISTORICAL_ROOTS_LIMIT,
        validator_registry_limit: VALIDATOR_REGISTRY_LIMIT,
        max_attestations_data: MAX_ATTESTATIONS_DATA,
        max_request_blocks: MAX_REQUEST_BLOCKS,
        justification_lookback_slots: JUSTIFICATION_LOOKBACK_SLOTS,
        immediate_justification_window: IMMEDIATE_JUSTIFICATION_WINDOW,
        attestation_committee_count: committees.unwrap_or(ATTESTATION_COMMITTEE_COUNT),
        fork_digest: api.node.fork_digest.clone(),
    })
}

/// The start of the chain.
#[derive(Serialize, ToSchema)]
pub(super) struct GenesisBody {
    /// Unix time of slot 0 in seconds.
    genesis_time: u64,
    /// Validators in the registry, which never changes.
    validator_count: usize,
}

/// The start of the chain.
#[utoipa::path(get, path = "/lean/v0/genesis", tag = "chain",
    responses((status = OK, body = GenesisBody), (status = 503, body = ErrorBody)))]
pub(super) async fn genesis(State(api): State<Api>) -> Result<Response, ApiError> {
    let snapshot = api.snapshot()?;
    Ok(json(&GenesisBody {
        genesis_time: snapshot.genesis_time,
        validator_count: snapshot.validator_count,
    }))
}

/// A block's root with its slot.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub(super) struct CheckpointBody {
    slot: Slot,
    #[schema(value_type = String, example = "0x9f2c…")]
    root: Root,
}

impl From<Checkpoint> for CheckpointBody {
    fn from(Checkpoint { root, slot }: Checkpoint) -> Self {
        Self { slot, root }
    }
}

/// The head.
#[utoipa::path(get, path = "/lean/v0/head", tag = "chain",
    responses((status = OK, body = CheckpointBody), (status = 503, body = ErrorBody)))]
pub(super) async fn head(State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(json(&CheckpointBody::from(api.snapshot()?.facts.head)))
}

/// The justified checkpoint.
#[utoipa::path(get, path = "/lean/v0/checkpoints/justified", tag = "chain",
    responses((status = OK, body = CheckpointBody), (status = 503, body = ErrorBody)))]
pub(super) async fn justified(State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(json(&CheckpointBody::from(api.snapshot()?.facts.justified)))
}

/// A block of the fork-choice tree.
#[derive(Serialize, ToSchema)]
pub(super) struct ForkChoiceNode {
    #[schema(value_type = String)]
    root: Root,
    slot: Slot,
    #[schema(value_type = String)]
    parent_root: Root,
    proposer_index: ValidatorIndex,
    /// The number of latest votes for the block or a descendant.
    weight: u32,
}

/// The fork-choice tree.
#[derive(Serialize, ToSchema)]
pub(super) struct ForkChoiceBody {
    /// The blocks from the finalized slot on, parents before children.
    nodes: Vec<ForkChoiceNode>,
    #[schema(value_type = String)]
    head: Root,
    justified: CheckpointBody,
    finalized: CheckpointBody,
    #[schema(value_type = String)]
    safe_target: Root,
    validator_count: usize,
}

impl From<&Snapshot> for ForkChoiceBody {
    fn from(snapshot: &Snapshot) -> Self {
        let facts = &snapshot.facts;
        let shown = snapshot.tree.iter().filter(|(block, _)| block.slot >= facts.finalized.slot);
        let nodes = shown.map(|(block, weight)| ForkChoiceNode {
            root: block.root,
            slot: block.slot,
            parent_root: block.parent_root,
            proposer_index: block.proposer_index,
            weight,
        });
        Self {
            nodes: nodes.collect(),
            head: facts.head.root,
            justified: facts.justified.into(),
            finalized: facts.finalized.into(),
            safe_target: facts.safe_target.root,
            validator_count: snapshot.validator_count,
        }
    }
}

/// The blocks from the finalized one on, with their weights.
#[utoipa::path(get, path = "/lean/v0/fork_choice", tag = "chain",
    responses((status = OK, body = ForkChoiceBody), (status = 503, body = ErrorBody)))]
pub(super) async fn fork_choice(State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(json(&ForkChoiceBody::from(&*api.snapshot()?)))
}
