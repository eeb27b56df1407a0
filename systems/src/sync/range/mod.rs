//! Range sync: a round of batches towards a head that most peers have reached.
//!
//! Batches are asked for in parallel and handed to the import in order. Within a batch each block
//! is the parent of the next, so that nothing can be left out of its middle. An empty batch, and the
//! end of one whose last block comes before its last slot, is asked for a second time, of another
//! peer, unless the next batch links without it. Blocks that do not link are asked for a second time
//! as well; when two peers agree the round goes back: first to the last block that linked, of other
//! peers, then to the finalized block, and then it ends.

mod link;
mod round;

use std::sync::Arc;

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{Finalized, Head},
    containers::{BlocksByRangeRequest, Checkpoint, Root, SignedBlock, Slot},
    network::{LastStatus, PeerId, PeersById, Request, RequestId},
    sync::{Backoff, BatchRequest, Orphans, PeerSync, RequestsById, SyncCounts, limits},
    tree::BlockTree,
};

use self::round::{Batch, BatchState, Round, pause};
use super::{
    fetch::is_deep,
    imports::{RequestedBlocks, Source, blame_omission, hand_in},
    peers::{Fault, ask, blame, least_busy, peer_views, requests_in_flight, time_of},
    status::own_status,
    target::{Followed, PeerView, choose_target, lead},
};
use crate::fork_choice::import::ImportQueue;

/// Range sync: the round under way, if any.
#[derive(Resource, Debug, Default)]
pub struct RangeSync {
    round: Option<Round>,
    rounds: u64,
    /// Rounds in a row that brought nothing, and for how long none is begun.
    backoff: Backoff,
    /// When the operator was last told that nobody serves what is needed, as a slot.
    warned_slot: Option<Slot>,
}

impl RangeSync {
    /// The head that the round is to reach.
    pub fn target(&self) -> Option<Checkpoint> {
        self.round.as_ref().map(|round| round.target)
    }

    /// How many batches are under way or wait to be imported.
    pub fn batches(&self) -> usize {
        self.round.as_ref().map_or(0, |round| round.batches.len())
    }

    /// Bytes of blocks that wait to be imported.
    pub fn bytes(&self) -> usize {
        self.round.as_ref().map_or(0, Round::bytes)
    }

    fn round_of(&mut self, number: Option<u64>) -> Option<&mut Round> {
        self.round.as_mut().filter(|round| Some(round.number) == number)
    }
}

/// Goes on with the round, or begins one when a head is far ahead or a held block's ancestors are
/// too many to be fetched one by one.
pub fn sync_range(world: &mut World) {
    let views = peer_views(world);
    if views.is_empty() && world.resource::<RangeSync>().round.is_none() {
        return;
    }
    world.resource_scope(|world, mut range: Mut<RangeSync>| {
        choose_round(world, &mut range, &views);
        link::hand_on(world, &mut range);
        // Whoever was blamed just now is left alone.
        let mut views = peer_views(world);
        plan(world, &mut range, &mut views);
        finish(world, &mut range);
    });
}

/// Begins a round, moves its target on, or ends it when nobody is followed any more.
fn choose_round(world: &mut World, range: &mut RangeSync, views: &[PeerView]) {
    let (now_ms, now_slot) = time_of(world);
    if range.round.is_none() && range.backoff.is_on(now_ms) {
        return;
    }
    let own = own_status(world);
    let is_deep_fork = world.resource::<Orphans>().missing().iter().any(is_deep);
    // Near the clock gossip brings what is missing. A round that is under way goes all the way.
    let is_near = own.head.slot.saturating_add(limits::SYNCING_BEHIND_SLOTS) >= now_slot;
    let allowed = if is_near && range.round.is_none() { limits::SYNCING_BEHIND_SLOTS } else { 0 };
    let tree = world.resource::<BlockTree>();
    let followed =
        choose_target(views, tree, now_slot, |status| is_deep_fork || lead(status, &own) > allowed);
    match (followed, &mut range.round) {
        (None, None) => {}
        // What is on its way may be all there is to come.
        (None, Some(round)) => round.peers.clear(),
        (Some(followed), Some(round)) => {
            if followed.status.head.slot >= round.target.slot {
                round.target = followed.status.head;
            }
            round.peers = followed.peers;
        }
        (Some(followed), None) => begin(world, range, followed, is_deep_fork),
    }
}

fn begin(world: &mut World, range: &mut RangeSync, followed: Followed, is_deep_fork: bool) {
    let own = world.resource::<Head>().0;
    let finalized = world.resource::<Finalized>().0;
    let Followed { status, peers, is_outvoted } = followed;
    let target = status.head;
    let is_fork = is_deep_fork || target.slot <= own.slot;
    // What more peers agree with than with the target is extended and not replaced, unless the
    // target's chain is said to have finalized more, which its blocks will show or not.
    let outranks = status.finalized.slot > finalized.slot + limits::STATUS_PERIOD_SLOTS;
    let extends = (is_outvoted && !outranks).then_some(own);
    if is_fork && extends.is_some() {
        return;
    }
    let start_slot = 1 + if is_fork { finalized.slot } else { own.slot };
    tracing::debug!(start_slot, target = target.slot, peers = peers.len(), "range sync");
    range.rounds += 1;
    range.round = Some(Round {
        number: range.rounds,
        peers,
        extends,
        from_finalized: is_fork,
        ..Round::new(target, start_slot)
    });
    world.resource_mut::<SyncCounts>().rounds += 1;
}

/// Begins batches and asks for those that wait.
fn plan(world: &mut World, range: &mut RangeSync, views: &mut [PeerView]) {
    let (now_ms, _) = time_of(world);
    let RangeSync { round: Some(round), warned_slot, .. } = range else { return };
    round.begin_batches();
    shed(world, round);
    let mut bytes = bytes_of(world, round);
    for index in 0..round.batches.len() {
        if !matches!(round.batches[index].state, BatchState::Waiting) {
            continue;
        }
        if requests_in_flight(views) >= limits::MAX_REQUESTS
            || (index > 0 && bytes >= limits::MAX_RANGE_BYTES)
        {
            return;
        }
        match choose_peer(round, index, views, now_ms) {
            Choice::Ask(peer) => {
                let view = views.iter_mut().find(|view| view.id == peer);
                view.expect("one of the views").in_flight += 1;
                ask_batch(world, &mut round.batches[index], &peer);
                bytes = bytes_of(world, round);
            }
            Choice::Believe => {
                round.batches[index].state = BatchState::Empty;
                world.resource_mut::<SyncCounts>().empty_batches += 1;
            }
            Choice::Wait => {}
            Choice::Unserved if index == 0 => {
                warn_unserved(world, round.batches[0].start, warned_slot);
            }
            Choice::Unserved => {}
        }
    }
}

enum Choice {
    Ask(PeerId),
    /// One peer says that the batch is empty, and there is no other to ask.
    Believe,
    Wait,
    /// Every peer that has got this far refuses to serve so old a slot.
    Unserved,
}

fn choose_peer(round: &mut Round, index: usize, views: &[PeerView], now_ms: u64) -> Choice {
    let batch = &mut round.batches[index];
    let peers = &round.peers;
    let reached = |view: &&PeerView| {
        peers.binary_search(&view.id).is_ok()
            && view.status.is_some_and(|status| status.head.slot >= batch.last())
    };
    let serves = |view: &&PeerView| view.sync.serves_from <= batch.start;
    let candidates: Vec<&PeerView> = views.iter().filter(reached).filter(serves).collect();
    let mut untried = candidates.iter().filter(|view| !batch.tried.contains(&view.id)).peekable();
    if untried.peek().is_some() {
        return least_busy(untried.copied()).map_or(Choice::Wait, Choice::Ask);
    }
    if candidates.is_empty() && views.iter().any(|view| reached(&view)) {
        return Choice::Unserved;
    }
    if !batch.empty.is_empty() && batch.unlinked.is_empty() {
        return Choice::Believe;
    }
    if !candidates.is_empty() {
        batch.retry_later(now_ms);
    }
    Choice::Wait
}

fn ask_batch(world: &mut World, batch: &mut Batch, peer: &PeerId) {
    let (start_slot, count) = (batch.start, batch.count);
    let request = Request::BlocksByRange(BlocksByRangeRequest { start_slot, count });
    let answer = BatchRequest { start_slot, count, received: Vec::new(), bytes: 0 };
    let id = ask(world, peer, request, limits::BATCH_DEADLINE_MS, answer);
    batch.state = BatchState::Asked(id);
    world.resource_mut::<SyncCounts>().batches_asked += 1;
}

fn warn_unserved(world: &mut World, start_slot: Slot, warned_slot: &mut Option<Slot>) {
    let (_, now_slot) = time_of(world);
    let is_due = |slot: Slot| now_slot >= slot.saturating_add(limits::WARNING_PERIOD_SLOTS);
    if warned_slot.is_none_or(is_due) {
        *warned_slot = Some(now_slot);
        world.resource_mut::<SyncCounts>().unserved += 1;
        tracing::warn!(
            start_slot,
            now_slot,
            "no peer serves blocks as old as the ones this node needs next: start it anew from a \
             checkpoint of a node that is synced"
        );
    }
}

/// Bytes of blocks that have come and are not handed on.
fn bytes_of(world: &World, round: &Round) -> usize {
    let asked = round.batches.iter().filter_map(|batch| match batch.state {
        BatchState::Asked(id) => world.resource::<RequestsById>().get(id),
        _ => None,
    });
    let coming = asked.filter_map(|request| world.get::<BatchRequest>(request));
    round.bytes() + coming.map(|batch| batch.bytes).sum::<usize>()
}

/// Drops the newest batches until there is room; the oldest is the one that makes room.
fn shed(world: &mut World, round: &mut Round) {
    for index in (1..round.batches.len()).rev() {
        if bytes_of(world, round) <= limits::MAX_RANGE_BYTES {
            return;
        }
        let batch = &mut round.batches[index];
        match &batch.state {
            BatchState::Waiting | BatchState::Empty => continue,
            BatchState::Asked(id) => give_up(world, *id),
            BatchState::Received { .. } => {}
        }
        batch.state = BatchState::Waiting;
        world.resource_mut::<SyncCounts>().batches_shed += 1;
    }
}

/// Gives up a request.
fn give_up(world: &mut World, id: RequestId) {
    if let Some(request) = world.resource::<RequestsById>().get(id) {
        world.despawn(request);
    }
}

/// Drops a round's batches and gives up their requests.
fn drop_batches(world: &mut World, round: &mut Round) {
    for batch in round.batches.drain(..) {
        if let BatchState::Asked(id) = batch.state {
            give_up(world, id);
        }
    }
}

/// Ends the round when nothing of it is left to come.
fn finish(world: &mut World, range: &mut RangeSync) {
    let Some(round) = &mut range.round else { return };
    let is_lost = round.is_lost;
    let is_over = round.batches.is_empty()
        && (round.next_slot > round.target.slot || round.peers.is_empty())
        && world.resource::<RequestedBlocks>().pending_of(round.number) == 0;
    // Without peers only what has come already is worth keeping.
    let is_idle = round.peers.is_empty()
        && !round.batches.iter().any(|batch| matches!(batch.state, BatchState::Received { .. }));
    if !(is_over || is_lost || is_idle) {
        return;
    }
    let mut round = range.round.take().expect("just looked at");
    drop_batches(world, &mut round);
    if round.has_progress {
        range.backoff.reset();
    }
    let reached = world.resource::<BlockTree>().contains(&round.target.root);
    if reached || (round.has_progress && !is_lost) {
        return;
    }
    if !round.has_progress {
        let (now_ms, _) = time_of(world);
        pause(&mut range.backoff, now_ms);
    }
    world.resource_mut::<SyncCounts>().rounds_failed += 1;
    if is_over && !is_lost {
        // Every slot was asked for, and nothing came of it. Whoever claims the head and says that
        // there is nothing at its slot, lies; who sent something else is left alone for a while.
        let target = round.target;
        for (peer, last_slot) in std::mem::take(&mut round.believed) {
            if last_slot >= target.slot && claims(world, &peer, target) {
                blame(world, &peer, Fault::FalseHead);
            }
        }
        if let Some(tip) = round.tip.take().filter(|tip| claims(world, &tip.peer, target)) {
            blame(world, &tip.peer, Fault::NoAnswer);
        }
    }
}

/// Whether a peer claims this head.
fn claims(world: &World, peer: &PeerId, head: Checkpoint) -> bool {
    let entity = world.resource::<PeersById>().get(peer);
    let last = entity.and_then(|entity| world.get::<LastStatus>(entity));
    last.is_some_and(|last| last.status.head == head)
}

/// A request for a batch has ended with these blocks; whole, or broken off.
pub(super) fn note_end(
    world: &mut World,
    id: RequestId,
    peer: &PeerId,
    received: Vec<(Root, Arc<SignedBlock>)>,
    bytes: usize,
    is_whole: bool,
) {
    let mut range = world.resource_mut::<RangeSync>();
    if let Some(round) = &mut range.round
        && round.note_end(id, peer, received, bytes, is_whole)
    {
        world.resource_mut::<SyncCounts>().empty_batches += 1;
    }
}

/// A peer does not serve blocks from this slot on.
pub(super) fn note_unserved(world: &mut World, peer: &PeerId, start_slot: Slot) {
    if let Some(entity) = world.resource::<PeersById>().get(peer)
        && let Some(mut sync) = world.get_mut::<PeerSync>(entity)
    {
        sync.serves_from = sync.serves_from.max(start_slot.saturating_add(1));
    }
}

/// A block of this round was imported.
pub(super) fn note_progress(world: &mut World, number: Option<u64>) {
    if let Some(round) = world.resource_mut::<RangeSync>().round_of(number) {
        round.has_progress = true;
    }
}

/// A block of this round was not imported: what follows it cannot be either.
pub(super) fn note_lost(world: &mut World, number: Option<u64>) {
    if let Some(round) = world.resource_mut::<RangeSync>().round_of(number) {
        round.is_lost = true;
    }
}

/// Hands a block of a round to the import, unless the tree has it.
fn hand_on_block(world: &mut World, source: Source, block: Arc<SignedBlock>) {
    if world.resource::<BlockTree>().contains(&source.root) {
        blame_omission(world, source.omitted_by);
    } else {
        hand_in(world, source, block);
    }
}

/// How many more blocks the import queue may be given.
fn room(world: &World, number: u64) -> usize {
    let queued = world.resource::<ImportQueue>().len();
    let handed = world.resource::<RequestedBlocks>().pending_of(number);
    limits::IMPORT_BACKLOG.saturating_sub(queued.max(handed))
}
