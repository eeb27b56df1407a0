//! What every request passes: limits of place, time and size, and errors as JSON.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;

use super::{error::ApiError, state::Api};

/// Refuses a body that is announced as too large, and a request for which there is no place; ends
/// one that takes too long, be it that its body does not come.
pub(super) async fn limit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let limits = &api.config.limits;
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > limits.body_bytes) {
        return ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("a body has at most {} bytes", limits.body_bytes),
        )
        .into_response();
    }
    let Ok(_place) = api.requests.try_acquire() else {
        return ApiError::unavailable("too many requests at once").into_response();
    };
    timeout(limits.answer, next.run(request)).await.unwrap_or_else(|_| {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "the request was not complete in time")
            .into_response()
    })
}

/// No such path.
pub(super) async fn not_found() -> ApiError {
    ApiError::not_found("there is no such path; /openapi.json lists them")
}

/// The path is there, the method is not.
pub(super) async fn no_such_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "the path does not take this method")
}

/// A handler panicked.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response<Body> {
    tracing::error!("a request's handler panicked");
    ApiError::internal().into_response()
}
