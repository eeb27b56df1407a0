//! The writer thread: writes the changes of updates, and tries again while writes fail.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use quintet_components::{
    containers::{Block, Root, SignedBlock, Slot, State},
    planted::{Planted, is_planted},
    storage::{
        BlockSource, ChainSource, ForkChoiceFacts, HistoryBatch, LatestVoteRecord, StateSource,
        StorageError, StoredHistory,
    },
};

use super::{
    append::{ImportedBlock, Update},
    canonical::root_at,
    store::Store,
};
use crate::vital::Vital;

/// The number of blocks that may wait for the writer. Further ones and their descendants are not
/// kept until the node is restarted and fetches them again.
pub const MAX_WAITING_BLOCKS: usize = 1024;
/// The number of bytes of bodies and proofs that may wait for the writer.
pub const MAX_WAITING_BYTES: usize = 128 << 20;
/// From this many waiting blocks on, the store is behind, and no block should be imported.
pub const BEHIND_BLOCKS: usize = 256;
/// The largest number of blocks in one batch.
const BATCH_BLOCKS: usize = 64;
/// The number of batches of blocks from before the anchor that may wait for the writer.
pub const MAX_HISTORY_BATCHES: usize = 4;
/// The time that the writer waits before it tries again after a fault: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The time between two checks of an idle writer that the store's directory is in its place, and
/// whether another user of the store has met a fault.
const IDLE: Duration = Duration::from_millis(500);
/// The longest time that the end of the node waits for the writer.
const STOP: Duration = Duration::from_secs(2);

/// The data that waits for the writer.
#[derive(Default)]
struct Queue {
    blocks: VecDeque<ImportedBlock>,
    bytes: usize,
    facts: Option<ForkChoiceFacts>,
    votes: Option<Vec<LatestVoteRecord>>,
    /// Blocks from before the anchor, written when nothing else waits.
    history: VecDeque<HistoryBatch>,
    dropped: u64,
    is_stopping: bool,
    /// True if the writer is writing something.
    is_busy: bool,
    has_ended: bool,
}

impl Queue {
    fn has_work(&self) -> bool {
        self.has_updates() || !self.history.is_empty()
    }

    fn has_updates(&self) -> bool {
        !self.blocks.is_empty() || self.facts.is_some() || self.votes.is_some()
    }
}

/// The world's end of the writer. It also reads blocks that are not written yet.
pub struct Writer {
    store: Arc<Store>,
    history: StoredHistory,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Ends the writer when it is dropped. Waiting data is written first, unless writes fail or take
/// longer than two seconds.
pub struct WriterThread {
    writer: Arc<Writer>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The thread cannot be started, or the store cannot be read.
    pub fn start(store: Arc<Store>) -> std::io::Result<WriterThread> {
        Self::spawn(store, None)
    }

    /// Starts the thread. `vital` reports its end.
    ///
    /// # Errors
    /// Like [`start`](Self::start).
    pub(crate) fn spawn(store: Arc<Store>, vital: Option<Vital>) -> std::io::Result<WriterThread> {
        let writer = Self::by_hand(store).map_err(std::io::Error::other)?;
        let thread = std::thread::Builder::new().name("storage".into()).spawn({
            let writer = Arc::clone(&writer);
            move || {
                let _vital = vital;
                writer.run();
            }
        })?;
        Ok(WriterThread { writer, thread: Some(thread) })
    }

    /// A writer without a thread. Whoever has it writes what waits with [`turn`](Self::turn).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn by_hand(store: Arc<Store>) -> Result<Arc<Self>, StorageError> {
        let history = store.history()?;
        Ok(Arc::new(Self { store, history, queue: Mutex::default(), changed: Condvar::default() }))
    }

    /// The store.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Passes an update to the writer; never waits for the disk. Waiting updates are merged, so
    /// that a writer that is behind catches up in few batches.
    pub fn offer(&self, update: Update) {
        let mut queue = self.lock();
        for block in update.blocks {
            let bytes = waiting_bytes(&block);
            if queue.blocks.len() >= MAX_WAITING_BLOCKS || queue.bytes + bytes > MAX_WAITING_BYTES {
                queue.dropped += 1;
                if queue.dropped == 1 {
                    tracing::error!(
                        slot = block.block.block.slot,
                        "too many blocks wait for the store: this one and later ones are not kept, \
                         and are fetched again after a restart; see why {} cannot be written",
                        self.store.place()
                    );
                }
                continue;
            }
            queue.bytes += bytes;
            queue.blocks.push_back(block);
        }
        queue.facts = update.facts.or(queue.facts.take());
        queue.votes = update.votes.or(queue.votes.take());
        let (waiting, dropped) = (queue.blocks.len(), queue.dropped);
        drop(queue);
        self.store.health().note_queue(waiting, dropped);
        if waiting >= BEHIND_BLOCKS {
            self.store.health().set_behind(true);
        }
        self.changed.notify_all();
    }

    /// Passes blocks from before the anchor to the writer, which writes them when nothing else
    /// waits. Returns true if they are accepted. Beyond [`MAX_HISTORY_BATCHES`] they are not, and
    /// have to be offered again.
    pub fn offer_history(&self, batch: HistoryBatch) -> bool {
        let mut queue = self.lock();
        if queue.history.len() >= MAX_HISTORY_BATCHES {
            return false;
        }
        queue.history.push_back(batch);
        drop(queue);
        self.changed.notify_all();
        true
    }

    /// The range of the canonical chain that the store has.
    pub const fn history(&self) -> &StoredHistory {
        &self.history
    }

    /// The number of waiting blocks.
    pub fn waiting(&self) -> usize {
        self.lock().blocks.len()
    }

    /// The number of blocks that were not kept because too many waited.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until everything offered so far is written, at most this long. Returns true if it is.
    pub fn wait_until_written(&self, at_most: Duration) -> bool {
        let (queue, _) = self
            .changed
            .wait_timeout_while(self.lock(), at_most, |queue| queue.has_work() || queue.is_busy)
            .unwrap_or_else(PoisonError::into_inner);
        !queue.has_work() && !queue.is_busy
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut retry = RETRY.0;
        loop {
            let is_degraded = !self.store.health().can_sign();
            let wait = if is_degraded { retry } else { IDLE };
            let (mut queue, _) = self
                .changed
                .wait_timeout_while(self.lock(), wait, |queue| {
                    !queue.is_stopping && (is_degraded || !queue.has_work())
                })
                .unwrap_or_else(PoisonError::into_inner);
            let is_stopping = queue.is_stopping;
            queue.is_busy = true;
            drop(queue);
            let is_written = self.turn();
            self.lock().is_busy = false;
            self.changed.notify_all();
            retry = if is_degraded && !is_written { (retry * 2).min(RETRY.1) } else { RETRY.0 };
            if is_stopping {
                self.stop();
                self.lock().has_ended = true;
                self.changed.notify_all();
                return;
            }
        }
    }

    /// Returns true if something waits to be written, or writes fail and are to be tried again.
    pub fn has_work(&self) -> bool {
        self.lock().has_work() || !self.store.health().can_sign()
    }

    /// Brings the backend back to where it can write, if it cannot, and writes what waits. Returns
    /// false when a write failed: then it is worth another turn after a while.
    pub fn turn(&self) -> bool {
        let is_degraded = !self.store.health().can_sign();
        let outcome = if is_degraded { self.recover() } else { self.store.check_place() };
        match outcome.and_then(|()| self.write_waiting()) {
            Ok(()) if is_degraded => {
                tracing::info!("{} can be written again", self.store.place());
                self.store.health().set_fault(None);
                true
            }
            Ok(()) => true,
            Err(error) => {
                self.degrade(error);
                false
            }
        }
    }

    /// Brings the backend back into a state in which it can write.
    fn recover(&self) -> Result<(), StorageError> {
        if self.store.probe().is_err() {
            self.store.check_place()?;
            self.store.backend.recover()?;
            self.store.probe()?;
        }
        Ok(())
    }

    fn degrade(&self, StorageError(reason): StorageError) {
        if self.store.health().set_fault(Some(reason.clone())).is_none() {
            tracing::error!(
                "nothing is stored and nothing is signed until this is repaired: {reason}"
            );
        }
    }

    /// Writes everything that waits, then prunes while nothing waits.
    fn write_waiting(&self) -> Result<(), StorageError> {
        loop {
            let (update, bytes) = self.peek();
            let blocks = update.blocks.len();
            let began = Instant::now();
            let written = if is_planted(Planted::DropsWrites) {
                let mut kept = update.clone();
                kept.blocks.retain(|block| block.block.block.slot % 8 != 7);
                self.store.append(&kept)?
            } else {
                self.store.append(&update)?
            };
            self.store.health().note_batch(blocks, began.elapsed());
            if written.orphans > 0 {
                tracing::debug!(written.orphans, "blocks without a stored parent are not kept");
            }
            let mut queue = self.lock();
            queue.blocks.drain(..blocks);
            queue.bytes -= bytes;
            // Newer ones may have arrived in the meantime.
            if queue.facts == update.facts {
                queue.facts = None;
            }
            if queue.votes == update.votes {
                queue.votes = None;
            }
            let (has_updates, waiting) = (queue.has_updates(), queue.blocks.len());
            let dropped = queue.dropped;
            drop(queue);
            self.store.health().note_queue(waiting, dropped);
            if waiting < BEHIND_BLOCKS / 2 {
                self.store.health().set_behind(false);
            }
            if !has_updates && !self.write_history()? && !self.store.prune_step()? {
                return Ok(());
            }
        }
    }

    /// Writes one batch of history if nothing more urgent waits. Returns true if there was one.
    fn write_history(&self) -> Result<bool, StorageError> {
        let batch = {
            let queue = self.lock();
            queue.history.front().filter(|_| !queue.has_updates()).cloned()
        };
        let Some(batch) = batch else { return Ok(false) };
        let from = self.store.append_history(&batch.blocks, batch.from)?;
        self.history.set(from);
        self.lock().history.pop_front();
        Ok(true)
    }

    /// The next batch. It stays in the queue until it is written, so that readers find it.
    fn peek(&self) -> (Update, usize) {
        let queue = self.lock();
        let blocks: Vec<ImportedBlock> = queue.blocks.iter().take(BATCH_BLOCKS).cloned().collect();
        let is_all = blocks.len() == queue.blocks.len();
        let bytes = blocks.iter().map(waiting_bytes).sum();
        // The checkpoints may name the last of the blocks.
        let facts = queue.facts.filter(|_| is_all);
        let votes = queue.votes.clone().filter(|_| is_all);
        (Update { blocks, facts, votes }, bytes)
    }

    fn stop(&self) {
        let waiting = self.waiting();
        if waiting > 0 {
            tracing::error!(
                waiting,
                "the node ends while {} cannot be written: these blocks are fetched again",
                self.store.place()
            );
        } else if let Err(error) = self.store.probe() {
            tracing::error!(%error, "the last batch may not be on the disk");
        }
    }
}

fn waiting_bytes(block: &ImportedBlock) -> usize {
    ssz::Encode::ssz_bytes_len(&*block.block)
}

impl BlockSource for Writer {
    fn signed_block(&self, root: &Root) -> Result<Option<Arc<SignedBlock>>, StorageError> {
        let waiting = {
            let queue = self.lock();
            let found = queue.blocks.iter().find(|block| block.root == *root);
            found.map(|block| Arc::clone(&block.block))
        };
        waiting.map_or_else(|| self.store.signed_block(root), |block| Ok(Some(block)))
    }
}

impl ChainSource for Writer {
    fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, StorageError> {
        let waiting = {
            let queue = self.lock();
            queue.facts.and_then(|facts| {
                let found = queue.blocks.iter().find(|block| block.root == facts.head.root);
                found.map(|block| (facts.head, Arc::clone(&block.state)))
            })
        };
        match waiting {
            Some((head, state)) => Ok(root_at(head, &state, slot)),
            None => self.store.canonical_root(slot),
        }
    }

    fn block(&self, root: &Root) -> Result<Option<Block>, StorageError> {
        let waiting = {
            let queue = self.lock();
            let found = queue.blocks.iter().find(|block| block.root == *root);
            found.map(|block| block.block.block.clone())
        };
        waiting.map_or_else(|| self.store.block(root), |block| Ok(Some(block)))
    }
}

impl StateSource for Writer {
    fn state(&self, root: &Root) -> Result<Option<Arc<State>>, StorageError> {
        let waiting = {
            let queue = self.lock();
            let found = queue.blocks.iter().find(|block| block.root == *root);
            found.map(|block| Arc::clone(&block.state))
        };
        waiting.map_or_else(|| self.store.state(root), |state| Ok(Some(state)))
    }
}

impl WriterThread {
    /// The writer.
    pub fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.writer.lock().is_stopping = true;
        self.writer.changed.notify_all();
        let (queue, _) = self
            .writer
            .changed
            .wait_timeout_while(self.writer.lock(), STOP, |queue| {
                !queue.has_ended && !thread.is_finished()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let (has_ended, waiting) = (queue.has_ended, queue.blocks.len());
        drop(queue);
        if !has_ended && !thread.is_finished() {
            tracing::error!(
                waiting,
                "{} does not answer: what waits is fetched again",
                self.writer.store.place()
            );
        } else if thread.join().is_err() {
            tracing::error!("the storage thread ended with a panic");
        }
    }
}
