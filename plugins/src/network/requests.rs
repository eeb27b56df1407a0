//! Requests of this node.

use std::{collections::HashSet, sync::Arc};

use futures::channel::oneshot;
use libp2p::Stream;
use quintet_components::{
    containers::{Root, SignedBlock, Status},
    network::{Request, RequestEvent, RequestFailure, RequestId},
};
use ssz::{Decode, Encode};
use tokio::time::timeout;
use tree_hash::TreeHash;

use super::{
    codec::{
        MAX_PAYLOAD_BYTES,
        wire::{decode_error, encode_request},
    },
    streams::{ReadError, WriteError, close, deliver, read_chunk, write},
    substreams::{OpenError, RequestKind},
    tasks::{Report, Shared},
};

/// The number of requests of this node that may be open. Further ones fail at once.
pub(super) const MAX_REQUESTS: usize = 256;
/// The size of a status in bytes.
pub(super) const STATUS_BYTES: usize = 80;

/// The protocol of a request.
pub(crate) fn kind_of(request: &Request) -> RequestKind {
    match request {
        Request::Status(_) => RequestKind::Status,
        Request::BlocksByRoot(_) => RequestKind::BlocksByRoot,
        Request::BlocksByRange(_) => RequestKind::BlocksByRange,
    }
}

/// Sends a request, and passes everything that comes back to the world.
pub(super) async fn ask(
    tasks: Shared,
    id: RequestId,
    peer: libp2p::PeerId,
    request: Request,
    opening: oneshot::Receiver<Result<Stream, OpenError>>,
) {
    let kind = kind_of(&request);
    let asked = exchange(&tasks, id, &request, opening);
    let result = timeout(tasks.timeouts.total, asked).await.unwrap_or(Err(RequestFailure::Timeout));
    deliver(&tasks.events, RequestEvent::Ended { id, result: result.clone() }).await;
    tasks.report(Report::Asked { id, peer, kind, result }).await;
}

async fn exchange(
    tasks: &Shared,
    id: RequestId,
    request: &Request,
    opening: oneshot::Receiver<Result<Stream, OpenError>>,
) -> Result<(), RequestFailure> {
    let at_most = tasks.timeouts.progress;
    let opened = timeout(at_most, opening).await.map_err(|_| RequestFailure::Timeout)?;
    let mut stream = match opened {
        Ok(Ok(stream)) => stream,
        Ok(Err(OpenError::Unsupported)) => return Err(RequestFailure::Unsupported),
        Ok(Err(OpenError::Broken)) | Err(_) => return Err(RequestFailure::Disconnected),
    };
    let payload = match request {
        Request::Status(status) => status.as_ssz_bytes(),
        Request::BlocksByRoot(request) => request.as_ssz_bytes(),
        Request::BlocksByRange(request) => request.as_ssz_bytes(),
    };
    let bytes = encode_request(&payload).expect("far below the limit");
    // A peer that stops reading may have begun to answer: a failure shows below.
    let written = match write(&mut stream, &bytes, at_most).await {
        Ok(()) => close(&mut stream, at_most).await,
        error => error,
    };
    if written == Err(WriteError::Timeout) {
        return Err(RequestFailure::Timeout);
    }
    let kind = kind_of(request);
    let counters = tasks.counters.requests(kind);
    let limit = if kind == RequestKind::Status { STATUS_BYTES } else { MAX_PAYLOAD_BYTES };
    let mut expected = Expected::of(request);
    loop {
        let chunk = read_chunk(&mut stream, limit, at_most).await.map_err(|error| match error {
            ReadError::Wire(error) => RequestFailure::InvalidAnswer(error.to_string()),
            ReadError::Broken => RequestFailure::Disconnected,
            ReadError::Timeout => RequestFailure::Timeout,
        })?;
        let Some((code, payload)) = chunk else { return expected.end() };
        counters.chunks_received.increment();
        if let Some(error) = decode_error(code, &payload) {
            return Err(RequestFailure::Refused(error));
        }
        let event = expected
            .read(id, &payload)
            .map_err(|what| RequestFailure::InvalidAnswer(what.to_owned()))?;
        deliver(&tasks.events, event).await;
    }
}

/// The content that an answer may still have.
#[derive(Debug)]
pub(crate) enum Expected {
    /// One status, or none if false.
    Status(bool),
    /// This many more blocks with these roots.
    Roots { asked: HashSet<Root>, left: usize },
    /// Blocks of ascending slots, from the first up to and including the second; none if absent.
    Slots(Option<(u64, u64)>),
}

impl Expected {
    pub(crate) fn of(request: &Request) -> Self {
        match request {
            Request::Status(_) => Self::Status(true),
            Request::BlocksByRoot(request) => {
                let roots = &request.roots.0;
                Self::Roots { asked: roots.iter().copied().collect(), left: roots.len() }
            }
            Request::BlocksByRange(request) => {
                let last = request.count.checked_sub(1);
                let last = last.map(|more| request.start_slot.saturating_add(more));
                Self::Slots(last.map(|last| (request.start_slot, last)))
            }
        }
    }

    fn read(&mut self, id: RequestId, payload: &[u8]) -> Result<RequestEvent, &'static str> {
        if let Self::Status(open) = self {
            if !std::mem::take(open) {
                return Err("a second status");
            }
            let status = Status::from_ssz_bytes(payload).map_err(|_| "an undecodable status")?;
            return Ok(RequestEvent::Status { id, status });
        }
        let block = SignedBlock::from_ssz_bytes(payload).map_err(|_| "an undecodable block")?;
        let root = block.block.tree_hash_root();
        self.check(block.block.slot, &root)?;
        Ok(RequestEvent::Block { id, root, block: Arc::new(block) })
    }

    pub(crate) fn check(&mut self, slot: u64, root: &Root) -> Result<(), &'static str> {
        match self {
            Self::Status(_) => Err("a block for a status"),
            Self::Roots { asked, left } => {
                *left = left.checked_sub(1).ok_or("more blocks than requested")?;
                asked.contains(root).then_some(()).ok_or("a block that was not requested")
            }
            Self::Slots(open) => {
                let (first, last) = open.ok_or("more blocks than requested")?;
                if !(first..=last).contains(&slot) {
                    return Err("a block out of range or order");
                }
                *open = (slot < last).then(|| (slot + 1, last));
                Ok(())
            }
        }
    }

    pub(crate) fn end(&self) -> Result<(), RequestFailure> {
        match self {
            Self::Status(true) => Err(RequestFailure::InvalidAnswer("no status".into())),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use quintet_components::containers::{BlocksByRangeRequest, BlocksByRootRequest};

    use super::*;

    #[test]
    fn a_range_is_answered_within_it_and_upwards() {
        let of = |start_slot, count| {
            Expected::of(&Request::BlocksByRange(BlocksByRangeRequest { start_slot, count }))
        };
        let check = |expected: &mut Expected, slot| expected.check(slot, &Root::ZERO);
        let mut range = of(5, 3);
        assert_eq!(check(&mut range, 5), Ok(()));
        assert_eq!(check(&mut range, 5), Err("a block out of range or order"));
        assert_eq!(check(&mut range, 7), Ok(()), "an empty slot between");
        assert_eq!(check(&mut range, 8), Err("more blocks than requested"));
        assert_eq!(check(&mut of(5, 3), 4), Err("a block out of range or order"));
        assert_eq!(check(&mut of(5, 3), 8), Err("a block out of range or order"));
        assert_eq!(check(&mut of(5, 0), 5), Err("more blocks than requested"));
        assert_eq!(check(&mut of(u64::MAX, 1024), u64::MAX), Ok(()));
    }

    #[test]
    fn roots_are_answered_by_those_asked_for_and_not_more_often() {
        let mut request = BlocksByRootRequest::default();
        request.roots.0.push(Root::repeat_byte(1)).expect("room");
        request.roots.0.push(Root::repeat_byte(2)).expect("room");
        let mut roots = Expected::of(&Request::BlocksByRoot(request));
        assert_eq!(roots.check(0, &Root::repeat_byte(2)), Ok(()));
        assert_eq!(roots.check(0, &Root::repeat_byte(3)), Err("a block that was not requested"));
        assert_eq!(roots.check(0, &Root::repeat_byte(1)), Err("more blocks than requested"));
    }

    #[test]
    fn a_status_is_answered_by_one() {
        let mut expected = Expected::of(&Request::Status(Status::default()));
        assert!(expected.end().is_err());
        let payload = Status::default().as_ssz_bytes();
        assert_eq!(payload.len(), STATUS_BYTES);
        assert!(expected.read(RequestId(0), &payload).is_ok());
        assert!(expected.end().is_ok());
        assert_eq!(expected.read(RequestId(0), &payload).err(), Some("a second status"));
    }
}
