//! The state that all handlers share.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::body::Bytes;
use quintet_components::{
    clock::SlotClock,
    constants::SLOT_DURATION_MS,
    containers::{Block, BlockBody, MultiMessageAggregate, Root, SignedBlock, Slot, State},
    lane::LaneSender,
    metrics::MetricsRegistry,
    pulse::Pulse,
    snapshot::{NodeIdentity, Snapshot, SnapshotCell},
    storage::{Blocks, StorageError, StoredChain, StoredStates},
};
use tokio::sync::Semaphore;
use tree_hash::TreeHash;

use super::{admin::SetAggregator, config::HttpConfig, error::ApiError, hub::EventHub};

/// A world that has walked no interval for this long stands still: two slots.
const STANDS_STILL: Duration = Duration::from_millis(2 * SLOT_DURATION_MS);

/// The state that handlers share.
#[derive(Clone)]
pub(super) struct Api(Arc<Shared>);

pub(super) struct Shared {
    pub(super) config: HttpConfig,
    pub(super) node: NodeIdentity,
    pub(super) snapshots: SnapshotCell,
    pub(super) blocks: Option<Blocks>,
    pub(super) states: Option<StoredStates>,
    pub(super) chain: Option<StoredChain>,
    pub(super) admin: LaneSender<SetAggregator>,
    pub(super) events: EventHub,
    /// Shows whether the world is updated, with the clock; a world without a runner has none.
    pub(super) pulse: Option<(Pulse, SlotClock)>,
    /// The node's metrics, if it has any.
    pub(super) metrics: Option<MetricsRegistry>,
    /// The API's description; set when the routes are made.
    pub(super) document: OnceLock<Bytes>,
    /// Free places for answers with a state.
    pub(super) state_answers: Arc<Semaphore>,
    /// The state that was encoded last, by its block.
    pub(super) last_ssz: Mutex<Option<(Root, Bytes)>>,
    /// Free places for requests.
    pub(super) requests: Arc<Semaphore>,
    /// Free places for reads of the store.
    pub(super) reads: Arc<Semaphore>,
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl From<Shared> for Api {
    fn from(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }
}

impl Api {
    /// The newest snapshot.
    ///
    /// # Errors
    /// 503 before the first update has ended.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        self.snapshots.read().ok_or_else(|| ApiError::unavailable("the node is starting"))
    }

    /// The time for which the world has stood still; `None` if it runs. It is measured with the
    /// system's clock, because the node's own may have stopped.
    pub(super) fn stands_still(&self) -> Option<Duration> {
        let (pulse, clock) = self.pulse.as_ref()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Some(pulse.silence(clock, now_ms)).filter(|silence| *silence >= STANDS_STILL)
    }

    /// Runs work that may take as long as a disk does on a separate thread, when there is a place.
    ///
    /// # Errors
    /// The error of the work; 500 if it panics.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.reads).acquire_owned().await;
        let place = place.map_err(|_| ApiError::unavailable("the node is stopping"))?;
        let work = move || {
            let outcome = work();
            drop(place);
            outcome
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a read for an answer failed");
            Err(ApiError::internal())
        })
    }

    /// The root of the canonical block of a slot: from the head's post-state, or from the store if
    /// the world no longer has that.
    ///
    /// # Errors
    /// 404 if there is none, 500 if the store cannot be read.
    pub(super) async fn canonical_root(
        &self,
        snapshot: &Snapshot,
        slot: Slot,
    ) -> Result<Root, ApiError> {
        if slot > snapshot.facts.head.slot {
            return Err(ApiError::not_found("the slot is after the head"));
        }
        let root = match (snapshot.canonical_root(slot), self.chain.clone()) {
            (None, Some(StoredChain(chain))) if snapshot.states.head.is_none() => {
                self.read(move || chain.canonical_root(slot).map_err(failed)).await?
            }
            (root, _) => root,
        };
        root.ok_or_else(|| ApiError::not_found("the slot has no canonical block"))
    }

    /// The post-state of a block.
    ///
    /// # Errors
    /// 404 if it is unknown, 500 if the store cannot be read.
    pub(super) async fn state(
        &self,
        snapshot: &Snapshot,
        root: Root,
    ) -> Result<Arc<State>, ApiError> {
        if let Some(state) = snapshot.state_of(&root) {
            return Ok(Arc::clone(state));
        }
        let unknown = || ApiError::not_found("no state of this block is kept");
        let Some(StoredStates(states)) = self.states.clone() else { return Err(unknown()) };
        self.read(move || states.state(&root).map_err(failed)?.ok_or_else(unknown)).await
    }

    /// A block with its proof. The proof is empty for the block that a chain was started from,
    /// because it is not known.
    ///
    /// # Errors
    /// 404 if it is unknown, 500 if the store cannot be read.
    pub(super) async fn block(
        &self,
        snapshot: &Snapshot,
        root: Root,
    ) -> Result<Arc<SignedBlock>, ApiError> {
        if let Some(Blocks(blocks)) = self.blocks.clone() {
            let stored = self.read(move || blocks.signed_block(&root).map_err(failed)).await?;
            if let Some(block) = stored {
                return Ok(block);
            }
        }
        if let Some(StoredChain(chain)) = self.chain.clone() {
            let stored = self.read(move || chain.block(&root).map_err(failed)).await?;
            if let Some(block) = stored {
                return Ok(Arc::new(without_proof(block)));
            }
        }
        let unknown = || ApiError::not_found("no block with this root is kept");
        let state = self
            .state(snapshot, root)
            .await
            .map_err(|error| if error.status == 404 { unknown() } else { error })?;
        self.read(move || begun_from(&state, root).map(Arc::new).ok_or_else(unknown)).await
    }
}

fn failed(error: StorageError) -> ApiError {
    tracing::error!(%error, "a read for an answer failed");
    ApiError::internal()
}

/// The block whose post-state this is, if its body is empty, like that of genesis.
fn begun_from(state: &State, root: Root) -> Option<SignedBlock> {
    let header = &state.latest_block_header;
    let body = BlockBody::default();
    if header.body_root != body.tree_hash_root() {
        return None;
    }
    let block = Block {
        slot: header.slot,
        proposer_index: header.proposer_index,
        parent_root: header.parent_root,
        state_root: state.tree_hash_root(),
        body,
    };
    let is_whole = block.tree_hash_root() == root;
    is_whole.then(|| without_proof(block))
}

fn without_proof(block: Block) -> SignedBlock {
    SignedBlock { block, proof: MultiMessageAggregate::default() }
}
