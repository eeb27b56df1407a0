//! Scripted peers: honest, lying, silent, slow.

use std::sync::Arc;

use quintet_components::{
    containers::{MultiMessageAggregate, ProofBytes, SignedBlock, Status},
    network::{Request, RequestEvent, RequestFailure, RequestId, ResponseError},
};

use crate::sync::ledger::{Chain, Link};

/// The behaviour of a peer that is asked for blocks. All answer for their status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Honest,
    /// Answers after this many milliseconds.
    Late(u64),
    /// Sends a block each so many milliseconds.
    Slow(u64),
    /// Never answers.
    Silent,
    /// Answers with nothing.
    Empty,
    /// Leaves out this many blocks at the end of a range.
    Short(usize),
    /// Leaves out a block in the middle of a range.
    Gap,
    /// Every block has a proof that does not verify.
    WrongProof,
    /// Every other block is twice there.
    Repeats,
    /// Answers ranges with blocks before the range.
    OutOfRange,
    /// Disconnects after half of an answer.
    BreaksOff,
    /// Serves nothing.
    Refuses,
    /// Stalls after half of an answer.
    Stalls,
    /// Serves no range that is so old.
    Unavailable,
    /// Does not even answer for its status.
    Mute,
}

impl Behaviour {
    pub const ALL: [Self; 15] = [
        Self::Honest,
        Self::Late(700),
        Self::Slow(150),
        Self::Silent,
        Self::Empty,
        Self::Short(10),
        Self::Gap,
        Self::WrongProof,
        Self::Repeats,
        Self::OutOfRange,
        Self::BreaksOff,
        Self::Refuses,
        Self::Stalls,
        Self::Unavailable,
        Self::Mute,
    ];
}

#[derive(Clone)]
pub struct ScriptedPeer {
    pub chain: Arc<Chain>,
    pub behaviour: Behaviour,
    pub status: Status,
}

/// A report of the network, and its delay.
pub struct Reply {
    pub after_ms: u64,
    pub event: RequestEvent,
}

impl ScriptedPeer {
    pub fn reply(&mut self, id: RequestId, request: &Request) -> Vec<Reply> {
        let links = match request {
            _ if self.behaviour == Behaviour::Mute => return Vec::new(),
            Request::Status(_) => {
                let status = RequestEvent::Status { id, status: self.status };
                let ended = RequestEvent::Ended { id, result: Ok(()) };
                return [status, ended].map(|event| Reply { after_ms: 0, event }).into();
            }
            Request::BlocksByRoot(request) => {
                request.roots.0.iter().filter_map(|root| self.chain.get(root).cloned()).collect()
            }
            Request::BlocksByRange(range) if self.behaviour == Behaviour::OutOfRange => {
                self.chain.range(range.start_slot.saturating_sub(range.count), range.count)
            }
            Request::BlocksByRange(range) => self.chain.range(range.start_slot, range.count),
        };
        let is_range = matches!(request, Request::BlocksByRange(_));
        self.answer(id, links, is_range)
    }

    fn answer(&self, id: RequestId, mut links: Vec<Link>, is_range: bool) -> Vec<Reply> {
        use Behaviour as B;
        let half = links.len() / 2;
        let mut end = Some(Ok(()));
        let (mut start_ms, mut each_ms) = (0, 0);
        match self.behaviour {
            B::Honest | B::WrongProof | B::OutOfRange => {}
            B::Late(ms) => start_ms = ms,
            B::Slow(ms) => each_ms = ms,
            B::Silent | B::Mute => return Vec::new(),
            B::Empty => links.clear(),
            B::Short(count) if is_range => links.truncate(links.len().saturating_sub(count)),
            B::Gap if is_range && links.len() > 2 => drop(links.remove(half)),
            B::Short(_) | B::Gap => {}
            B::Repeats => links = links.into_iter().flat_map(|link| [link.clone(), link]).collect(),
            B::BreaksOff => {
                links.truncate(half);
                end = Some(Err(RequestFailure::Disconnected));
            }
            B::Refuses => {
                let error = ResponseError::ServerError("no".into());
                let result = Err(RequestFailure::Refused(error));
                return vec![Reply { after_ms: 0, event: RequestEvent::Ended { id, result } }];
            }
            B::Unavailable if is_range => {
                let error = ResponseError::ResourceUnavailable("too old".into());
                let result = Err(RequestFailure::Refused(error));
                return vec![Reply { after_ms: 0, event: RequestEvent::Ended { id, result } }];
            }
            B::Unavailable => {}
            B::Stalls => {
                links.truncate(half);
                end = None;
            }
        }
        let mut replies = Vec::new();
        let mut after_ms = start_ms;
        for link in links {
            let block = match self.behaviour {
                B::WrongProof => unproven(&link.block),
                _ => Arc::clone(&link.block),
            };
            let event = RequestEvent::Block { id, root: link.root, block };
            replies.push(Reply { after_ms, event });
            after_ms += each_ms;
        }
        if let Some(result) = end {
            replies.push(Reply { after_ms, event: RequestEvent::Ended { id, result } });
        }
        replies
    }
}

/// The same block with a proof that does not verify.
pub fn unproven(block: &SignedBlock) -> Arc<SignedBlock> {
    let proof = ProofBytes::new(b"nothing".to_vec()).expect("short");
    let block = block.block.clone();
    Arc::new(SignedBlock { block, proof: MultiMessageAggregate { proof } })
}
