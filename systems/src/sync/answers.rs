//! Handles the answers to requests.

use std::sync::Arc;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    containers::{Root, SignedBlock},
    network::{PeerFault, PeerId, RequestEvent, RequestFailure, RequestId, ResponseError},
    sync::{BatchRequest, HistoryRequest, SyncCounts, limits},
};
use ssz::Encode;

use super::{
    Backfill, Fetches, RangeSync,
    chain_check::count_implausible,
    handed::HandedIn,
    requests::{EndedRequest, Purpose, Requests},
    roles::{ImportDoor, Peers},
    state::Awake,
};

/// The parts of sync that request blocks and receive the results.
#[derive(SystemParam)]
pub struct Askers<'w> {
    fetches: ResMut<'w, Fetches>,
    range: ResMut<'w, RangeSync>,
    backfill: ResMut<'w, Backfill>,
}

/// Everything that an answer may change.
#[derive(SystemParam)]
pub struct Answers<'w, 's> {
    requests: Requests<'w, 's>,
    peers: Peers<'w, 's>,
    askers: Askers<'w>,
    door: ImportDoor<'w>,
    counts: ResMut<'w, SyncCounts>,
}

/// Passes answers to their requests, and cancels requests that have timed out or whose peer is
/// gone. An answer to no open request changes nothing.
pub fn collect_answers(
    mut events: MessageReader<RequestEvent>,
    mut answers: Answers,
    awake: Res<Awake>,
) {
    for event in events.read() {
        answers.take(event.clone());
    }
    answers.end_those_of_gone_peers();
    answers.give_up_late(awake.since_ms());
}

impl Answers<'_, '_> {
    fn take(&mut self, event: RequestEvent) {
        let (RequestEvent::Status { id, .. }
        | RequestEvent::Block { id, .. }
        | RequestEvent::Ended { id, .. }) = event;
        let Some(peer) = self.requests.peer_of(id) else { return };
        match event {
            RequestEvent::Status { status, .. } => {
                if self.requests.is_for_status(id) {
                    count_implausible(&mut self.counts, &status, self.peers.now.slot());
                    self.peers.note_status(&peer, status);
                } else {
                    self.end(id, Some(PeerFault::InvalidAnswer), false);
                }
            }
            RequestEvent::Block { root, block, .. } => {
                self.counts.blocks_received += 1;
                if let Err(fault) = self.take_block(id, peer, root, block) {
                    self.end(id, Some(fault), false);
                }
            }
            RequestEvent::Ended { result, .. } => {
                self.requests.note_ended(id);
                let is_whole = result.is_ok();
                let fault = result.err().and_then(|failure| self.note_failure(id, &peer, &failure));
                self.end(id, fault, is_whole);
            }
        }
    }

    /// The fault of the peer in a failed request, if there is one.
    fn note_failure(
        &mut self,
        id: RequestId,
        peer: &PeerId,
        failure: &RequestFailure,
    ) -> Option<PeerFault> {
        match failure {
            RequestFailure::Timeout => Some(PeerFault::Timeout),
            RequestFailure::InvalidAnswer(_) => Some(PeerFault::InvalidAnswer),
            RequestFailure::Refused(ResponseError::ServerError(_)) => Some(PeerFault::ServerError),
            RequestFailure::Refused(ResponseError::ResourceUnavailable(_)) => {
                let start_slot = self.requests.batch(id).map(|batch| batch.start_slot);
                if let Some(start_slot) = start_slot {
                    if let Some(mut sync) = self.peers.sync_mut(peer) {
                        sync.serves_from = sync.serves_from.max(start_slot.saturating_add(1));
                    }
                } else if !self.requests.is_for_history(id) {
                    return Some(PeerFault::NoAnswer);
                }
                // The peer answered. The blocks that it does not have are requested from others.
                self.counts.requests_failed += 1;
                None
            }
            RequestFailure::Refused(ResponseError::InvalidRequest(_))
            | RequestFailure::Unsupported
            | RequestFailure::Disconnected => Some(PeerFault::NoAnswer),
        }
    }

    fn take_block(
        &mut self,
        id: RequestId,
        peer: PeerId,
        root: Root,
        block: Arc<SignedBlock>,
    ) -> Result<(), PeerFault> {
        if let Some(wanted) = self.requests.root(id) {
            if root != wanted {
                return Err(PeerFault::InvalidAnswer);
            }
            self.askers.fetches.note_found(&root, self.peers.now.ms());
            self.peers.praise(&peer);
            let handed = HandedIn { root, peer, round: None, omitted_by: Vec::new() };
            self.door.hand_in(handed, block);
            Ok(())
        } else if let Some(mut batch) = self.requests.batch_mut(id) {
            check_next(&batch, &block)?;
            batch.bytes += block.ssz_bytes_len();
            batch.received.push((root, block));
            let is_too_large = batch.bytes > limits::MAX_BATCH_BYTES;
            if is_too_large { Err(PeerFault::InvalidAnswer) } else { Ok(()) }
        } else if let Some(mut history) = self.requests.history_mut(id) {
            take_old_block(&mut history, root, block)
        } else {
            Err(PeerFault::InvalidAnswer)
        }
    }

    /// Ends a request, with the peer's fault, if any. A batch that broke off keeps its blocks,
    /// unless they are the fault.
    fn end(&mut self, id: RequestId, fault: Option<PeerFault>, is_whole: bool) {
        let Some(EndedRequest { peer, purpose }) = self.requests.end(id) else { return };
        if let Some(fault) = fault {
            self.counts.requests_failed += 1;
            // A peer that sent a part is slow and not silent.
            let has_part = matches!(&purpose, Purpose::Batch(batch) if !batch.received.is_empty());
            let is_slow = fault == PeerFault::Timeout && has_part;
            let fault = if is_slow { PeerFault::NoAnswer } else { fault };
            // A peer that has reconnected is not blamed for requests that were lost with its last
            // connection.
            if fault != PeerFault::NoAnswer || self.peers.is_asked_on_this_connection(&peer, id) {
                self.peers.blame(&peer, fault);
            }
        }
        match purpose {
            Purpose::Status => {}
            Purpose::Root(root) => self.askers.fetches.note_end(&root, self.peers.now.ms()),
            Purpose::Batch(BatchRequest { mut received, bytes, .. }) => {
                if matches!(fault, Some(PeerFault::InvalidAnswer | PeerFault::Unlinked)) {
                    received.clear();
                }
                if self.askers.range.note_end(id, &peer, received, bytes, is_whole) {
                    self.counts.empty_batches += 1;
                }
            }
            Purpose::History(HistoryRequest { received, .. }) => {
                if !received.is_empty() {
                    self.peers.praise(&peer);
                }
                self.askers.backfill.note_end(id, &peer, received);
            }
        }
    }

    /// Ends the requests to peers that are not connected, because nothing more arrives from them.
    fn end_those_of_gone_peers(&mut self) {
        for id in self.requests.to_gone(|peer| !self.peers.is_connected(peer)) {
            self.requests.note_ended(id);
            self.end(id, Some(PeerFault::NoAnswer), false);
        }
    }

    fn give_up_late(&mut self, awake_since_ms: u64) {
        let now_ms = self.peers.now.ms();
        // Messages that arrived while the node slept are still in the lanes, so no peer is blamed.
        if now_ms < awake_since_ms.saturating_add(limits::WAKING_GRACE_MS) {
            return;
        }
        for id in self.requests.overdue(now_ms) {
            self.end(id, Some(PeerFault::Timeout), false);
        }
    }
}

/// Checks that a block can be the next one of a batch: it is in the range and its parent is the
/// previous block.
fn check_next(batch: &BatchRequest, next: &SignedBlock) -> Result<(), PeerFault> {
    let slot = next.block.slot;
    if slot < batch.start_slot || slot - batch.start_slot >= batch.count {
        return Err(PeerFault::InvalidAnswer);
    }
    match batch.received.last() {
        Some((root, last)) if next.block.parent_root != *root || slot <= last.block.slot => {
            Err(PeerFault::Unlinked)
        }
        _ => Ok(()),
    }
}

/// Takes a block of history that is wanted and has not arrived yet.
fn take_old_block(
    request: &mut HistoryRequest,
    root: Root,
    block: Arc<SignedBlock>,
) -> Result<(), PeerFault> {
    let is_new = request.received.iter().all(|(known, _)| *known != root);
    if !is_new || !request.wanted.contains(&root) {
        return Err(PeerFault::InvalidAnswer);
    }
    request.received.push((root, block));
    Ok(())
}
