//! Imports blocks into the tree: a task checks the proof and computes the transition, and blocks
//! are committed in the order of arrival. Admission decides which blocks may enter.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{Justified, Registry, States},
    containers::{Block, Root, SignedBlock, Slot, State},
    messages::{
        BlockImported, BlockReceived, BlockRefused, IgnoreReason, InputId, InputJudged, Source,
        Verdict,
    },
    metrics::Metrics,
    planted::{Planted, is_planted},
    rejection::{Rejection, RejectionReason},
    storage::{StorageError, StoredStates},
    task::{TaskKind, TaskPanic, Tasks, Work},
    tree::{BlockNode, BlockTree},
};

use quintet_prover::ProofSystem;

use super::{HAS_CHAIN, prune::prune_stale, update_head};
use crate::{
    pool::AttestationPool,
    transition::timed_transition,
    verification::{Proofs, verify_block},
};

/// The largest number of blocks that may wait for their proof and transition. One more is ignored;
/// it can be requested again from its sender.
pub const MAX_PENDING_BLOCKS: usize = 256;
/// The largest number of them from one source.
pub const MAX_PENDING_BLOCKS_PER_SOURCE: usize = 192;

/// Blocks that are being imported, in order of arrival.
#[derive(Resource, Default)]
pub struct ImportQueue(VecDeque<PendingBlock>);

struct PendingBlock {
    id: InputId,
    source: Source,
    root: Root,
    block: Arc<SignedBlock>,
    work: Option<Work<Checked>>,
}

/// The next block to commit.
struct Ended {
    id: InputId,
    root: Root,
    block: Arc<SignedBlock>,
    outcome: Result<Checked, TaskPanic>,
}

/// The result of a block's proof and transition, and how long they took.
type Checked = (Duration, Result<Arc<State>, ImportError>);

/// The reason a block was not imported.
enum ImportError {
    Rejected(Rejection),
    /// A fault of this node, not of the block.
    Storage(StorageError),
}

impl From<Rejection> for ImportError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// The post-states of parents: from the cache, or, for a block of the tree that is not in it, from
/// the store.
#[derive(SystemParam)]
pub struct ParentStates<'w> {
    states: Res<'w, States>,
    tree: Res<'w, BlockTree>,
    stored: Option<Res<'w, StoredStates>>,
}

enum ParentState {
    Cached(Arc<State>),
    Stored(StoredStates),
}

impl ParentStates<'_> {
    /// The tree.
    pub fn tree(&self) -> &BlockTree {
        &self.tree
    }

    /// Returns true if the post-state of this block is available, in the cache or in the store.
    pub fn contains(&self, root: &Root) -> bool {
        self.find(root).is_some()
    }

    fn find(&self, root: &Root) -> Option<ParentState> {
        if let Some(state) = self.states.get(root) {
            return Some(ParentState::Cached(Arc::clone(state)));
        }
        let stored = self.stored.as_ref().filter(|_| self.tree.contains(root))?;
        Some(ParentState::Stored(StoredStates::clone(stored)))
    }
}

impl ParentState {
    /// Gets the state. Takes as long as a disk does.
    fn load(self, block: &Block) -> Result<Arc<State>, ImportError> {
        match self {
            Self::Cached(state) => Ok(state),
            Self::Stored(states) => states
                .0
                .state(&block.parent_root)
                .map_err(ImportError::Storage)?
                .ok_or_else(|| unknown_parent(block).into()),
        }
    }
}

impl ImportQueue {
    /// The number of waiting blocks.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if none is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if this block is waiting.
    pub fn contains(&self, root: &Root) -> bool {
        self.slot_of(root).is_some()
    }

    /// The slot of a waiting block.
    pub fn slot_of(&self, root: &Root) -> Option<Slot> {
        let pending = self.0.iter().find(|pending| pending.root == *root)?;
        Some(pending.block.block.slot)
    }

    /// Adds a block that has passed the checks that are cheaper than its proof.
    ///
    /// # Errors
    /// There is no room, or its source already has as many waiting as allowed.
    pub fn push(&mut self, received: BlockReceived) -> Result<(), IgnoreReason> {
        let BlockReceived { id, source, root, block } = received;
        if self.0.len() >= MAX_PENDING_BLOCKS {
            return Err(IgnoreReason::NoRoom);
        }
        let of_source = self.0.iter().filter(|pending| pending.source == source).count();
        if of_source >= MAX_PENDING_BLOCKS_PER_SOURCE {
            return Err(IgnoreReason::SenderFull);
        }
        self.0.push_back(PendingBlock { id, source, root, block, work: None });
        Ok(())
    }

    /// Takes the first block if its task has ended, or if it has no task because its parent was
    /// missing and then refused.
    fn take_ended(&mut self) -> Option<Ended> {
        let front = self.0.front_mut()?;
        let outcome = match &mut front.work {
            None => Ok((Duration::ZERO, Err(unknown_parent(&front.block.block).into()))),
            Some(work) => work.take()?,
        };
        let PendingBlock { id, root, block, .. } = self.0.pop_front()?;
        Some(Ended { id, root, block, outcome })
    }
}

/// The refusal of a block whose parent, or its post-state, is unknown.
pub(crate) fn unknown_parent(block: &Block) -> Rejection {
    RejectionReason::UnknownParentBlock.because(format!(
        "no post-state of {}, the parent of the block at slot {}",
        block.parent_root, block.slot
    ))
}

/// Returns true if a block is being imported.
pub fn has_imports(queue: Res<ImportQueue>) -> bool {
    !queue.is_empty()
}

/// Starts every queued block whose parent's post-state is available.
pub fn start_imports(
    mut queue: ResMut<ImportQueue>,
    parents: ParentStates,
    registry: Res<Registry>,
    (proofs, tasks): (Res<Proofs>, Res<Tasks>),
    metrics: Option<Res<Metrics>>,
) {
    let metrics = Metrics::or_unread(metrics.as_deref());
    for pending in queue.0.iter_mut().filter(|pending| pending.work.is_none()) {
        let Some(parent) = parents.find(&pending.block.block.parent_root) else { continue };
        let (registry, proofs) = (registry.clone(), proofs.clone());
        let (block, root, metrics) = (Arc::clone(&pending.block), pending.root, metrics.clone());
        pending.work = Some(tasks.spawn_kind(TaskKind::Import, move |_| {
            let began = Instant::now();
            let checked = check(&block, root, parent, &registry, &*proofs.0, &metrics);
            (began.elapsed(), checked)
        }));
    }
}

/// Checks a block's proof and computes its transition.
fn check(
    block: &SignedBlock,
    root: Root,
    parent: ParentState,
    registry: &Registry,
    proofs: &dyn ProofSystem,
    metrics: &Metrics,
) -> Result<Arc<State>, ImportError> {
    let parent = parent.load(&block.block)?;
    let began = Instant::now();
    let verified = verify_block(block, root, registry, proofs);
    metrics.signatures.note_block_check(began.elapsed());
    verified?;
    let (state, times) = timed_transition(&parent, &block.block)?;
    metrics.transition.note(&times);
    Ok(Arc::new(state))
}

/// Commits the blocks at the front of the queue whose tasks have ended. A block that waits for its
/// parent is started as soon as the parent is imported.
///
/// It is exclusive: each block sees the tree, the pools and the head as the previous one left them.
pub fn commit_imports(world: &mut World) {
    loop {
        // Blocks that the parent's commit made possible are started before the queue is read again.
        world.run_system_cached(start_imports).expect(HAS_CHAIN);
        let Some(ended) = world.resource_mut::<ImportQueue>().take_ended() else { return };
        let Ended { id, root, block, outcome } = ended;
        let verdict = match outcome {
            Err(panic) => {
                tracing::error!(%root, %panic, "a block's transition panicked");
                Verdict::Ignored(IgnoreReason::InternalError)
            }
            Ok((_, Err(ImportError::Storage(error)))) => {
                tracing::error!(%root, %error, "the state that a block builds on cannot be read");
                Verdict::Ignored(IgnoreReason::StorageError)
            }
            Ok((_, Err(ImportError::Rejected(rejection)))) => {
                tracing::debug!(%root, %rejection, "block refused");
                if rejection.reason == RejectionReason::MalformedState {
                    Metrics::of(world).transition.note_finalization(false);
                }
                world.write_message(BlockRefused { root, reason: rejection.reason });
                Verdict::Rejected(rejection)
            }
            Ok((took, Ok(state))) => {
                let began = Instant::now();
                commit_block(world, root, block, state);
                Metrics::of(world).fork_choice.note_block(took + began.elapsed());
                Verdict::Accepted
            }
        };
        world.write_message(InputJudged { id, verdict });
    }
}

/// Adds a block with its post-state to the tree and updates everything that depends on it: the
/// pools, the head, finality. For exclusive systems, where each step sees the result of the
/// previous one.
///
/// Panics if the world has no chain.
pub fn commit_block(world: &mut World, root: Root, block: Arc<SignedBlock>, state: Arc<State>) {
    let imported = BlockImported { root, block, state };
    world.run_system_cached_with(insert_block, &imported).expect(HAS_CHAIN);
    world.run_system_cached_with(seed_pool, &imported).expect(HAS_CHAIN);
    if update_head(world) {
        world.run_system_cached(prune_stale).expect(HAS_CHAIN);
    }
    world.write_message(imported);
}

/// Adds a block to the tree. The justified checkpoint of fork choice only advances.
fn insert_block(
    InRef(BlockImported { root, block, state }): InRef<BlockImported>,
    mut commands: Commands,
    mut justified: ResMut<Justified>,
    mut states: ResMut<States>,
) {
    let block = &block.block;
    commands.spawn(BlockNode {
        root: *root,
        parent_root: block.parent_root,
        slot: block.slot,
        proposer_index: block.proposer_index,
        state_root: block.state_root,
        justified: state.latest_justified,
        finalized_slot: state.latest_finalized.slot,
    });
    justified.0 = if is_planted(Planted::JustifiedGoesBack) {
        state.latest_justified
    } else {
        justified.0.advance_to(state.latest_justified)
    };
    states.insert(*root, Arc::clone(state));
}

/// Moves a block's attestations before all other known ones.
fn seed_pool(InRef(imported): InRef<BlockImported>, mut pool: AttestationPool) {
    let body = &imported.block.block.body;
    pool.seed_from_block(body.attestations.iter().map(|each| &each.data));
}
