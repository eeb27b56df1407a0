//! Building a block.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bevy_ecs::{
    prelude::*,
    system::{SystemParam, SystemState},
};
use quintet_components::{
    attestations::{Known, Phase},
    chain::{Head, Registry, States},
    constants::MAX_ATTESTATIONS_DATA,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AttestationData, Block, BlockBody, Root,
        SingleMessageAggregate, Slot, State, ValidatorIndex,
    },
    prover::ProverLimits,
    rejection::{Rejection, RejectionReason},
    tree::BlockTree,
};
use quintet_prover::{CancelToken, ProofSystem, ProveError};
use tree_hash::TreeHash;

use super::selection::{Candidate, LeftOut, Preference, Selection, select_attestations};
use crate::{
    pool::{AggregationJob, Attestations, Coverage},
    transition::{process_block, process_slots, proposer_for_slot},
};

/// Everything that a block is built from, copied from the world at one moment.
#[derive(Clone, Debug)]
pub struct BlockInputs {
    /// The slot of the block.
    pub slot: Slot,
    /// The proposer.
    pub proposer_index: ValidatorIndex,
    /// The parent's root.
    pub parent_root: Root,
    /// The parent's post-state.
    pub parent: Arc<State>,
    /// The known attestations whose head the node has, in pool order, with their payloads.
    pub candidates: Vec<Candidate>,
    /// The attestations that go first if there is no room for all.
    pub preference: Preference,
    /// The memory that making the block's proofs may take, in bytes.
    pub max_working_bytes: usize,
    /// The validators.
    pub registry: Registry,
}

/// The resources that blocks are built from.
#[derive(SystemParam)]
pub struct BlockSources<'w> {
    head: Res<'w, Head>,
    states: Res<'w, States>,
    tree: Res<'w, BlockTree>,
    registry: Res<'w, Registry>,
    limits: Option<Res<'w, ProverLimits>>,
    pool: Attestations<'w>,
}

impl BlockSources<'_> {
    /// The parent of a block of this slot: the head, or its newest ancestor that is not newer than
    /// the slot. The head is newer when this node's clock was fast and has been set back.
    pub fn parent(&self, slot: Slot) -> Root {
        let Head(head) = *self.head;
        let older = self.tree.find(&head.root).and_then(|id| self.tree.ancestor_at(id, slot));
        older.map_or(head.root, |id| *self.tree.root(id))
    }

    /// The inputs for a block on this parent.
    ///
    /// # Errors
    /// `UNKNOWN_PARENT_BLOCK`, `EMPTY_VALIDATOR_REGISTRY`, and `WRONG_PROPOSER` if another
    /// validator proposes in the slot.
    pub fn inputs(
        &self,
        parent_root: Root,
        slot: Slot,
        proposer_index: ValidatorIndex,
    ) -> Result<BlockInputs, Rejection> {
        let parent = self.states.get(&parent_root).ok_or_else(|| {
            RejectionReason::UnknownParentBlock.because(format!("no post-state of {parent_root}"))
        })?;
        let proposer = proposer_for_slot(slot, parent.validators.len())?;
        if proposer != proposer_index {
            return Err(RejectionReason::WrongProposer.because(format!(
                "slot {slot} is validator {proposer}'s, not {proposer_index}'s"
            )));
        }
        let known = self.pool.members::<Known>().into_iter();
        let candidates = known.map(|attestation| {
            let payloads = self.pool.payloads(attestation, Phase::Known);
            Candidate {
                data: self.pool.data(attestation).data,
                payloads: payloads.map(|(_, payload)| Arc::clone(payload)).collect(),
            }
        });
        Ok(BlockInputs {
            slot,
            proposer_index,
            parent_root,
            parent: Arc::clone(parent),
            candidates: candidates
                .filter(|candidate| self.tree.contains(&candidate.data.head.root))
                .collect(),
            preference: Preference::default(),
            max_working_bytes: self
                .limits
                .as_ref()
                .map_or(usize::MAX, |limits| limits.memory_bytes),
            registry: self.registry.clone(),
        })
    }
}

/// A block with the inputs of its proof.
#[derive(Clone, Debug)]
pub struct BuiltBlock {
    /// The block.
    pub block: Block,
    /// Its root.
    pub root: Root,
    /// Its post-state.
    pub post_state: Arc<State>,
    /// The proof of each attestation, in body order. The block's proof merges them and the
    /// proposer's signature.
    pub proofs: Vec<Arc<SingleMessageAggregate>>,
    /// The time that building it took.
    pub took: Duration,
    /// The part of that time that choosing and joining its attestations took.
    pub choosing_took: Duration,
    /// The attestations for which it has no room.
    pub left_out: LeftOut,
}

/// The reason there is no block.
#[derive(Debug, PartialEq, Eq)]
pub enum BuildError {
    /// The chain does not allow it.
    Rejected(Rejection),
    /// Payloads could not be joined.
    Prove(ProveError),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Prove(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

impl From<Rejection> for BuildError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl BlockInputs {
    /// [`BlockSources::inputs`], for owners of a whole world.
    ///
    /// # Errors
    /// Like [`BlockSources::inputs`].
    ///
    /// # Panics
    /// If the world has no chain.
    pub fn on_parent(
        world: &mut World,
        parent_root: Root,
        slot: Slot,
        proposer_index: ValidatorIndex,
    ) -> Result<Self, Rejection> {
        let mut state: SystemState<BlockSources> = SystemState::new(world);
        let sources = state.get(world).expect("a chain's resources are there");
        sources.inputs(parent_root, slot, proposer_index)
    }

    /// [`Self::on_parent`], on the head.
    ///
    /// # Errors
    /// Like [`BlockSources::inputs`].
    ///
    /// # Panics
    /// If the world has no chain.
    pub fn on_head(
        world: &mut World,
        slot: Slot,
        proposer_index: ValidatorIndex,
    ) -> Result<Self, Rejection> {
        let head = world.resource::<Head>().0.root;
        Self::on_parent(world, head, slot, proposer_index)
    }

    /// The number of payloads to choose from, and the most memory that choosing and joining them
    /// takes, in bytes. A block has few attestations, however many wait.
    pub fn size(&self, proofs: &dyn ProofSystem) -> (u32, usize) {
        let payloads = || self.candidates.iter().flat_map(|candidate| &candidate.payloads);
        let bytes: usize = payloads().map(|payload| payload.proof.as_bytes().len()).sum();
        let most = MAX_ATTESTATIONS_DATA.saturating_mul(proofs.max_proof_bytes());
        let working_bytes = proofs.working_bytes(bytes.min(most)).min(self.max_working_bytes);
        (u32::try_from(payloads().count()).unwrap_or(u32::MAX), working_bytes)
    }

    /// Keeps for each attestation only the payload with the most voters, so that no proofs have to
    /// be joined: for a block that is needed at once. `made` has payloads that may be used in
    /// addition to the pool's.
    #[must_use]
    pub fn only_ready(mut self, made: &[(AttestationData, Arc<SingleMessageAggregate>)]) -> Self {
        for Candidate { data, payloads } in &mut self.candidates {
            let also = made.iter().filter(|(other, _)| other == data).map(|(_, payload)| payload);
            let voters =
                |payload: &SingleMessageAggregate| Coverage::of(&payload.participants).count();
            let best = payloads
                .iter()
                .chain(also)
                .reduce(|best, each| if voters(each) > voters(best) { each } else { best });
            *payloads = best.cloned().into_iter().collect();
        }
        self
    }
}

/// Builds the block: chooses the attestations, joins the payloads of each, and computes the state
/// root.
///
/// # Errors
/// [`BuildError`].
pub fn build_block(
    inputs: &BlockInputs,
    proofs: &dyn ProofSystem,
    cancel: &CancelToken,
) -> Result<BuiltBlock, BuildError> {
    let began = Instant::now();
    let mut advanced = State::clone(&inputs.parent);
    process_slots(&mut advanced, inputs.slot)?;
    let mut block = Block {
        slot: inputs.slot,
        proposer_index: inputs.proposer_index,
        parent_root: inputs.parent_root,
        ..Block::default()
    };
    let choosing = Instant::now();
    let Selection { attestations, left_out } = select_attestations(inputs, &advanced, proofs)?;
    let payloads = attestations
        .into_iter()
        .map(|candidate| join(candidate, &inputs.registry, proofs, cancel))
        .collect::<Result<Vec<_>, _>>()
        .map_err(BuildError::Prove)?;
    let choosing_took = choosing.elapsed();

    let attestations = payloads.iter().map(|(data, payload)| AggregatedAttestation {
        aggregation_bits: payload.participants.clone(),
        data: *data,
    });
    block.body = BlockBody {
        attestations: AggregatedAttestations::new(attestations.collect())
            .expect("a block carries at most eight attestations"),
    };
    process_block(&mut advanced, &block)?;
    block.state_root = advanced.tree_hash_root();
    Ok(BuiltBlock {
        root: block.tree_hash_root(),
        block,
        post_state: Arc::new(advanced),
        proofs: payloads.into_iter().map(|(_, payload)| payload).collect(),
        took: began.elapsed(),
        choosing_took,
        left_out,
    })
}

type Joined = (AttestationData, Arc<SingleMessageAggregate>);

/// Makes the one payload that a block has for an attestation.
fn join(
    candidate: Candidate,
    registry: &Registry,
    proofs: &dyn ProofSystem,
    cancel: &CancelToken,
) -> Result<Joined, ProveError> {
    let Candidate { data, mut payloads } = candidate;
    if payloads.len() == 1 {
        return Ok((data, payloads.remove(0)));
    }
    let root = data.tree_hash_root();
    let job = AggregationJob { data, root, children: payloads, signatures: Vec::new() };
    Ok((data, Arc::new(job.run(registry, proofs, cancel)?)))
}
