//! Checks for every request: limits of number, time and size, and errors as JSON.

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::timeout;

use super::{error::ApiError, state::Api};

/// Refuses a request if there is no room for it or if its announced body is too large. Ends a
/// request that takes too long, including one whose body does not arrive.
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

/// Refuses a compressed body, because it would be read as if it were not compressed.
pub(super) async fn refuse_codings(request: Request, next: Next) -> Response {
    let codings = request.headers().get_all(header::CONTENT_ENCODING);
    let is_coded = codings.iter().any(|value| {
        let names = value.to_str().unwrap_or("?").split(',').map(str::trim);
        names.filter(|name| !name.is_empty()).any(|name| !name.eq_ignore_ascii_case("identity"))
    });
    // A request without a body has nothing that could be compressed.
    let has_body = !request.body().is_end_stream() || !request.method().is_safe();
    if !is_coded || !has_body {
        return next.run(request).await;
    }
    let text = "compressed bodies are not accepted: send it without Content-Encoding";
    let mut response = ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    let served = HeaderValue::from_static("identity");
    response.headers_mut().insert(header::ACCEPT_ENCODING, served);
    response
}

/// The path does not exist.
pub(super) async fn not_found() -> ApiError {
    ApiError::not_found("there is no such path; /openapi.json lists them")
}

/// The path exists, but not with this method.
pub(super) async fn no_such_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "the path does not support this method")
}

/// A handler panicked.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response<Body> {
    tracing::error!("a request's handler panicked");
    ApiError::internal().into_response()
}
