//! Backfill: blocks from before the anchor, fetched for the peers that ask for them.
//!
//! A node that began at a checkpoint has no block from before it. The post-state of its finalized
//! block names the root of every slot before, which the chain of hashes commits to; so each block
//! that comes is known to be the right one by its root. A root does not cover the proof, which is
//! checked in a task before the block is handed to the writer.
//!
//! It works backwards, 64 slots a batch, at the lowest priority: one request at a time, none while
//! the node syncs, and never so many batches that the writer falls behind. How far it has come is
//! in the store, so that a restarted node goes on from there. A batch is asked for as a range
//! where that is served, and what is missing by roots, of another peer.

use std::{collections::BTreeMap, sync::Arc};

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Registry, States},
    containers::{
        BlocksByRangeRequest, BlocksByRootRequest, RequestedRoots, Root, SignedBlock, Slot,
    },
    network::{PeerId, Request, RequestId},
    storage::{HistoryBatch, StoredHistory},
    sync::{Backoff, HistoryRequest, SyncCounts, SyncState, limits},
    task::{Tasks, Work},
};

use super::{
    RangeSync,
    peers::{Fault, ask, blame, least_busy, peer_views, praise, requests_in_flight, time_of},
};
use crate::verification::{Proofs, verify_block};

/// Backfill: the batch under way, and how far it has come.
#[derive(Resource, Default)]
pub struct Backfill {
    batch: Option<Batch>,
    /// Where each batch begins that was handed to the writer and is not stored yet.
    handed: Vec<Slot>,
    /// Times in a row that no peer had what was asked for, and for how long nothing is asked.
    backoff: Backoff,
    /// When the operator was last told that nobody has what is needed, as a slot.
    warned_slot: Option<Slot>,
    /// The first slot wanted when the operator was told that it goes on.
    told: Option<Slot>,
}

/// Blocks of some slots.
struct Batch {
    /// The first slot.
    from: Slot,
    /// What the chain has there, by slot.
    wanted: BTreeMap<Slot, Root>,
    /// What has come, and from whom.
    got: BTreeMap<Slot, (Arc<SignedBlock>, PeerId)>,
    /// Who was asked since the last pause.
    tried: Vec<PeerId>,
    /// A range did not bring all of it: the rest is asked for by roots.
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
    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.batch.is_none() && self.handed.is_empty()
    }

    /// The slot before which the next batch ends, by what is stored and what is on its way there.
    fn next(&mut self, stored: Slot) -> Slot {
        self.handed.retain(|from| *from < stored);
        self.handed.last().copied().unwrap_or(stored)
    }
}

/// Goes on with the batch, or begins the next one.
pub fn backfill(world: &mut World) {
    let Some(history) = world.get_resource::<StoredHistory>().cloned() else { return };
    world.resource_scope(|world, mut backfill: Mut<Backfill>| {
        let finalized = world.resource::<Finalized>().0;
        let wanted = history.wanted_from(finalized.slot);
        collect_check(world, &mut backfill);
        // Empty slots need nobody; a few batches of them an update.
        for _ in 0..limits::MAX_BATCHES {
            if backfill.batch.is_none() && !begin(world, &mut backfill, history.from(), wanted) {
                return;
            }
            if !hand_on(world, &mut backfill) {
                break;
            }
        }
        ask_for_batch(world, &mut backfill);
    });
}

/// Whether the chain ahead comes first.
fn is_busy(world: &World) -> bool {
    *world.resource::<SyncState>() != SyncState::Synced
        || world.resource::<RangeSync>().target().is_some()
}

/// Begins the batch before what is stored or on its way there. Whether there is one to begin.
fn begin(world: &mut World, backfill: &mut Backfill, stored: Slot, wanted: Slot) -> bool {
    let next = backfill.next(stored);
    if next <= wanted {
        if backfill.handed.is_empty() && backfill.told.take().is_some() {
            tracing::info!(from = stored, "the blocks from before the anchor are complete");
        }
        return false;
    }
    if is_busy(world) || backfill.handed.len() >= limits::MAX_BACKFILL_UNSTORED {
        return false;
    }
    let finalized = world.resource::<Finalized>().0;
    let Some(state) = world.resource::<States>().get(&finalized.root) else { return false };
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
        wanted: wanted_roots,
        got: BTreeMap::new(),
        tried: Vec::new(),
        by_root: false,
        state: BatchState::Waiting,
    });
    true
}

/// Hands a batch to the writer that wants nothing. Whether it did.
fn hand_on(world: &mut World, backfill: &mut Backfill) -> bool {
    let is_whole =
        |batch: &Batch| batch.wanted.is_empty() && matches!(batch.state, BatchState::Waiting);
    if !backfill.batch.as_ref().is_some_and(is_whole) {
        return false;
    }
    let batch = backfill.batch.take().expect("just looked at");
    hand_to_writer(world, backfill, batch);
    true
}

fn hand_to_writer(world: &mut World, backfill: &mut Backfill, batch: Batch) {
    let Batch { from, wanted, got, .. } = batch;
    let blocks: Vec<_> = got.into_iter().map(|(slot, (block, _))| (wanted[&slot], block)).collect();
    world.resource_mut::<SyncCounts>().backfilled += blocks.len() as u64;
    backfill.handed.push(from);
    backfill.backoff.reset();
    world.write_message(HistoryBatch { blocks, from });
}

/// Takes the outcome of the proofs' check.
fn collect_check(world: &mut World, backfill: &mut Backfill) {
    let Some(batch) = &mut backfill.batch else { return };
    let BatchState::Checking(work) = &mut batch.state else { return };
    let Some(outcome) = work.take() else { return };
    let wrong = outcome.unwrap_or_else(|panic| {
        tracing::error!(%panic, "checking old blocks panicked");
        batch.got.keys().copied().collect()
    });
    batch.state = BatchState::Waiting;
    if wrong.is_empty() {
        let batch = backfill.batch.take().expect("just looked at");
        hand_to_writer(world, backfill, batch);
        return;
    }
    for slot in wrong {
        if let Some((_, peer)) = batch.got.remove(&slot) {
            blame(world, &peer, Fault::InvalidBlock);
        }
    }
}

/// Asks the next peer for what is missing of the batch.
fn ask_for_batch(world: &mut World, backfill: &mut Backfill) {
    let (now_ms, now_slot) = time_of(world);
    let Some(batch) = backfill.batch.as_mut() else { return };
    let is_waiting = matches!(batch.state, BatchState::Waiting);
    if !is_waiting || backfill.backoff.is_on(now_ms) || is_busy(world) {
        return;
    }
    let views = peer_views(world);
    // Half of the requests stay free for what is more urgent.
    if requests_in_flight(&views) >= limits::MAX_REQUESTS / 2 {
        return;
    }
    let has_passed = |status: &quintet_components::containers::Status| {
        status.head.slot >= batch.from.saturating_add(limits::BATCH_SLOTS)
    };
    let candidates: Vec<_> =
        views.iter().filter(|view| view.status.as_ref().is_some_and(has_passed)).collect();
    if candidates.is_empty() {
        return;
    }
    let mut untried =
        candidates.iter().filter(|view| !batch.tried.contains(&view.id)).copied().peekable();
    if untried.peek().is_none() {
        batch.tried.clear();
        let (first_ms, longest_ms) = (limits::BACKFILL_BACKOFF_MS, limits::MAX_BACKFILL_BACKOFF_MS);
        backfill.backoff.fail(now_ms, first_ms, longest_ms);
        let (from, first) = (batch.from, backfill.backoff.failures() == 1);
        warn_missing(&mut backfill.warned_slot, from, now_slot, first);
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
    let id = ask(world, &peer, request, limits::BATCH_DEADLINE_MS, purpose);
    batch.state = BatchState::Asked(id);
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

/// A block came for a request of history: it is one that is wanted, or the peer is at fault.
pub(super) fn take_block(
    request: &mut HistoryRequest,
    root: Root,
    block: Arc<SignedBlock>,
) -> Result<(), Fault> {
    let is_new = request.received.iter().all(|(known, _)| *known != root);
    if !is_new || !request.wanted.contains(&root) {
        return Err(Fault::InvalidAnswer);
    }
    request.received.push((root, block));
    Ok(())
}

/// A request of history has ended with these blocks.
pub(super) fn note_end(
    world: &mut World,
    id: RequestId,
    peer: &PeerId,
    received: Vec<(Root, Arc<SignedBlock>)>,
) {
    world.resource_scope(|world, mut backfill: Mut<Backfill>| {
        let Some(batch) = &mut backfill.batch else { return };
        if !matches!(batch.state, BatchState::Asked(asked) if asked == id) {
            return;
        }
        batch.state = BatchState::Waiting;
        batch.by_root = true;
        if !received.is_empty() {
            praise(world, peer);
        }
        for (root, block) in received {
            let slot = block.block.slot;
            if batch.wanted.get(&slot) == Some(&root) {
                batch.got.insert(slot, (block, peer.clone()));
            }
        }
        if batch.got.len() < batch.wanted.len() {
            return;
        }
        let (registry, proofs) =
            (world.resource::<Registry>().clone(), world.resource::<Proofs>().clone());
        let blocks: Vec<_> = batch
            .got
            .iter()
            .map(|(slot, (block, _))| (*slot, batch.wanted[slot], Arc::clone(block)))
            .collect();
        let work = world.resource::<Tasks>().spawn(move |token| {
            let is_wrong = |(slot, root, block): (Slot, Root, Arc<SignedBlock>)| {
                let wrong = verify_block(&block, root, &registry, &*proofs.0).is_err();
                wrong.then_some(slot)
            };
            blocks.into_iter().take_while(|_| !token.is_cancelled()).filter_map(is_wrong).collect()
        });
        batch.state = BatchState::Checking(work);
    });
}
