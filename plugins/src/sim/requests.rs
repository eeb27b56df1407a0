//! Requests, and answers that arrive in parts, stall, or break off.

use std::sync::Arc;

use quintet_components::{
    constants::MAX_REQUEST_BLOCKS,
    containers::{Root, SignedBlock},
    network::{
        Answer, InboundRequestId, PeerId, Request, RequestEvent, RequestFailure, RequestId,
        RequestReceived, ResponseError,
    },
    storage::Blocks,
};
use ssz::Encode;
use tree_hash::TreeHash;

use super::{
    events::{Event, Parcel},
    port::{Asking, Serving, identity},
    run::Run,
};
use crate::network::{
    requests::{Expected, kind_of},
    scoring::RATE_LIMIT_POINTS,
    serve::{MAX_SERVED_PER_PEER, cost},
};

/// The longest time until the next part of an answer.
const PROGRESS_MS: u64 = 10_000;
/// The time between two parts of an answer.
const PART_MS: u64 = 2;
/// The length of every message that is not a block.
const REQUEST_BYTES: usize = 128;

fn refused(text: &str) -> Result<(), RequestFailure> {
    Err(RequestFailure::Refused(ResponseError::ServerError(text.into())))
}

impl Run {
    /// Sends a request of a node to a peer.
    pub(super) fn ask(&mut self, node: usize, id: RequestId, peer: &PeerId, request: Request) {
        let now_ms = self.now_ms;
        let peer = self.names.get(peer).copied();
        let connection = peer.and_then(|peer| self.connection(node, peer));
        let life = self.machines[node].life;
        let Some(alive) = &mut self.machines[node].node else { return };
        let (Some(peer), Some(connection)) = (peer, connection) else {
            let result = Err(RequestFailure::Disconnected);
            alive.port.tell_request(RequestEvent::Ended { id, result });
            return self.prod(node);
        };
        let expected = Expected::of(&request);
        alive.port.asking.insert(id, Asking { peer, expected, progress_ms: now_ms });
        self.queue.push(now_ms + PROGRESS_MS, node, Event::Expire { life, request: id });
        if let Some(at_ms) = self.links.arrival((node, peer), REQUEST_BYTES, now_ms) {
            let parcel = Parcel::Ask(id, request);
            self.queue.push(at_ms, peer, Event::Arrive { from: node, connection, parcel });
        }
    }

    /// Delivers a peer's request to a node.
    pub(super) fn asked(
        &mut self,
        node: usize,
        (peer, connection): (usize, u64),
        request_id: RequestId,
        request: Request,
    ) -> bool {
        let now_ms = self.now_ms;
        let Some(alive) = &mut self.machines[node].node else { return false };
        let port = &mut alive.port;
        let now = port.instant(now_ms);
        let serving =
            Serving { peer, connection, request: request_id, is_range: is_range(&request) };
        let Some(state) = port.book.get_mut(&identity(peer)) else { return false };
        let is_over_rate = !state.allowance.take(kind_of(&request) as usize, cost(&request), now);
        if is_over_rate || state.serving >= MAX_SERVED_PER_PEER {
            let ended =
                RequestEvent::Ended { id: request_id, result: refused("Too many requests") };
            self.reply(node, serving, vec![ended]);
            self.penalize(node, peer, RATE_LIMIT_POINTS);
            return false;
        }
        state.serving += 1;
        let name = state.name.clone();
        let id = port.serve(serving);
        if alive.lanes.requests.offer(RequestReceived { id, peer: name, request }) {
            return true;
        }
        self.respond(node, id, Answer::Error(ResponseError::ServerError("Busy".into())));
        false
    }

    /// Sends a node's answer.
    pub(super) fn respond(&mut self, node: usize, id: InboundRequestId, answer: Answer) {
        let Some(alive) = &mut self.machines[node].node else { return };
        let Some(serving) = alive.port.serving.remove(&id) else { return };
        if let Some(state) = alive.port.book.get_mut(&identity(serving.peer)) {
            state.serving = state.serving.saturating_sub(1);
        }
        let id = serving.request;
        let mut parts = match answer {
            Answer::Status(status) => {
                vec![
                    RequestEvent::Status { id, status },
                    RequestEvent::Ended { id, result: Ok(()) },
                ]
            }
            Answer::Blocks(roots) => self.blocks(node, serving, &roots),
            Answer::Error(error) => {
                vec![RequestEvent::Ended { id, result: Err(RequestFailure::Refused(error)) }]
            }
        };
        let model = self.scenario.network;
        if self.random.chance(model.stall_per_mille) {
            parts.truncate(self.random.place(parts.len()));
        } else if self.random.chance(model.cut_per_mille) {
            parts.truncate(self.random.place(parts.len()));
            parts.push(RequestEvent::Ended { id, result: Err(RequestFailure::Disconnected) });
        }
        self.reply(node, serving, parts);
    }

    /// The blocks of these roots, as a node serves them.
    fn blocks(&mut self, node: usize, serving: Serving, roots: &[Root]) -> Vec<RequestEvent> {
        let id = serving.request;
        let Some(alive) = &self.machines[node].node else { return Vec::new() };
        let store = alive.app.world().resource::<Blocks>().clone();
        let mut blocks: Vec<Arc<SignedBlock>> = Vec::new();
        let mut result = Ok(());
        for root in roots.iter().take(MAX_REQUEST_BLOCKS) {
            match store.0.signed_block(root) {
                Ok(Some(block)) => blocks.push(block),
                Ok(None) if !serving.is_range || blocks.is_empty() => {}
                Ok(None) => {
                    result = refused("Block not stored");
                    break;
                }
                Err(_) => {
                    result = refused("Internal error");
                    break;
                }
            }
        }
        if blocks.is_empty() && serving.is_range && !roots.is_empty() {
            result = refused("Block not stored");
        }
        if let Some(player) = &mut self.players[node] {
            player.serve(&mut blocks);
        }
        let part = |block: Arc<SignedBlock>| RequestEvent::Block {
            id,
            root: block.block.tree_hash_root(),
            block,
        };
        let mut parts: Vec<_> = blocks.into_iter().map(part).collect();
        parts.push(RequestEvent::Ended { id, result });
        parts
    }

    fn reply(&mut self, node: usize, serving: Serving, parts: Vec<RequestEvent>) {
        let Serving { peer, connection, .. } = serving;
        let mut last_ms = 0;
        for part in parts {
            let bytes = match &part {
                RequestEvent::Block { block, .. } => block.ssz_bytes_len(),
                RequestEvent::Status { .. } | RequestEvent::Ended { .. } => REQUEST_BYTES,
            };
            let Some(at_ms) = self.links.arrival((node, peer), bytes, self.now_ms) else { return };
            // The parts of a stream arrive in order.
            let at_ms = at_ms.max(last_ms + PART_MS);
            last_ms = at_ms;
            let parcel = Parcel::Reply(part);
            self.queue.push(at_ms, peer, Event::Arrive { from: node, connection, parcel });
        }
    }

    /// Delivers a part of an answer.
    pub(super) fn answered(&mut self, node: usize, event: RequestEvent) -> bool {
        let now_ms = self.now_ms;
        let Some(alive) = &mut self.machines[node].node else { return false };
        let port = &mut alive.port;
        let (RequestEvent::Status { id, .. }
        | RequestEvent::Block { id, .. }
        | RequestEvent::Ended { id, .. }) = event;
        let Some(asking) = port.asking.get_mut(&id) else { return false };
        asking.progress_ms = now_ms;
        let event = checked(&mut asking.expected, event);
        if matches!(event, RequestEvent::Ended { .. }) {
            port.asking.remove(&id);
        }
        port.tell_request(event);
        true
    }

    /// Ends a request whose answer has made no progress for too long.
    pub(super) fn expire(&mut self, node: usize, life: u32, request: RequestId) -> bool {
        let now_ms = self.now_ms;
        let machine = &mut self.machines[node];
        let is_it = machine.life == life;
        let Some(alive) = machine.node.as_mut().filter(|_| is_it) else { return false };
        let Some(asking) = alive.port.asking.get(&request) else { return false };
        let at_ms = asking.progress_ms + PROGRESS_MS;
        if at_ms > now_ms {
            self.queue.push(at_ms, node, Event::Expire { life, request });
            return false;
        }
        alive.port.asking.remove(&request);
        let result = Err(RequestFailure::Timeout);
        alive.port.tell_request(RequestEvent::Ended { id: request, result });
        true
    }
}

const fn is_range(request: &Request) -> bool {
    matches!(request, Request::BlocksByRange(_))
}

/// Checks a part of an answer as the network does. An answer that is not valid ends there.
fn checked(expected: &mut Expected, event: RequestEvent) -> RequestEvent {
    match event {
        RequestEvent::Block { id, root, ref block } => {
            match expected.check(block.block.slot, &root) {
                Ok(()) => event,
                Err(what) => {
                    let result = Err(RequestFailure::InvalidAnswer(what.into()));
                    RequestEvent::Ended { id, result }
                }
            }
        }
        RequestEvent::Status { .. } => {
            if let Expected::Status(open) = expected {
                *open = false;
            }
            event
        }
        RequestEvent::Ended { id, result: Ok(()) } => {
            RequestEvent::Ended { id, result: expected.end() }
        }
        ended @ RequestEvent::Ended { .. } => ended,
    }
}
