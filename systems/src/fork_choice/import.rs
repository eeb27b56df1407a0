//! Blocks: cheap checks, a task for proof and transition, and the commit in the order of arrival.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    chain::{Finalized, Justified, Registry, States},
    containers::{AttestationData, Block, Root, SignedBlock, State},
    messages::{
        BlockImported, BlockOrphaned, BlockReceived, IgnoreReason, InputId, InputJudged, Verdict,
    },
    metrics::Metrics,
    rejection::{Rejection, RejectionReason},
    storage::{StorageError, StorageHealth, StoredStates},
    sync::Orphans,
    task::{Tasks, Work},
    tree::{BlockNode, BlockTree},
};

use quintet_prover::ProofSystem;

use super::update_head;
use crate::{
    pool::{self, limits},
    transition::timed_transition,
    verification::{Proofs, verify_block},
};

/// Blocks that wait for their proof and transition, at most. One more is ignored; whoever sent it
/// can be asked again.
pub const MAX_PENDING_BLOCKS: usize = 256;

/// Blocks on their way into the tree, in order of arrival.
#[derive(Resource, Default)]
pub struct ImportQueue(VecDeque<PendingBlock>);

struct PendingBlock {
    id: InputId,
    root: Root,
    block: Arc<SignedBlock>,
    work: Option<Work<Checked>>,
}

/// What came of a block's proof and transition, and how long they took.
type Checked = (Duration, Result<Arc<State>, ImportError>);

/// Why a block was not imported.
enum ImportError {
    Rejected(Rejection),
    /// Nothing against the block.
    Storage(StorageError),
}

impl From<Rejection> for ImportError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Where the post-state of a parent comes from: the cache, or for a block of the tree that is no
/// longer in it, the store.
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
    fn find(&self, root: &Root) -> Option<ParentState> {
        if let Some(state) = self.states.get(root) {
            return Some(ParentState::Cached(Arc::clone(state)));
        }
        let stored = self.stored.as_ref().filter(|_| self.tree.contains(root))?;
        Some(ParentState::Stored(StoredStates::clone(stored)))
    }
}

impl ParentState {
    /// The state; takes as long as a disk does.
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
    /// How many blocks wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none wait.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this block waits.
    pub fn contains(&self, root: &Root) -> bool {
        self.0.iter().any(|pending| pending.root == *root)
    }
}

/// Queues arrived blocks whose parent is known or queued before them. A block whose parent is not
/// known is announced as an orphan where there is an orphan pool, and refused where there is none.
pub fn admit_blocks(
    mut received: MessageReader<BlockReceived>,
    mut queue: ResMut<ImportQueue>,
    (mut judged, mut orphaned): (MessageWriter<InputJudged>, MessageWriter<BlockOrphaned>),
    parents: ParentStates,
    health: Option<Res<StorageHealth>>,
    mut orphans: Option<ResMut<Orphans>>,
) {
    let has_room = health.is_none_or(|health| health.can_import());
    for message in received.read() {
        let BlockReceived { id, root, block, .. } = message;
        let verdict = if parents.tree.contains(root) || queue.contains(root) {
            Verdict::Ignored(IgnoreReason::KnownBlock)
        } else if parents.find(&block.block.parent_root).is_none()
            && !queue.contains(&block.block.parent_root)
        {
            // A parent that is in the tree without its state will not come again.
            let may_come = !parents.tree.contains(&block.block.parent_root);
            if orphans.is_some() && may_come {
                orphaned.write(BlockOrphaned(message.clone()));
                continue;
            }
            Verdict::Rejected(unknown_parent(&block.block))
        } else if !has_room {
            Verdict::Ignored(IgnoreReason::StorageBehind)
        } else if let Err(rejection) = check_distinct(&block.block) {
            note_refused(orphans.as_deref_mut(), *root, &rejection);
            Verdict::Rejected(rejection)
        } else if queue.0.len() >= MAX_PENDING_BLOCKS {
            Verdict::Ignored(IgnoreReason::NoRoom)
        } else {
            let block = Arc::clone(block);
            queue.0.push_back(PendingBlock { id: *id, root: *root, block, work: None });
            continue;
        };
        judged.write(InputJudged { id: *id, verdict });
    }
}

fn unknown_parent(block: &Block) -> Rejection {
    RejectionReason::UnknownParentBlock.because(format!(
        "no post-state of {}, the parent of the block at slot {}",
        block.parent_root, block.slot
    ))
}

/// Tells the orphan pool of a refusal. A proof is not part of what a root stands for, and a parent
/// may yet come: neither refuses the block for good.
fn note_refused(orphans: Option<&mut Orphans>, root: Root, rejection: &Rejection) {
    use RejectionReason::{InvalidBlockProof, UnknownParentBlock};
    if let Some(orphans) = orphans {
        let for_good = !matches!(rejection.reason, InvalidBlockProof | UnknownParentBlock);
        orphans.note_refused(root, for_good);
    }
}

/// A body names each attestation data once.
fn check_distinct(block: &Block) -> Result<(), Rejection> {
    let attestations = &block.body.attestations;
    let distinct: HashSet<&AttestationData> = attestations.iter().map(|each| &each.data).collect();
    if distinct.len() == attestations.len() {
        Ok(())
    } else {
        Err(RejectionReason::DuplicateAttestationData.because(format!(
            "{} attestations over {} distinct data",
            attestations.len(),
            distinct.len()
        )))
    }
}

/// Starts every queued block whose parent's post-state is there.
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
        pending.work = Some(tasks.spawn(move |_| {
            let began = Instant::now();
            let checked = check(&block, root, parent, &registry, &*proofs.0, &metrics);
            (began.elapsed(), checked)
        }));
    }
}

/// A block's proof and transition.
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

/// Commits the blocks at the queue's front whose tasks have ended. A block that still waits for
/// its parent is started as soon as the parent is in.
pub fn commit_imports(world: &mut World) {
    loop {
        // What the parent's commit made possible is started before it is missed.
        world.run_system_cached(start_imports).expect("its resources are installed");
        let mut queue = world.resource_mut::<ImportQueue>();
        let Some(front) = queue.0.front_mut() else { return };
        let outcome = match &mut front.work {
            // Its parent was refused.
            None => Ok((Duration::ZERO, Err(unknown_parent(&front.block.block).into()))),
            Some(work) => match work.take() {
                None => return,
                Some(outcome) => outcome,
            },
        };
        let PendingBlock { id, root, block, .. } = queue.0.pop_front().expect("it had a front");
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
                let orphans = world.get_resource_mut::<Orphans>();
                note_refused(orphans.map(Mut::into_inner), root, &rejection);
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

/// Puts a block with its post-state into the tree and updates everything that depends on it.
pub fn commit_block(world: &mut World, root: Root, signed: Arc<SignedBlock>, state: Arc<State>) {
    let block = &signed.block;
    let finalized_before = world.resource::<Finalized>().0.slot;
    insert_block(world, root, block, Arc::clone(&state));
    pool::seed_from_block(world, block.body.attestations.iter().map(|each| &each.data));
    update_head(world);
    if world.resource::<Finalized>().0.slot > finalized_before {
        limits::prune_stale_attestations(world);
    }
    world.write_message(BlockImported { root, block: signed, state });
}

/// Puts a block into the tree; the store's justified checkpoint only ever advances.
pub(crate) fn insert_block(world: &mut World, root: Root, block: &Block, state: Arc<State>) {
    world.spawn(BlockNode {
        root,
        parent_root: block.parent_root,
        slot: block.slot,
        proposer_index: block.proposer_index,
        state_root: block.state_root,
        justified: state.latest_justified,
        finalized_slot: state.latest_finalized.slot,
    });
    let mut justified = world.resource_mut::<Justified>();
    justified.0 = justified.0.advance_to(state.latest_justified);
    world.resource_mut::<States>().insert(root, state);
}
