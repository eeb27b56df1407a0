//! Backfill: fetches blocks from before the anchor, for peers that request them.
//!
//! A node that started from a checkpoint has no block from before it. The post-state of its
//! finalized block has the root of every earlier slot, to which the chain of hashes commits. A
//! block is therefore verified by its root. A root does not cover the proof, so a task checks it
//! before the block is passed to the writer.
//!
//! Backfill works backwards, 64 slots per batch, at the lowest priority: one request at a time,
//! none while the node syncs, and only so many batches that the writer does not fall behind. The
//! store records its progress, so that a restarted node continues from there. A batch is requested
//! as a range if peers serve it; missing blocks are requested by root, from another peer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::Registry,
    containers::{
        BlocksByRangeRequest, BlocksByRootRequest, RequestedRoots, Root, SignedBlock, Slot, Status,
    },
    network::{PeerFault, PeerId, Request, RequestId},
    storage::{HistoryBatch, StoredHistory},
    sync::{Backoff, HistoryRequest, SyncCounts, SyncState, limits},
    task::{TaskKind, Tasks, Work},
};

use super::{
    RangeSync,
    peers::{least_busy, requests_in_flight},
    requests::Requests,
    roles::{OwnChain, Peers},
};
use crate::verification::{Proofs, verify_block};

/// The state of backfill: the current batch, and the progress.
#[derive(Resource, Default)]
pub struct Backfill {
    batch: Option<Batch>,
    /// The first slots of the batches that were passed to the writer and are not stored yet.
    handed: Vec<Slot>,
    /// The number of times in a row that no peer had the blocks, and the pause until the next
    /// request.
    backoff: Backoff,
    /// The slot in which the operator was last told that no peer has the blocks.
    warned_slot: Option<Slot>,
    /// The first wanted slot when the operator was told that backfill runs.
    told: Option<Slot>,
}

/// Blocks of some slots.
struct Batch {
    /// The first slot.
    from: Slot,
    /// The first slot after it.
    end: Slot,
    /// The roots of the chain's blocks there, by slot.
    wanted: BTreeMap<Slot, Root>,
    /// The blocks that have arrived, with their senders.
    got: BTreeMap<Slot, (Arc<SignedBlock>, PeerId)>,
    /// The peers that were asked since the last pause.
    tried: Vec<PeerId>,
    /// True if a range did not bring all blocks: the rest is requested by root.
    by_root: bool,
    state: BatchState,
}

enum BatchState {
    Waiting,
    Asked(RequestId),
    /// The slots of the blocks whose proofs are wrong.
    Checking(Work<Vec<Slot>>),
}

impl Batch {
    fn missing(&self) -> Vec<Root> {
        let is_missing = |slot: &Slot| !self.got.contains_key(slot);
        self.wanted.iter().filter(|(slot, _)| is_missing(slot)).map(|(_, root)| *root).collect()
    }
}

impl Backfill {
    /// Returns true if there is no current batch.
    pub fn is_idle(&self) -> bool {
        self.batch.is_none() && self.handed.is_empty()
    }

    /// The slot before which the next batch ends, according to the stored batches and those waiting
    /// for the writer.
    fn next(&mut self, stored: Slot) -> Slot {
        self.handed.retain(|from| *from < stored);
        self.handed.last().copied().unwrap_or(stored)
    }

    /// Notes that a request of history has ended with these blocks.
    pub(super) fn note_end(
        &mut self,
        id: RequestId,
        peer: &PeerId,
        received: Vec<(Root, Arc<SignedBlock>)>,
    ) {
        let Some(batch) = &mut self.batch else { return };
        if !matches!(batch.state, BatchState::Asked(asked) if asked == id) {
            return;
        }
        batch.state = BatchState::Waiting;
        batch.by_root = true;
        for (root, block) in received {
            let slot = block.block.slot;
            if batch.wanted.get(&slot) == Some(&root) {
                batch.got.insert(slot, (block, peer.clone()));
            }
        }
    }

    fn pause(&mut self, now_ms: u64) {
        let (first_ms, longest_ms) = (limits::BACKFILL_BACKOFF_MS, limits::MAX_BACKFILL_BACKOFF_MS);
        self.backoff.fail(now_ms, first_ms, longest_ms);
    }
}

/// The resources of backfill: the peers and the requests to them, the node's chain, and the other
/// sync work, which has priority.
#[derive(SystemParam)]
pub struct BackfillParts<'w, 's> {
    peers: Peers<'w, 's>,
    requests: Requests<'w, 's>,
    chain: OwnChain<'w>,
    state: Res<'w, SyncState>,
    range: Res<'w, RangeSync>,
    checker: Checker<'w>,
    stored: MessageWriter<'w, HistoryBatch>,
    counts: ResMut<'w, SyncCounts>,
}

/// Checks the proofs of blocks in tasks.
#[derive(SystemParam)]
pub struct Checker<'w> {
    registry: Res<'w, Registry>,
    proofs: Res<'w, Proofs>,
    tasks: Res<'w, Tasks>,
}

impl Checker<'_> {
    /// Starts to check blocks with their roots. The result is the slots of those with a wrong
    /// proof.
    fn begin(&self, blocks: Vec<(Root, Arc<SignedBlock>)>) -> Work<Vec<Slot>> {
        let (registry, proofs) = (self.registry.clone(), self.proofs.clone());
        self.tasks.spawn_kind(TaskKind::CheckHistory, move |token| {
            let is_wrong = |(root, block): (Root, Arc<SignedBlock>)| {
                let wrong = verify_block(&block, root, &registry, &*proofs.0).is_err();
                wrong.then_some(block.block.slot)
            };
            blocks.into_iter().take_while(|_| !token.is_cancelled()).filter_map(is_wrong).collect()
        })
    }
}

/// Continues with the batch, or begins the next one.
pub fn backfill(
    history: Option<Res<StoredHistory>>,
    mut backfill: ResMut<Backfill>,
    mut parts: BackfillParts,
) {
    let Some(history) = history else { return };
    let wanted = history.wanted_from(parts.chain.finalized().slot);
    parts.collect_check(&mut backfill);
    // Empty slots need no request; an update handles a few batches of them.
    for _ in 0..limits::MAX_BATCHES {
        if backfill.batch.is_none() && !parts.begin(&mut backfill, history.from(), wanted) {
            return;
        }
        if !parts.hand_on_empty(&mut backfill) {
            break;
        }
    }
    parts.begin_check(&mut backfill);
    parts.ask_for_batch(&mut backfill);
}

impl BackfillParts<'_, '_> {
    /// Returns true while other sync work has priority.
    fn is_busy(&self) -> bool {
        *self.state != SyncState::Synced || self.range.target().is_some()
    }

    /// Begins the batch before the blocks that are stored or waiting for the writer. Returns true
    /// if there is one.
    fn begin(&self, backfill: &mut Backfill, stored: Slot, wanted: Slot) -> bool {
        let next = backfill.next(stored);
        if next <= wanted {
            if backfill.handed.is_empty() && backfill.told.take().is_some() {
                tracing::info!(from = stored, "the blocks from before the anchor are complete");
            }
            return false;
        }
        if self.is_busy() || backfill.handed.len() >= limits::MAX_BACKFILL_UNSTORED {
            return false;
        }
        let Some(state) = self.chain.state(&self.chain.finalized().root) else { return false };
        let from = next.saturating_sub(limits::BATCH_SLOTS).max(wanted);
        let roots = &state.historical_block_hashes;
        let wanted_roots = (from..next)
            .filter_map(|slot| Some((slot, *roots.get(slot)?)))
            .filter(|(_, root)| *root != Root::ZERO)
            .collect();
        if backfill.told.is_none() {
            tracing::info!(
                from = wanted,
                to = next - 1,
                "fetching the blocks from before the anchor, for peers that ask for them"
            );
            backfill.told = Some(wanted);
        }
        backfill.batch = Some(Batch {
            from,
            end: next,
            wanted: wanted_roots,
            got: BTreeMap::new(),
            tried: Vec::new(),
            by_root: false,
            state: BatchState::Waiting,
        });
        true
    }

    /// Passes a batch that has no blocks to the writer. Returns true if it did.
    fn hand_on_empty(&mut self, backfill: &mut Backfill) -> bool {
        let is_empty = |batch: &mut Batch| {
            batch.wanted.is_empty() && matches!(batch.state, BatchState::Waiting)
        };
        let batch = backfill.batch.take_if(is_empty);
        batch.map(|batch| self.hand_to_writer(backfill, batch)).is_some()
    }

    fn hand_to_writer(&mut self, backfill: &mut Backfill, batch: Batch) {
        let Batch { from, wanted, got, .. } = batch;
        let blocks: Vec<_> =
            got.into_iter().map(|(slot, (block, _))| (wanted[&slot], block)).collect();
        self.counts.backfilled += blocks.len() as u64;
        backfill.handed.push(from);
        backfill.backoff.reset();
        self.stored.write(HistoryBatch { blocks, from });
    }

    /// Starts to check the proofs of a complete batch.
    fn begin_check(&self, backfill: &mut Backfill) {
        let Some(batch) = &mut backfill.batch else { return };
        let is_whole = batch.got.len() == batch.wanted.len();
        if is_whole && matches!(batch.state, BatchState::Waiting) {
            let got = batch.got.iter();
            let blocks = got.map(|(slot, (block, _))| (batch.wanted[slot], Arc::clone(block)));
            batch.state = BatchState::Checking(self.checker.begin(blocks.collect()));
        }
    }

    /// Takes the result of the proofs' check. If the check itself fails, the senders are not
    /// blamed, and the blocks are requested again later.
    fn collect_check(&mut self, backfill: &mut Backfill) {
        let Some(batch) = &mut backfill.batch else { return };
        let BatchState::Checking(work) = &mut batch.state else { return };
        let wrong = match work.take() {
            Some(Ok(wrong)) => Some(wrong),
            Some(Err(panic)) => {
                tracing::error!(%panic, "checking old blocks panicked; they are requested again");
                None
            }
            None if work.is_dropped() => None,
            None => return,
        };
        batch.state = BatchState::Waiting;
        match wrong {
            None => {
                batch.got.clear();
                batch.tried.clear();
                backfill.pause(self.peers.now.ms());
            }
            Some(wrong) if wrong.is_empty() => {
                let batch = backfill.batch.take().expect("just looked at");
                self.hand_to_writer(backfill, batch);
            }
            Some(wrong) => {
                // An answer with wrong proofs is one fault, however many blocks it has.
                let senders: BTreeSet<PeerId> = wrong
                    .iter()
                    .filter_map(|slot| batch.got.remove(slot).map(|(_, peer)| peer))
                    .collect();
                for peer in senders {
                    self.peers.blame(&peer, PeerFault::InvalidBlock);
                }
            }
        }
    }

    /// Asks the next peer for the missing blocks of the batch.
    fn ask_for_batch(&mut self, backfill: &mut Backfill) {
        let (now_ms, now_slot) = (self.peers.now.ms(), self.peers.now.slot());
        let Some(batch) = backfill.batch.as_mut() else { return };
        let is_waiting = matches!(batch.state, BatchState::Waiting);
        if !is_waiting || backfill.backoff.is_on(now_ms) || self.is_busy() {
            return;
        }
        let views = self.peers.views();
        // Half of the requests stay free for more urgent work.
        if requests_in_flight(&views) >= limits::MAX_REQUESTS / 2 {
            return;
        }
        let has_passed = |status: &Status| status.head.slot >= batch.end;
        let candidates: Vec<_> =
            views.iter().filter(|view| view.status.as_ref().is_some_and(has_passed)).collect();
        if candidates.is_empty() {
            return;
        }
        let mut untried =
            candidates.iter().filter(|view| !batch.tried.contains(&view.id)).copied().peekable();
        if untried.peek().is_none() {
            batch.tried.clear();
            let from = batch.from;
            backfill.pause(now_ms);
            let is_first = backfill.backoff.failures() == 1;
            warn_missing(&mut backfill.warned_slot, from, now_slot, is_first);
            return;
        }
        let Some(peer) = least_busy(untried) else { return };
        let view = candidates.iter().find(|view| view.id == peer).expect("one of the candidates");
        let is_served = batch.from >= now_slot.saturating_sub(limits::SERVED_SLOTS)
            && view.sync.serves_from <= batch.from;
        let request = if is_served && !batch.by_root {
            let last = batch.wanted.keys().next_back().copied().unwrap_or(batch.from);
            let (start_slot, count) = (batch.from, last - batch.from + 1);
            Request::BlocksByRange(BlocksByRangeRequest { start_slot, count })
        } else {
            let roots = batch.missing().try_into().expect("a batch has at most 64 slots");
            Request::BlocksByRoot(BlocksByRootRequest { roots: RequestedRoots(roots) })
        };
        batch.tried.push(peer.clone());
        let purpose = HistoryRequest { wanted: batch.missing(), received: Vec::new() };
        let deadline_ms = limits::BATCH_DEADLINE_MS;
        let id = self.requests.ask(&mut self.peers, &peer, request, deadline_ms, purpose);
        batch.state = BatchState::Asked(id);
    }
}

fn warn_missing(warned_slot: &mut Option<Slot>, from: Slot, now_slot: Slot, is_first: bool) {
    let is_due = |slot: Slot| now_slot >= slot.saturating_add(limits::WARNING_PERIOD_SLOTS);
    if !is_first && warned_slot.is_none_or(is_due) {
        *warned_slot = Some(now_slot);
        tracing::warn!(
            from,
            "no connected peer has the blocks from before this node's anchor; they are asked for \
             again, and meanwhile this node cannot serve them"
        );
    }
}
