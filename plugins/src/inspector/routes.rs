//! The inspector's HTTP face.

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
    routing::get,
};
use bevy_ecs::entity::Entity;
use quintet_components::lane::LaneSender;
use serde::Deserialize;
use tokio::{sync::oneshot, time::timeout};

use super::{
    Asked,
    answer::{Missing, Question},
};
use crate::web::{answer::json_text, error::ApiError, pages};

/// The world may take this long to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The component that is meant, and the first entity of the answer.
#[derive(Deserialize)]
struct Wanted {
    with: Option<String>,
    from: Option<String>,
}

/// The routes whose answers come from the world.
pub(super) fn routes(lane: LaneSender<Asked>) -> Router {
    let fixed = |question: Question| {
        get(|State(lane): State<LaneSender<Asked>>| async move { ask(&lane, question).await })
    };
    Router::new()
        .route("/quintet/v0/inspector/kinds", fixed(Question::Kinds))
        .route("/quintet/v0/inspector/resources", fixed(Question::Resources))
        .route("/quintet/v0/inspector/queues", fixed(Question::Queues))
        .route("/quintet/v0/inspector/schedules", fixed(Question::Schedules))
        .route("/quintet/v0/inspector/entities", get(entities))
        .route("/quintet/v0/inspector/entities/{id}", get(entity))
        .route("/quintet/v0/inspector/entities/{id}/changes", get(changes))
        .route("/quintet/v0/inspector/tabs", fixed(Question::Tabs))
        .route("/quintet/v0/inspector/tabs/{name}", get(tab))
        .with_state(lane)
}

/// The page, which has nothing of the world in it.
pub(super) fn page() -> Router {
    const PAGE: &str = include_str!("../../../assets/inspector/index.html");
    const STYLE: &str = include_str!("../../../assets/inspector/inspector.css");
    const VALUES: &str = include_str!("../../../assets/inspector/values.js");
    const SCHEDULES: &str = include_str!("../../../assets/inspector/schedules.js");
    const SCRIPT: &str = include_str!("../../../assets/inspector/inspector.js");
    let scripts = [
        ("elements.js", pages::ELEMENTS),
        ("values.js", VALUES),
        ("schedules.js", SCHEDULES),
        ("inspector.js", SCRIPT),
    ];
    let text: Bytes = pages::assembled(PAGE, &[("inspector.css", STYLE)], &scripts).into();
    Router::new().route("/inspector", get(|| async { pages::page(text) }))
}

async fn entities(
    State(lane): State<LaneSender<Asked>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(Wanted { with, from }) = wanted?;
    let with = with.ok_or_else(|| bad("`with` names a component by its path"))?;
    let from = from.map_or(Ok(0), |from| from.parse());
    let from = from.map_err(|_| bad("`from` is the id of an entity"))?;
    ask(&lane, Question::Entities { with, from }).await
}

async fn entity(
    State(lane): State<LaneSender<Asked>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    ask(&lane, Question::Entity(entity_of(&id)?)).await
}

async fn changes(
    State(lane): State<LaneSender<Asked>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    ask(&lane, Question::Changes(entity_of(&id)?)).await
}

async fn tab(
    State(lane): State<LaneSender<Asked>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    ask(&lane, Question::Tab(name)).await
}

fn entity_of(id: &str) -> Result<Entity, ApiError> {
    let entity = id.parse().ok().and_then(Entity::try_from_bits);
    entity.ok_or_else(|| bad("this is no id of an entity"))
}

fn bad(message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, message)
}

async fn ask(lane: &LaneSender<Asked>, question: Question) -> Result<Response, ApiError> {
    let busy = |why| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let (done, answer) = oneshot::channel();
    if lane.try_offer(Asked { question, done }).is_err() {
        return Err(busy("too many questions wait"));
    }
    match timeout(ANSWER_TIME, answer).await {
        Ok(Ok(Ok(text))) => Ok(json_text(text)),
        Ok(Ok(Err(Missing(why)))) => Err(ApiError::new(StatusCode::NOT_FOUND, why)),
        Ok(Err(_)) | Err(_) => Err(busy("the node does not answer")),
    }
}
