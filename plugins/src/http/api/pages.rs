//! Pages, and the description that one of them shows.

use axum::{extract::State, response::Response};

use super::super::{answer::json_text, pages, state::Api};

/// The node's own page.
#[utoipa::path(get, path = "/", tag = "pages",
    responses((status = OK, body = String, content_type = "text/html")))]
pub(super) async fn node() -> Response {
    pages::node()
}

/// The node's own page, opened at its fork-choice tree.
#[utoipa::path(get, path = "/lean/v0/fork_choice/ui", tag = "pages",
    responses((status = OK, body = String, content_type = "text/html")))]
pub(super) async fn fork_choice() -> Response {
    pages::node()
}

/// The API's description as a page.
#[utoipa::path(get, path = "/docs", tag = "pages",
    responses((status = OK, body = String, content_type = "text/html")))]
pub(super) async fn api() -> Response {
    pages::api()
}

/// The API's description.
#[utoipa::path(get, path = "/openapi.json", tag = "node",
    responses((status = OK, body = serde_json::Value)))]
pub(super) async fn document(State(api): State<Api>) -> Response {
    json_text(api.document.get().cloned().unwrap_or_default())
}
