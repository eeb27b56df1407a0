//! The aggregator's role.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::super::{
    admin::SetAggregator,
    answer::json,
    error::{ApiError, ErrorBody},
    state::Api,
};

/// The role.
#[derive(Serialize, ToSchema)]
pub(super) struct AggregatorBody {
    is_aggregator: bool,
}

/// The role to set.
#[derive(Deserialize, ToSchema)]
pub(super) struct SetAggregatorBody {
    enabled: bool,
}

/// The new role, and the previous one.
#[derive(Serialize, ToSchema)]
pub(super) struct AggregatorSetBody {
    is_aggregator: bool,
    previous: bool,
}

/// Returns the aggregator role.
#[utoipa::path(get, path = "/lean/v0/admin/aggregator", tag = "admin",
    security((), ("token" = [])),
    responses((status = OK, body = AggregatorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn aggregator(State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(json(&AggregatorBody { is_aggregator: api.snapshot()?.is_aggregator }))
}

/// Sets the aggregator role.
#[utoipa::path(post, path = "/lean/v0/admin/aggregator", tag = "admin",
    security((), ("token" = [])), request_body = SetAggregatorBody,
    responses((status = OK, body = AggregatorSetBody), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 408, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn set_aggregator(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    is_json(&headers)?;
    let SetAggregatorBody { enabled } = serde_json::from_slice(&body?).map_err(|_| {
        ApiError::bad_request("the body must be a JSON object with `enabled`, true or false")
    })?;
    let (done, previous) = oneshot::channel();
    let busy = || ApiError::unavailable("the node does not answer; the role may still change");
    if api.admin.try_offer(SetAggregator { enabled, done }).is_err() {
        return Err(ApiError::unavailable("too many changes are waiting"));
    }
    let previous = previous.await.map_err(|_| busy())?;
    Ok(json(&AggregatorSetBody { is_aggregator: enabled, previous }))
}

/// A body without a type counts as JSON.
fn is_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = kind.to_str().ok().and_then(|kind| kind.split(';').next());
    if essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body has to be application/json"))
}
