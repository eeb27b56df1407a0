//! A round and its batches: plain data.

use std::{collections::VecDeque, sync::Arc};

use quintet_components::{
    containers::{Checkpoint, Root, SignedBlock, Slot},
    network::{PeerId, RequestId},
    sync::{Backoff, limits},
};
use ssz::Encode;

/// The state of a batch.
#[derive(Debug)]
pub(super) enum BatchState {
    Waiting,
    Asked(RequestId),
    Received {
        peer: PeerId,
        blocks: VecDeque<(Root, Arc<SignedBlock>)>,
        bytes: usize,
        /// True when the first block is known to link.
        is_linked: bool,
    },
    /// It is believed to be empty.
    Empty,
}

/// A range of slots that is requested at once.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) start: Slot,
    pub(super) count: u64,
    pub(super) state: BatchState,
    /// The peers that need not be asked again for now.
    pub(super) tried: Vec<PeerId>,
    /// True during the pause after all peers have failed.
    is_pausing: bool,
    /// The number of these pauses, and the length of the current one.
    backoff: Backoff,
    /// The peers that say it is empty.
    pub(super) empty: Vec<PeerId>,
    /// The peers whose blocks did not link, with the expected parents.
    pub(super) unlinked: Vec<(PeerId, Root)>,
}

impl Batch {
    fn new(start: Slot, count: u64) -> Self {
        Self {
            start,
            count,
            state: BatchState::Waiting,
            tried: Vec::new(),
            is_pausing: false,
            backoff: Backoff::default(),
            empty: Vec::new(),
            unlinked: Vec::new(),
        }
    }

    /// Pauses a batch for which no peer is left to ask. All peers are asked again after the pause,
    /// which grows each time.
    pub(super) fn retry_later(&mut self, now_ms: u64) {
        if !self.is_pausing {
            self.is_pausing = true;
            pause(&mut self.backoff, now_ms);
        } else if !self.backoff.is_on(now_ms) {
            self.is_pausing = false;
            self.tried.clear();
        }
    }

    pub(super) const fn last(&self) -> Slot {
        self.start + (self.count - 1)
    }
}

/// The last block that was passed on.
#[derive(Clone, Debug)]
pub(super) struct Tip {
    pub(super) root: Root,
    pub(super) slot: Slot,
    pub(super) peer: PeerId,
    /// The last slot of its batch.
    pub(super) last_slot: Slot,
}

/// The block from which the round was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retreat {
    /// It was not started again.
    None,
    /// The last block that linked.
    Tip,
}

/// Batches towards one head.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) number: u64,
    pub(super) target: Checkpoint,
    /// The peers that follow the target, by id.
    pub(super) peers: Vec<PeerId>,
    /// The head from which the blocks must descend, if more peers agree with it than with the
    /// target.
    pub(super) extends: Option<Checkpoint>,
    /// The first slot that is in no batch yet.
    pub(super) next_slot: Slot,
    pub(super) batches: VecDeque<Batch>,
    pub(super) tip: Option<Tip>,
    /// The peers that said the batches since the tip are empty, with these batches' last slots.
    pub(super) believed: Vec<(PeerId, Slot)>,
    /// The peers that answered for the slots after the tip, each with the last slot of its answers.
    /// If blocks of these slots arrive now and descend from the tip, these peers left them out.
    pub(super) suspects: Vec<(PeerId, Slot)>,
    /// The peers that left out the next block to pass on, if it is valid.
    pub(super) omitted_by: Vec<PeerId>,
    pub(super) retreat: Retreat,
    pub(super) retreats: u32,
    pub(super) from_finalized: bool,
    pub(super) has_progress: bool,
    pub(super) is_lost: bool,
}

impl Round {
    pub(super) fn new(target: Checkpoint, start_slot: Slot) -> Self {
        Self {
            number: 0,
            target,
            peers: Vec::new(),
            extends: None,
            next_slot: start_slot,
            batches: VecDeque::new(),
            tip: None,
            believed: Vec::new(),
            suspects: Vec::new(),
            omitted_by: Vec::new(),
            retreat: Retreat::None,
            retreats: 0,
            from_finalized: false,
            has_progress: false,
            is_lost: false,
        }
    }

    /// The size of the blocks that wait to be passed on, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let received = self.batches.iter().map(|batch| match &batch.state {
            BatchState::Received { bytes, .. } => *bytes,
            _ => 0,
        });
        received.sum()
    }

    /// Begins batches up to the target.
    pub(super) fn begin_batches(&mut self) {
        while self.batches.len() < limits::MAX_BATCHES
            && self.next_slot <= self.target.slot
            && !self.peers.is_empty()
        {
            let count = (self.target.slot - self.next_slot + 1).min(limits::BATCH_SLOTS);
            self.batches.push_back(Batch::new(self.next_slot, count));
            self.next_slot += count;
        }
    }

    /// Notes that a request for a batch has ended. Returns true if the batch is now believed to be
    /// empty.
    pub(super) fn note_end(
        &mut self,
        id: RequestId,
        peer: &PeerId,
        received: Vec<(Root, Arc<SignedBlock>)>,
        bytes: usize,
        is_whole: bool,
    ) -> bool {
        let is_it = |batch: &Batch| matches!(batch.state, BatchState::Asked(asked) if asked == id);
        let Some(index) = self.batches.iter().position(is_it) else { return false };
        let batch = &mut self.batches[index];
        batch.tried.push(peer.clone());
        batch.state = BatchState::Waiting;
        let Some((_, last)) = received.last() else {
            if is_whole && !batch.empty.contains(peer) {
                batch.empty.push(peer.clone());
            }
            let is_believed = batch.empty.len() >= 2 && batch.unlinked.is_empty();
            if is_believed {
                batch.state = BatchState::Empty;
            }
            return is_believed;
        };
        let (next_slot, end) = (last.block.slot + 1, batch.last());
        let blocks = received.into();
        batch.state = BatchState::Received { peer: peer.clone(), blocks, bytes, is_linked: false };
        if next_slot <= end {
            // The rest becomes a batch of its own, for another peer. If the answer broke off, that
            // peer fetches the rest; otherwise it confirms that the rest is empty.
            batch.count = next_slot - batch.start;
            let mut rest = Batch::new(next_slot, end + 1 - next_slot);
            rest.tried.push(peer.clone());
            if is_whole {
                rest.empty.push(peer.clone());
            }
            self.batches.insert(index + 1, rest);
        }
        false
    }
}

/// Pauses a batch, or all of range sync.
pub(super) fn pause(backoff: &mut Backoff, now_ms: u64) {
    backoff.fail(now_ms, limits::FETCH_BACKOFF_MS, limits::MAX_FETCH_BACKOFF_MS);
}

/// The size of a block in bytes.
pub(super) fn bytes_of(block: &SignedBlock) -> usize {
    block.ssz_bytes_len()
}
