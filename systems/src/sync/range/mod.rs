//! Range sync: a round of batches towards a head that most peers have reached.
//!
//! Batches are requested in parallel and passed to the import in order. Within a batch each block
//! is the parent of the next, so no block in the middle can be left out. An empty batch, and the
//! end of a batch whose last block is before its last slot, is requested a second time, from
//! another peer, unless the next batch links without it. Blocks that do not link are also requested
//! a second time. If two peers agree, the round goes back: first to the last block that linked,
//! asking other peers, then to the finalized block; then it ends.

mod link;
mod round;

use std::sync::Arc;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    constants::INTERVAL_DURATION_MS,
    containers::{BlocksByRangeRequest, Checkpoint, Root, SignedBlock, Slot, Status},
    network::{PeerFault, PeerId, Request, RequestId},
    sync::{Backoff, BatchRequest, Orphans, SyncCounts, limits},
};

use self::round::{Batch, BatchState, Round, pause};
use super::{
    fetch::is_deep,
    handed::HandedIn,
    peers::{least_busy, requests_in_flight},
    requests::Requests,
    roles::{ImportDoor, OwnChain, Peers},
    state::Awake,
    target::{Followed, PeerView, choose_target, lead},
    verdicts::blame_omission,
};
use crate::fork_choice::import::ImportQueue;

/// The state of range sync: the current round, if any.
#[derive(Resource, Debug, Default)]
pub struct RangeSync {
    round: Option<Round>,
    rounds: u64,
    /// The number of rounds in a row that brought nothing, and the pause until the next round.
    backoff: Backoff,
    /// The slot in which the operator was last told that no peer serves the needed blocks.
    warned_slot: Option<Slot>,
}

impl RangeSync {
    /// The head that the round is to reach.
    pub fn target(&self) -> Option<Checkpoint> {
        self.round.as_ref().map(|round| round.target)
    }

    /// The number of batches that are in flight or wait to be imported.
    pub fn batches(&self) -> usize {
        self.round.as_ref().map_or(0, |round| round.batches.len())
    }

    /// The size of the blocks that wait to be imported, in bytes.
    pub fn bytes(&self) -> usize {
        self.round.as_ref().map_or(0, Round::bytes)
    }

    fn round_of(&mut self, number: Option<u64>) -> Option<&mut Round> {
        self.round.as_mut().filter(|round| Some(round.number) == number)
    }

    /// Notes that a request for a batch has ended with these blocks, complete or broken off.
    /// Returns true if the batch is now believed to be empty.
    pub(super) fn note_end(
        &mut self,
        id: RequestId,
        peer: &PeerId,
        received: Vec<(Root, Arc<SignedBlock>)>,
        bytes: usize,
        is_whole: bool,
    ) -> bool {
        let round = self.round.as_mut();
        round.is_some_and(|round| round.note_end(id, peer, received, bytes, is_whole))
    }

    /// Notes that a block of this round was imported.
    pub(super) fn note_progress(&mut self, number: Option<u64>) {
        if let Some(round) = self.round_of(number) {
            round.has_progress = true;
        }
    }

    /// Notes that a block of this round was not imported, so that its descendants cannot be either.
    pub(super) fn note_lost(&mut self, number: Option<u64>) {
        if let Some(round) = self.round_of(number) {
            round.is_lost = true;
        }
    }
}

/// The resources of a round: the peers and requests to them, the import, and the node's chain.
#[derive(SystemParam)]
pub struct RoundParts<'w, 's> {
    peers: Peers<'w, 's>,
    requests: Requests<'w, 's>,
    door: ImportDoor<'w>,
    chain: OwnChain<'w>,
    queue: Res<'w, ImportQueue>,
    counts: ResMut<'w, SyncCounts>,
}

/// Continues the round, or begins one if a head is ahead or if a waiting block has too many missing
/// ancestors to fetch them one by one.
pub fn sync_range(
    mut range: ResMut<RangeSync>,
    mut parts: RoundParts,
    orphans: Res<Orphans>,
    awake: Res<Awake>,
) {
    let views = parts.peers.views();
    if views.is_empty() && range.round.is_none() {
        return;
    }
    let is_deep_fork = orphans.missing().iter().any(is_deep);
    parts.choose_round(&mut range, &views, is_deep_fork, &awake);
    let Some(round) = &mut range.round else { return };
    parts.hand_on(round);
    // A peer that was blamed just now is not asked.
    let views = parts.peers.views();
    parts.plan(&mut range, views);
    parts.finish(&mut range);
}

/// Returns true if a status is ahead only by the block of the current slot, which gossip may still
/// bring to a node that keeps up.
fn is_on_its_way(status: &Status, own: &Status, now_slot: Slot, into_slot_ms: u64) -> bool {
    into_slot_ms < INTERVAL_DURATION_MS
        && status.head.slot == now_slot
        && own.head.slot.saturating_add(1) >= now_slot
        && status.finalized.slot <= own.finalized.slot.saturating_add(1)
}

impl RoundParts<'_, '_> {
    /// Begins a round, moves its target, or ends it if no peer is followed any more.
    fn choose_round(
        &mut self,
        range: &mut RangeSync,
        views: &[PeerView],
        is_deep_fork: bool,
        awake: &Awake,
    ) {
        let (now_ms, now_slot) = (self.peers.now.ms(), self.peers.now.slot());
        if range.round.is_none() && range.backoff.is_on(now_ms) {
            return;
        }
        let own = self.chain.status();
        // A node that has just started or woken has no mesh that could bring the newest block.
        let has_gossip = range.round.is_none() && !awake.is_fresh(now_ms);
        let into_slot_ms = self.peers.now.ms_into_slot();
        let is_ahead = |status: &Status| {
            let is_on_its_way = has_gossip && is_on_its_way(status, &own, now_slot, into_slot_ms);
            is_deep_fork || (lead(status, &own) > 0 && !is_on_its_way)
        };
        let followed = choose_target(views, &self.chain.tree, now_slot, is_ahead);
        match (followed, &mut range.round) {
            (None, None) => {}
            // There may be no blocks besides those that have arrived.
            (None, Some(round)) => round.peers.clear(),
            (Some(followed), Some(round)) => {
                if followed.status.head.slot >= round.target.slot {
                    round.target = followed.status.head;
                }
                round.peers = followed.peers;
            }
            (Some(followed), None) => self.begin(range, followed, is_deep_fork),
        }
    }

    fn begin(&mut self, range: &mut RangeSync, followed: Followed, is_deep_fork: bool) {
        let (own, finalized) = (self.chain.head(), self.chain.finalized());
        let Followed { status, peers, is_outvoted } = followed;
        let target = status.head;
        let is_fork = is_deep_fork || target.slot <= own.slot;
        // If more peers agree with the own head than with the target, the target's blocks may
        // extend that head but not replace it. This does not apply if the target's chain claims to
        // have finalized more, because its blocks will show that.
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
        self.counts.rounds += 1;
    }

    /// Begins batches and requests those that wait.
    fn plan(&mut self, range: &mut RangeSync, mut views: Vec<PeerView>) {
        let RangeSync { round: Some(round), warned_slot, .. } = range else { return };
        if round.is_lost {
            return;
        }
        round.begin_batches();
        self.shed(round);
        let mut bytes = self.bytes_of(round);
        for index in 0..round.batches.len() {
            if !matches!(round.batches[index].state, BatchState::Waiting) {
                continue;
            }
            if requests_in_flight(&views) >= limits::MAX_REQUESTS
                || (index > 0 && bytes >= limits::MAX_RANGE_BYTES)
            {
                return;
            }
            match choose_peer(round, index, &views, self.peers.now.ms()) {
                Choice::Ask(peer) => {
                    let view = views.iter_mut().find(|view| view.id == peer);
                    view.expect("one of the views").in_flight += 1;
                    self.ask_batch(&mut round.batches[index], &peer);
                    bytes = self.bytes_of(round);
                }
                Choice::Believe => {
                    round.batches[index].state = BatchState::Empty;
                    self.counts.empty_batches += 1;
                }
                Choice::Wait => {}
                Choice::Unserved if index == 0 => {
                    self.warn_unserved(round.batches[0].start, warned_slot);
                }
                Choice::Unserved => {}
            }
        }
    }

    fn ask_batch(&mut self, batch: &mut Batch, peer: &PeerId) {
        let (start_slot, count) = (batch.start, batch.count);
        let request = Request::BlocksByRange(BlocksByRangeRequest { start_slot, count });
        let answer = BatchRequest { start_slot, count, received: Vec::new(), bytes: 0 };
        let deadline_ms = limits::BATCH_DEADLINE_MS;
        let id = self.requests.ask(&mut self.peers, peer, request, deadline_ms, answer);
        batch.state = BatchState::Asked(id);
        self.counts.batches_asked += 1;
    }

    fn warn_unserved(&mut self, start_slot: Slot, warned_slot: &mut Option<Slot>) {
        let now_slot = self.peers.now.slot();
        let is_due = |slot: Slot| now_slot >= slot.saturating_add(limits::WARNING_PERIOD_SLOTS);
        if warned_slot.is_none_or(is_due) {
            *warned_slot = Some(now_slot);
            self.counts.unserved += 1;
            tracing::warn!(
                start_slot,
                now_slot,
                "no peer serves blocks as old as the ones this node needs next: start it anew from \
                 a checkpoint of a node that is synced"
            );
        }
    }

    /// The size of the blocks that have arrived and are not passed on, in bytes.
    fn bytes_of(&self, round: &Round) -> usize {
        let coming = round.batches.iter().filter_map(|batch| match batch.state {
            BatchState::Asked(id) => self.requests.batch(id),
            _ => None,
        });
        round.bytes() + coming.map(|batch| batch.bytes).sum::<usize>()
    }

    /// Drops the newest batches until there is room: the oldest is passed on next, which makes
    /// room.
    fn shed(&mut self, round: &mut Round) {
        for index in (1..round.batches.len()).rev() {
            if self.bytes_of(round) <= limits::MAX_RANGE_BYTES {
                return;
            }
            let batch = &mut round.batches[index];
            match &batch.state {
                BatchState::Waiting | BatchState::Empty => continue,
                BatchState::Asked(id) => self.requests.give_up(*id),
                BatchState::Received { .. } => {}
            }
            batch.state = BatchState::Waiting;
            self.counts.batches_shed += 1;
        }
    }

    /// Drops a round's batches and cancels their requests.
    fn drop_batches(&mut self, round: &mut Round) {
        for batch in round.batches.drain(..) {
            if let BatchState::Asked(id) = batch.state {
                self.requests.give_up(id);
            }
        }
    }

    /// Ends the round if no more blocks of it are to come.
    fn finish(&mut self, range: &mut RangeSync) {
        let Some(round) = &range.round else { return };
        let is_lost = round.is_lost;
        let is_over = round.batches.is_empty()
            && (round.next_slot > round.target.slot || round.peers.is_empty())
            && self.door.pending_of(round.number) == 0;
        // If there are no peers, only blocks that have arrived are kept.
        let is_received = |batch: &Batch| matches!(batch.state, BatchState::Received { .. });
        let is_idle = round.peers.is_empty() && !round.batches.iter().any(is_received);
        if !(is_over || is_lost || is_idle) {
            return;
        }
        let mut round = range.round.take().expect("just looked at");
        self.drop_batches(&mut round);
        if round.has_progress {
            range.backoff.reset();
        }
        let reached = self.chain.tree.contains(&round.target.root);
        if reached || (round.has_progress && !is_lost) {
            return;
        }
        if !round.has_progress {
            pause(&mut range.backoff, self.peers.now.ms());
        }
        self.counts.rounds_failed += 1;
        if is_over && !is_lost {
            self.blame_false_head(round);
        }
    }

    /// Every slot was requested without success. A peer that claims the head and says that its slot
    /// is empty is lying. A peer that sent something else is not asked for a while.
    fn blame_false_head(&mut self, round: Round) {
        let target = round.target;
        for (peer, last_slot) in round.believed {
            if last_slot >= target.slot && self.peers.claims(&peer, target) {
                self.peers.blame(&peer, PeerFault::FalseHead);
            }
        }
        if let Some(tip) = round.tip.filter(|tip| self.peers.claims(&tip.peer, target)) {
            self.peers.blame(&tip.peer, PeerFault::NoAnswer);
        }
    }

    /// Passes a block of a round to the import, unless the tree has it.
    fn hand_on_block(&mut self, handed: HandedIn, block: Arc<SignedBlock>) {
        if self.chain.tree.contains(&handed.root) {
            blame_omission(&mut self.peers, handed.omitted_by);
        } else {
            self.door.hand_in(handed, block);
        }
    }

    /// The number of blocks that the import queue still accepts.
    fn room(&self, number: u64) -> usize {
        let handed = self.door.pending_of(number);
        limits::IMPORT_BACKLOG.saturating_sub(self.queue.len().max(handed))
    }
}

enum Choice {
    Ask(PeerId),
    /// One peer says that the batch is empty, and there is no other one to ask.
    Believe,
    Wait,
    /// Every peer that has reached this slot refuses to serve it, because it is too old.
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
