//! Post-states.

use std::sync::{Arc, PoisonError};

use axum::{
    body::Bytes,
    extract::{self, Path},
    http::HeaderMap,
    response::Response,
};
use quintet_components::containers::{Root, State};
use ssz::Encode;

use super::super::{
    answer::{self, Form, JSON, SSZ, SszBody},
    error::{ApiError, ErrorBody},
    id::BlockId,
    state::Api,
};

/// A block's post-state.
///
/// `id` names the block as in `/lean/v0/blocks/{id}`. The state is as the transition leaves it: the
/// state root in its latest header is zero. It is SSZ without `Accept`; JSON has leanSpec's format.
#[utoipa::path(get, path = "/lean/v0/states/{id}", tag = "chain",
    params(("id" = String, Path, example = "finalized")),
    responses(
        (status = OK, content((SszBody = SSZ), (serde_json::Value = JSON))),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 406, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn state(
    extract::State(api): extract::State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: BlockId = id.parse()?;
    let form = Form::wanted(&headers, Form::Ssz)?;
    let snapshot = api.snapshot()?;
    let root = id.root(&api, &snapshot).await?;
    let state = api.state(&snapshot, root).await?;
    let place = Arc::clone(&api.state_answers).try_acquire_owned();
    let place = place.map_err(|_| ApiError::unavailable("too many states are being sent"))?;
    let encoded = match form {
        Form::Ssz => ssz(&api, root, state).await?,
        Form::Json => api.read(move || Ok(answer::written(&*state)?.into())).await?,
    };
    let media_type = match form {
        Form::Ssz => SSZ,
        Form::Json => JSON,
    };
    Ok(answer::pieces(media_type, encoded, place))
}

/// A state's SSZ. The last one is cached, because many nodes request the same one at the same time.
async fn ssz(api: &Api, root: Root, state: Arc<State>) -> Result<Bytes, ApiError> {
    let remembered = |api: &Api| {
        let last = api.last_ssz.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(known, _)| *known == root).map(|(_, bytes)| bytes.clone())
    };
    if let Some(bytes) = remembered(api) {
        return Ok(bytes);
    }
    let bytes: Bytes = api.read(move || Ok(state.as_ssz_bytes().into())).await?;
    *api.last_ssz.lock().unwrap_or_else(PoisonError::into_inner) = Some((root, bytes.clone()));
    Ok(bytes)
}
