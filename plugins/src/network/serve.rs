//! Requests of peers.

use std::sync::Arc;

use libp2p::Stream;
use quintet_components::{
    constants::MAX_REQUEST_BLOCKS,
    containers::{BlocksByRangeRequest, BlocksByRootRequest, Root, Status},
    network::{Answer, InboundRequestId, PeerId, Request, RequestReceived, ResponseError},
    storage::Blocks,
};
use ssz::{Decode, Encode};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{
    codec::wire::{ResponseCode, WireError, encode_chunk, encode_error},
    peers::Allowance,
    requests::STATUS_BYTES,
    streams::{ReadError, WriteError, close, read_payload, write},
    substreams::RequestKind,
    tasks::{Report, Shared},
};

/// The number of requests of one peer that are served at once; further ones are reset.
pub(crate) const MAX_SERVED_PER_PEER: usize = 8;

/// The way in which a peer's request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered completely.
    Served,
    /// It was answered with an error that is not the peer's fault.
    Refused,
    /// It is invalid.
    Invalid,
    /// The peer asks for too much.
    RateLimited,
    /// The peer disconnected, or cancelled it.
    Abandoned,
    /// The peer did not finish its request, or did not read its answer in time.
    Stalled,
}

impl From<WriteError> for Outcome {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Broken => Self::Abandoned,
            WriteError::Timeout => Self::Stalled,
        }
    }
}

/// A peer's request.
pub(super) struct Inbound {
    pub(super) id: InboundRequestId,
    pub(super) peer: libp2p::PeerId,
    pub(super) name: PeerId,
    pub(super) kind: RequestKind,
    pub(super) allowance: Allowance,
}

/// Reads a request, gets the world's decision, and writes the answer.
pub(super) async fn serve(tasks: Shared, inbound: Inbound, mut stream: Stream) {
    let (peer, kind) = (inbound.peer, inbound.kind);
    let served = timeout(tasks.timeouts.total, answer(&tasks, inbound, &mut stream)).await;
    // What is not finished by then is reset.
    let outcome = served.unwrap_or(Outcome::Stalled);
    tasks.report(Report::Served { peer, kind, outcome }).await;
}

async fn answer(tasks: &Shared, inbound: Inbound, stream: &mut Stream) -> Outcome {
    let at_most = tasks.timeouts.progress;
    let payload = match timeout(at_most, read_payload(stream, limit(inbound.kind))).await {
        Ok(Ok(payload)) => Ok(payload),
        Ok(Err(ReadError::Wire(WireError::Truncated))) => Err("Empty request"),
        Ok(Err(ReadError::Wire(_))) => Err(undecodable(inbound.kind)),
        Ok(Err(ReadError::Broken)) => return Outcome::Abandoned,
        Ok(Err(ReadError::Timeout)) | Err(_) => return Outcome::Stalled,
    };
    let request = match payload.and_then(|payload| decode(inbound.kind, &payload)) {
        Ok(request) => request,
        Err(text) => {
            let error = ResponseError::InvalidRequest(text.into());
            return send_error(tasks, stream, &error, Outcome::Invalid).await;
        }
    };
    if !inbound.allowance.take(inbound.kind as usize, cost(&request), Instant::now()) {
        let error = ResponseError::ServerError("Too many requests".into());
        return send_error(tasks, stream, &error, Outcome::RateLimited).await;
    }
    match decide(tasks, &inbound, request).await {
        Answer::Status(status) => {
            let chunk = encode_chunk(ResponseCode::Success, &status.as_ssz_bytes());
            let chunk = chunk.expect("80 bytes are within the limit");
            send(tasks, stream, inbound.kind, &chunk).await
        }
        Answer::Blocks(roots) => send_blocks(tasks, stream, inbound.kind, &roots).await,
        Answer::Error(error) => send_error(tasks, stream, &error, Outcome::Refused).await,
    }
}

/// The world's answer, or an error if there is none.
async fn decide(tasks: &Shared, inbound: &Inbound, request: Request) -> Answer {
    let failed = |text: &str| Answer::Error(ResponseError::ServerError(text.into()));
    let (answer, _guard) = tasks.answers.wait(inbound.id);
    let received = RequestReceived { id: inbound.id, peer: inbound.name.clone(), request };
    if !tasks.received.offer(received) {
        return failed("Busy");
    }
    match timeout(tasks.timeouts.progress, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => failed("Internal error"),
    }
}

async fn send_blocks(
    tasks: &Shared,
    stream: &mut Stream,
    kind: RequestKind,
    roots: &Arc<[Root]>,
) -> Outcome {
    let Some(blocks) = tasks.blocks.get() else {
        let error = ResponseError::ServerError("Block lookup not available".into());
        return send_error(tasks, stream, &error, Outcome::Refused).await;
    };
    let (mut sent, mut sent_bytes) = (0_usize, 0_usize);
    for root in roots.iter().take(MAX_REQUEST_BLOCKS) {
        let (blocks, root) = (blocks.clone(), *root);
        // Reading and compressing take time, and only a limited number may run at once.
        let chunk = spawn_blocking(move || read_block(&blocks, &root)).await;
        let chunk = match chunk {
            Ok(Ok(Some(chunk))) => chunk,
            // Blocks by root are independent of each other, and a range may begin before what is
            // stored. A range that left out a block in its middle would claim that the slot is empty.
            Ok(Ok(None)) if kind == RequestKind::BlocksByRoot || sent == 0 => continue,
            Ok(Ok(None)) => {
                tracing::debug!(%root, "a range is cut short: a block is not stored");
                return send_error(tasks, stream, &not_stored(), Outcome::Refused).await;
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot read a block that a peer asked for");
                let error = ResponseError::ServerError("Internal error".into());
                return send_error(tasks, stream, &error, Outcome::Refused).await;
            }
            // The node is stopping.
            Err(_) => return Outcome::Refused,
        };
        sent_bytes = sent_bytes.saturating_add(chunk.len());
        if sent > 0 && sent_bytes > tasks.answer_bytes {
            tracing::debug!(sent, "an answer is cut short: it has reached the limit");
            let error = ResponseError::ServerError("Answer too long".into());
            return send_error(tasks, stream, &error, Outcome::Refused).await;
        }
        if let Err(error) = write(stream, &chunk, tasks.timeouts.progress).await {
            return error.into();
        }
        sent += 1;
        tasks.counters.requests(kind).chunks_sent.increment();
    }
    if sent == 0 && kind == RequestKind::BlocksByRange && !roots.is_empty() {
        return send_error(tasks, stream, &not_stored(), Outcome::Refused).await;
    }
    finish(tasks, stream, Outcome::Served).await
}

fn not_stored() -> ResponseError {
    ResponseError::ResourceUnavailable("Block not stored".into())
}

/// A block as a chunk of an answer.
fn read_block(blocks: &Blocks, root: &Root) -> Result<Option<Vec<u8>>, String> {
    let block = blocks.0.signed_block(root).map_err(|error| error.to_string())?;
    let chunk = block.map(|block| encode_chunk(ResponseCode::Success, &block.as_ssz_bytes()));
    chunk.transpose().map_err(|error| error.to_string())
}

async fn send(tasks: &Shared, stream: &mut Stream, kind: RequestKind, chunk: &[u8]) -> Outcome {
    if let Err(error) = write(stream, chunk, tasks.timeouts.progress).await {
        return error.into();
    }
    tasks.counters.requests(kind).chunks_sent.increment();
    finish(tasks, stream, Outcome::Served).await
}

async fn send_error(
    tasks: &Shared,
    stream: &mut Stream,
    error: &ResponseError,
    outcome: Outcome,
) -> Outcome {
    match write(stream, &encode_error(error), tasks.timeouts.progress).await {
        Ok(()) => finish(tasks, stream, outcome).await,
        Err(_) => outcome,
    }
}

async fn finish(tasks: &Shared, stream: &mut Stream, outcome: Outcome) -> Outcome {
    match close(stream, tasks.timeouts.progress).await {
        Err(error) if outcome == Outcome::Served => error.into(),
        _ => outcome,
    }
}

/// The largest request in bytes.
fn limit(kind: RequestKind) -> usize {
    match kind {
        RequestKind::Status => STATUS_BYTES,
        // An offset, and 32 bytes per root.
        RequestKind::BlocksByRoot => 4 + 32 * MAX_REQUEST_BLOCKS,
        RequestKind::BlocksByRange => 16,
    }
}

fn undecodable(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Status => "Invalid Status message",
        RequestKind::BlocksByRoot => "Invalid BlocksByRootRequest message",
        RequestKind::BlocksByRange => "Invalid BlocksByRangeRequest message",
    }
}

/// Decodes a payload to a request, or to the error for the peer.
fn decode(kind: RequestKind, payload: &[u8]) -> Result<Request, &'static str> {
    match kind {
        RequestKind::Status => Status::from_ssz_bytes(payload).map(Request::Status).ok(),
        RequestKind::BlocksByRoot => {
            let request = BlocksByRootRequest::from_ssz_bytes(payload).ok();
            if request.as_ref().is_some_and(|request| request.roots.0.is_empty()) {
                return Err("No roots");
            }
            request.map(Request::BlocksByRoot)
        }
        RequestKind::BlocksByRange => {
            let request = BlocksByRangeRequest::from_ssz_bytes(payload).ok();
            let most = MAX_REQUEST_BLOCKS as u64;
            if request.is_some_and(|request| !(1..=most).contains(&request.count)) {
                return Err("Invalid count");
            }
            request.map(Request::BlocksByRange)
        }
    }
    .ok_or_else(|| undecodable(kind))
}

/// The cost of a request.
pub(crate) fn cost(request: &Request) -> f64 {
    match request {
        Request::Status(_) => 1.0,
        Request::BlocksByRoot(request) => request.roots.0.len() as f64,
        Request::BlocksByRange(request) => request.count as f64,
    }
}
