//! Re-aggregation: the proof of a block is split back into payloads. They count for the head, can
//! be used in later blocks, and an aggregator publishes them.

use std::{
    cmp::Reverse,
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::{AggregationCounts, AggregationHistory, SkipReason},
    attestations::Phase,
    chain::{IsAggregator, Registry},
    containers::{
        AggregatedAttestation, AggregatedAttestations, Root, SignedAggregatedAttestation,
        SignedBlock, SingleMessageAggregate, Slot,
    },
    messages::{AggregateProduced, BlockImported},
    prover::{ProverJob, ProverKind, ProverStatus},
    task::Work,
};
use quintet_prover::{CancelToken, ProofSystem, ProveError};

use super::open::Planner;
use crate::{
    pool::{AttestationPool, Attestations, Coverage, proof_bytes},
    proving::{ProverLine, Refused},
    verification::block_statements,
};

/// The largest number of payloads that are split from one block.
pub const MAX_SPLIT: usize = 4;
/// A block that is older than this many slots is not split: its attestations are in later blocks
/// already, or too old.
pub const MAX_AGE_SLOTS: u64 = 2;
/// The largest number of blocks whose proofs are split at the same time.
pub const MAX_BLOCKS: usize = 16;

type Split = Result<Vec<SignedAggregatedAttestation>, ProveError>;

/// Blocks whose proofs are being split, in the order of their import.
#[derive(Resource, Default)]
pub struct Splits {
    under_way: VecDeque<SplitWork>,
}

struct SplitWork {
    slot: Slot,
    finalized_slot: Slot,
    work: Work<Split>,
}

impl Splits {
    /// Returns true if no block is being split.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}

/// Returns true if the proof of a block is being split.
pub fn has_splits(splits: Res<Splits>) -> bool {
    !splits.is_empty()
}

/// Starts to split the proofs of newly imported blocks, for the attestations that add validators.
pub fn split_imported(
    mut imported: MessageReader<BlockImported>,
    mut splits: ResMut<Splits>,
    mut line: ProverLine,
    mut history: ResMut<AggregationHistory>,
    pool: Attestations,
    planner: Planner,
) {
    let now = planner.now.slot();
    for BlockImported { root, block: signed, .. } in imported.read() {
        let (slot, attestations) = (signed.block.slot, &signed.block.body.attestations);
        if slot.saturating_add(MAX_AGE_SLOTS) < now {
            history.skip(now, SkipReason::OldBlock, attestations.len() as u64);
            continue;
        }
        let (indices, tally) = choose(&pool, attestations);
        history.add(now, &tally);
        if indices.is_empty() {
            continue;
        }
        let count = indices.len() as u64;
        if splits.under_way.len() >= MAX_BLOCKS {
            history.skip(now, SkipReason::QueueFull, count);
            continue;
        }
        match submit(&mut line, &planner, *root, signed, indices) {
            Ok(work) => {
                let finalized_slot = planner.finalized_slot();
                splits.under_way.push_back(SplitWork { slot: now, finalized_slot, work });
            }
            Err(refused) => {
                tracing::debug!(slot, %refused, "the prover did not accept the split of a block's proof");
                history.skip(now, SkipReason::QueueFull, count);
            }
        }
    }
}

fn submit(
    line: &mut ProverLine,
    planner: &Planner,
    root: Root,
    signed: &Arc<SignedBlock>,
    indices: Vec<usize>,
) -> Result<Work<Split>, Refused> {
    let (registry, proofs) = (planner.registry.clone(), planner.proofs.clone());
    let job = ProverJob {
        kind: ProverKind::Reaggregation,
        slot: planner.now.slot(),
        children: u32::try_from(indices.len()).expect("at most four"),
        signatures: 0,
        subnet: None,
        memory_bytes: proofs.0.working_bytes(signed.proof.proof.as_bytes().len()),
    };
    let input = Arc::clone(signed);
    let submitted = line.submit(job, summarize, move |cancel| {
        split(&input, root, &indices, &registry, &*proofs.0, cancel)
    });
    submitted.map(|(_, work)| work)
}

/// The indices of the attestations to split from a block: those that add validators to the pool,
/// the newest first, then those that add the most.
fn choose(
    pool: &Attestations,
    attestations: &AggregatedAttestations,
) -> (Vec<usize>, AggregationCounts) {
    let mut tally = AggregationCounts { groups: attestations.len() as u64, ..Default::default() };
    let mut gaining: Vec<(Reverse<Slot>, Reverse<u32>, usize)> = attestations
        .iter()
        .enumerate()
        .map(|(index, attestation)| {
            let held = pool.covered(&attestation.data);
            let gain = Coverage::of(&attestation.aggregation_bits).count_beyond(&held);
            (Reverse(attestation.data.slot), Reverse(gain), index)
        })
        .filter(|(_, Reverse(gain), _)| *gain > 0)
        .collect();
    gaining.sort_unstable();
    let mut skip = |reason, count: usize| {
        if count > 0 {
            tally.skipped.insert(reason, count as u64);
        }
    };
    skip(SkipReason::NoGain, attestations.len() - gaining.len());
    skip(SkipReason::OverLimit, gaining.len().saturating_sub(MAX_SPLIT));
    let mut indices: Vec<usize> =
        gaining.into_iter().take(MAX_SPLIT).map(|(.., index)| index).collect();
    indices.sort_unstable();
    tally.prepared = u64::from(!indices.is_empty());
    (indices, tally)
}

fn split(
    signed: &SignedBlock,
    root: Root,
    indices: &[usize],
    registry: &Registry,
    proofs: &dyn ProofSystem,
    cancel: &CancelToken,
) -> Split {
    let statements = block_statements(&signed.block, root, registry)
        .map_err(|rejection| ProveError::InvalidInput(rejection.to_string()))?;
    let attestations = signed.block.body.attestations.iter().enumerate();
    let chosen = attestations.filter(|(index, _)| indices.contains(index));
    let take = |(index, attestation): (usize, &AggregatedAttestation)| {
        let proof = proofs.split(signed.proof.proof.as_bytes(), &statements, index, cancel)?;
        let participants = attestation.aggregation_bits.clone();
        let proof = SingleMessageAggregate { participants, proof: proof_bytes(proof)? };
        Ok(SignedAggregatedAttestation { data: attestation.data, proof })
    };
    chosen.map(take).collect()
}

fn summarize(outcome: &Split) -> ProverStatus {
    match outcome {
        Ok(payloads) => ProverStatus::Proved {
            bytes: payloads.iter().map(|each| each.proof.proof.as_bytes().len()).sum(),
        },
        Err(ProveError::Cancelled) => ProverStatus::Cancelled,
        Err(error) => ProverStatus::Failed(error.to_string()),
    }
}

/// Adds the payloads split from blocks to the pool, in the order of the blocks' import. They count
/// from the next head selection on. An aggregator publishes them. Their bytes are the same at every
/// node, so that the network carries them once.
pub fn collect_splits(
    mut splits: ResMut<Splits>,
    mut pool: AttestationPool,
    mut history: ResMut<AggregationHistory>,
    mut produced: MessageWriter<AggregateProduced>,
    role: Res<IsAggregator>,
) {
    while let Some(SplitWork { work, .. }) = splits.under_way.front_mut() {
        let outcome = match work.take() {
            Some(outcome) => outcome,
            None if work.is_dropped() => Ok(Err(ProveError::Cancelled)),
            None => return,
        };
        let SplitWork { slot, finalized_slot, .. } =
            splits.under_way.pop_front().expect("it had a front");
        let mut tally = AggregationCounts::default();
        match outcome {
            Ok(Ok(payloads)) => {
                tally.proved = 1;
                let folded = fold(&mut pool, payloads, finalized_slot);
                tally.split += folded.len() as u64;
                if role.0 {
                    tally.published += folded.len() as u64;
                    produced.write_batch(folded.into_iter().map(AggregateProduced));
                }
            }
            Ok(Err(ProveError::Cancelled)) => tally.cancelled = 1,
            Ok(Err(error)) => {
                tracing::warn!(slot, %error, "a block's proof could not be split");
                tally.failed = 1;
            }
            Err(panic) => {
                tracing::error!(slot, %panic, "splitting a block's proof panicked");
                tally.failed = 1;
            }
        }
        history.add(slot, &tally);
    }
}

/// Adds payloads of one block to the pool. Returns those that the pool has accepted.
fn fold(
    pool: &mut AttestationPool,
    payloads: Vec<SignedAggregatedAttestation>,
    finalized_slot: Slot,
) -> Vec<Arc<SignedAggregatedAttestation>> {
    let mut seen = HashSet::new();
    let mut folded = Vec::new();
    for signed in payloads {
        if pool.is_stale(finalized_slot, &signed.data) || !seen.insert(signed.data) {
            continue;
        }
        let payload = Arc::new(signed.proof.clone());
        if pool.add_payload(&signed.data, payload, Phase::Known).is_some() {
            folded.push(Arc::new(signed));
        }
    }
    folded
}
