//! Blocks and headers.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use quintet_components::containers::{BlockHeader, Root, SignedBlock};
use serde::Serialize;
use ssz::Encode;

use super::super::{
    answer::{self, Form, JSON, SSZ, SszBody, json},
    error::{ApiError, ErrorBody},
    id::BlockId,
    state::Api,
};

async fn find(api: &Api, id: BlockId) -> Result<(Root, Arc<SignedBlock>), ApiError> {
    let snapshot = api.snapshot()?;
    let root = id.root(api, &snapshot).await?;
    Ok((root, api.block(&snapshot, root).await?))
}

/// A block with its proof.
///
/// `id` is `head`, `justified`, `finalized`, `genesis`, a root of 64 hex digits after `0x`, or a
/// slot in decimal, which names its canonical block. JSON has leanSpec's format. Without `Accept`,
/// the finalized block is SSZ and other blocks are JSON.
#[utoipa::path(get, path = "/lean/v0/blocks/{id}", tag = "chain",
    params(("id" = String, Path, example = "finalized")),
    responses(
        (status = OK, content((serde_json::Value = JSON), (SszBody = SSZ))),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 406, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn block(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id: BlockId = id.parse()?;
    let default = if id == BlockId::Finalized { Form::Ssz } else { Form::Json };
    let form = Form::wanted(&headers, default)?;
    let (_, block) = find(&api, id).await?;
    api.read(move || match form {
        Form::Ssz => Ok(answer::bytes(SSZ, block.as_ssz_bytes().into())),
        Form::Json => Ok(json(&*block)),
    })
    .await
}

/// A block's header.
#[derive(Serialize)]
struct HeaderBody {
    root: Root,
    #[serde(flatten)]
    header: BlockHeader,
}

async fn answer_header(api: &Api, id: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let id: BlockId = id.parse()?;
    let form = Form::wanted(headers, Form::Json)?;
    let (root, block) = find(api, id).await?;
    let header = block.block.header();
    Ok(match form {
        Form::Ssz => answer::bytes(SSZ, header.as_ssz_bytes().into()),
        Form::Json => json(&HeaderBody { root, header }),
    })
}

/// A block's header.
#[utoipa::path(get, path = "/lean/v0/blocks/{id}/header", tag = "chain",
    params(("id" = String, Path, example = "head")),
    responses(
        (status = OK, content((serde_json::Value = JSON), (SszBody = SSZ))),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 406, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn block_header(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer_header(&api, &id, &headers).await
}

/// A block's header.
#[utoipa::path(get, path = "/lean/v0/headers/{id}", tag = "chain",
    params(("id" = String, Path, example = "head")),
    responses(
        (status = OK, content((serde_json::Value = JSON), (SszBody = SSZ))),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 406, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn header(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer_header(&api, &id, &headers).await
}
