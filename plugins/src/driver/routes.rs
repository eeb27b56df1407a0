//! The driver's HTTP routes.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, FromRequest, Request as HttpRequest, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bevy_app::{App, Plugin};
use quintet_components::preset::SignaturePreset;
use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use super::worker::{Answer, Driver, DriverError, Request};
use crate::web::HttpRoutes;

/// The largest body in bytes. A state of 4096 validators is 2 MiB of JSON.
pub const MAX_BODY_BYTES: usize = 32 << 20;
/// The number of requests that may be in progress, so that their bodies fit into memory; further
/// ones are answered with 503.
pub const MAX_REQUESTS: usize = 16;
/// The time in which a body must arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
const PREFIX: &str = "/lean/v0/test_driver";

/// Serves the test driver beside the node's API. It must be added before `HttpPlugin` is finished.
/// Without that plugin nothing is served.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`HttpRoutes`] if it is missing | | [`HttpRoutes`] |
#[derive(Clone, Copy, Debug)]
pub struct TestDriverPlugin {
    /// The preset of signatures, for cases that name none.
    pub preset: SignaturePreset,
}

impl Plugin for TestDriverPlugin {
    fn build(&self, app: &mut App) {
        match Driver::start(self.preset) {
            Ok(driver) => app.world_mut().get_resource_or_init::<HttpRoutes>().add(routes(driver)),
            Err(error) => tracing::error!(%error, "the test driver has no thread"),
        }
    }
}

/// The paths of the driver.
pub fn routes(driver: Driver) -> Router {
    let paths = Router::new()
        .route("/fork_choice/init", post(init))
        .route("/fork_choice/step", post(step))
        .route("/fork_choice/snapshot", get(snapshot))
        .route("/state_transition/run", post(transition))
        .route("/verify_signatures/run", post(signatures))
        .route("/reset", post(reset));
    Router::new()
        .nest(PREFIX, paths)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::new(Semaphore::new(MAX_REQUESTS)), limit))
        .with_state(driver)
}

async fn limit(State(places): State<Arc<Semaphore>>, request: HttpRequest, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => failure(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once"),
    }
}

async fn init(State(driver): State<Driver>, Json(body): Json) -> Response {
    answer(driver.ask(Request::Init(body)).await)
}

async fn step(State(driver): State<Driver>, Json(body): Json) -> Response {
    answer(driver.ask(Request::Step(body)).await)
}

async fn snapshot(State(driver): State<Driver>) -> Response {
    answer(driver.ask(Request::Snapshot).await)
}

async fn transition(State(driver): State<Driver>, Json(body): Json) -> Response {
    answer(driver.ask(Request::Transition(body)).await)
}

async fn signatures(State(driver): State<Driver>, Json(body): Json) -> Response {
    answer(driver.ask(Request::Signatures(body)).await)
}

async fn reset(State(driver): State<Driver>) -> Response {
    answer(driver.ask(Request::Reset).await)
}

fn answer(answer: Answer) -> Response {
    let error = match answer {
        Ok(None) => return StatusCode::NO_CONTENT.into_response(),
        Ok(Some(text)) => return json_response(StatusCode::OK, text),
        Err(error) => error,
    };
    let status = match error {
        DriverError::BadRequest(_) => StatusCode::BAD_REQUEST,
        DriverError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        DriverError::NoScenario => StatusCode::CONFLICT,
        DriverError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    failure(status, &error.to_string())
}

fn failure(status: StatusCode, error: &str) -> Response {
    json_response(status, json!({ "code": status.as_u16(), "error": error }).to_string())
}

fn json_response(status: StatusCode, text: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (status, headers, Body::from(text)).into_response()
}

/// The bytes of a body whose type is JSON or not given.
struct Json(Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Json {
    type Rejection = Response;

    async fn from_request(request: HttpRequest, state: &S) -> Result<Self, Response> {
        let media_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let essence =
            media_type.map(|value| value.split(|byte| *byte == b';').next().unwrap_or(b""));
        if !essence
            .is_none_or(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
        {
            let text = "the body has to be application/json";
            return Err(failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let too_large = || {
            let text = format!("the body is larger than {MAX_BODY_BYTES} bytes");
            failure(StatusCode::PAYLOAD_TOO_LARGE, &text)
        };
        // If the announced length is too large, the body is not read.
        if request.body().size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(too_large());
        }
        let Ok(read) = timeout(BODY_TIME, Bytes::from_request(request, state)).await else {
            let text = "the body was not complete in time";
            return Err(failure(StatusCode::REQUEST_TIMEOUT, text));
        };
        match read {
            Ok(body) => Ok(Self(body.into())),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(too_large())
            }
            Err(_) => Err(failure(StatusCode::BAD_REQUEST, "the body ended early")),
        }
    }
}
