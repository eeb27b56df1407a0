//! Post-states.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use ssz::Encode;

use super::super::{
    answer::{self, Form, JSON, SSZ, json},
    error::{ApiError, ErrorBody},
    id::BlockId,
    state::Api,
};

/// A block's post-state.
///
/// `id` names the block as under `/lean/v0/blocks/{id}`. The state is as the transition leaves it:
/// the state root in its latest header is zero. SSZ without a wish in `Accept`; JSON is in
/// leanSpec's shape.
#[utoipa::path(get, path = "/lean/v0/states/{id}", tag = "chain",
    params(("id" = String, Path, example = "finalized")),
    responses(
        (status = OK, content((Vec<u8> = SSZ), (serde_json::Value = JSON))),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 406, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn state(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: BlockId = id.parse()?;
    let form = Form::wanted(&headers, Form::Ssz)?;
    let snapshot = api.snapshot()?;
    let root = id.root(&snapshot)?;
    let state = api.state(&snapshot, root).await?;
    api.read(move || match form {
        Form::Ssz => Ok(answer::bytes(SSZ, state.as_ssz_bytes().into())),
        Form::Json => Ok(json(&*state)),
    })
    .await
}
