//! The node's measurements, and its heap profile.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

use super::super::{
    answer,
    error::{ApiError, ErrorBody},
    heap,
    state::Api,
};

/// The node's measurements.
///
/// Prometheus' text format 0.0.4, or `OpenMetrics` 1.0.0 if `Accept` prefers it.
#[utoipa::path(get, path = "/metrics", tag = "metrics",
    responses((status = OK, body = String, content_type = "text/plain"),
        (status = 503, body = ErrorBody)))]
pub(super) async fn scrape(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let metrics = api.metrics.as_ref();
    let metrics = metrics.ok_or_else(|| ApiError::unavailable("this node has no metrics"))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let (content_type, text) = metrics.encode(accept);
    Ok(answer::bytes(content_type, text.into()))
}

/// The heap profile, for `pprof`.
///
/// Needs a build with the feature `heap-profile` and a start with `MALLOC_CONF=prof:true`.
#[utoipa::path(get, path = "/debug/pprof/allocs", tag = "metrics",
    security((), ("token" = [])),
    responses((status = OK, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 501, body = ErrorBody)))]
pub(super) async fn allocations(State(api): State<Api>) -> Result<Response, ApiError> {
    profile(&api).await
}

/// The same, at `pprof`'s other path for it.
#[utoipa::path(get, path = "/debug/pprof/heap", tag = "metrics",
    security((), ("token" = [])),
    responses((status = OK, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 501, body = ErrorBody)))]
pub(super) async fn heap(State(api): State<Api>) -> Result<Response, ApiError> {
    profile(&api).await
}

async fn profile(api: &Api) -> Result<Response, ApiError> {
    let profile = api.read(heap::profile).await?;
    let mut response = answer::bytes(answer::SSZ, Bytes::from(profile));
    response.headers_mut().insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"heap.pb.gz\""),
    );
    Ok(response)
}
