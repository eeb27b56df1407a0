//! Votes that a block brings: its proof is split back into payloads, which then serve the head,
//! later blocks and, from an aggregator, the network.

use std::{
    cmp::Reverse,
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use bevy_ecs::{message::MessageCursor, prelude::*};
use quintet_components::{
    aggregation::{AggregationCounts, AggregationHistory, SkipReason},
    attestations::{AttestationsByData, Phase},
    chain::{Finalized, IsAggregator, Registry},
    clock::CurrentInterval,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AttestationData, Root,
        SignedAggregatedAttestation, SignedBlock, SingleMessageAggregate, Slot,
    },
    messages::{AggregateProduced, BlockImported},
    prover::{ProverJob, ProverKind, ProverStatus},
    task::Work,
};
use quintet_prover::{CancelToken, ProofSystem, ProveError};

use super::job::proof_bytes;
use crate::{
    pool::{self, Coverage, is_stale},
    proving::submit,
    verification::{Proofs, block_statements},
};

/// Payloads taken out of one block, at most.
pub const MAX_SPLIT: usize = 4;
/// A block of more slots ago is left alone: its votes are in later blocks already, or too old.
pub const MAX_AGE_SLOTS: u64 = 2;
/// Blocks whose proofs are being split, at most.
pub const MAX_BLOCKS: usize = 16;

type Split = Result<Vec<SignedAggregatedAttestation>, ProveError>;

/// Blocks whose proofs are being split, in the order of their import.
#[derive(Resource, Default)]
pub struct Splits {
    under_way: VecDeque<SplitWork>,
    imported: MessageCursor<BlockImported>,
}

struct SplitWork {
    slot: Slot,
    finalized_slot: Slot,
    work: Work<Split>,
}

impl Splits {
    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}

/// Has the proofs of newly imported blocks split, for the votes that gain from it.
pub fn split_imported(world: &mut World) {
    world.resource_scope(|world, mut splits: Mut<Splits>| {
        let imported: Vec<BlockImported> =
            splits.imported.read(world.resource()).cloned().collect();
        for BlockImported { root, block, .. } in imported {
            split_block(world, &mut splits, root, &block);
        }
    });
}

fn split_block(world: &mut World, splits: &mut Splits, root: Root, signed: &Arc<SignedBlock>) {
    let slot = signed.block.slot;
    let now = world.resource::<CurrentInterval>().slot();
    let (indices, tally) = if slot.saturating_add(MAX_AGE_SLOTS) < now {
        let skipped = [(SkipReason::OldBlock, signed.block.body.attestations.len() as u64)];
        (Vec::new(), AggregationCounts { skipped: skipped.into(), ..Default::default() })
    } else {
        choose(world, &signed.block.body.attestations)
    };
    world.resource_mut::<AggregationHistory>().add(now, &tally);
    if indices.is_empty() {
        return;
    }
    let skip = |world: &mut World| {
        let count = indices.len() as u64;
        world.resource_mut::<AggregationHistory>().skip(now, SkipReason::QueueFull, count);
    };
    if splits.under_way.len() >= MAX_BLOCKS {
        skip(world);
        return;
    }
    let (registry, proofs) =
        (world.resource::<Registry>().clone(), world.resource::<Proofs>().clone());
    let job = ProverJob {
        kind: ProverKind::Reaggregation,
        slot: now,
        children: u32::try_from(indices.len()).expect("at most four"),
        signatures: 0,
        subnet: None,
        memory_bytes: proofs.0.working_bytes(signed.proof.proof.as_bytes().len()),
    };
    let (input, chosen) = (Arc::clone(signed), indices.clone());
    let submitted = submit(world, job, summarize, move |cancel| {
        split(&input, root, &chosen, &registry, &*proofs.0, &CancelToken::from(cancel.flag()))
    });
    match submitted {
        Ok((_, work)) => {
            let finalized_slot = world.resource::<Finalized>().0.slot;
            splits.under_way.push_back(SplitWork { slot: now, finalized_slot, work });
        }
        Err(refused) => {
            tracing::debug!(slot, %refused, "a block's votes are not re-aggregated");
            skip(world);
        }
    }
}

/// The places of the votes to take out of a block: those that add voters to what the pool has,
/// the newest first, then those that add most.
fn choose(world: &World, attestations: &AggregatedAttestations) -> (Vec<usize>, AggregationCounts) {
    let mut tally = AggregationCounts { groups: attestations.len() as u64, ..Default::default() };
    let mut gaining: Vec<(Reverse<Slot>, Reverse<u32>, usize)> = attestations
        .iter()
        .enumerate()
        .map(|(index, attestation)| {
            let held = held_coverage(world, &attestation.data);
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

/// Whom the payloads of a vote cover.
fn held_coverage(world: &World, data: &AttestationData) -> Coverage {
    let mut held = Coverage::default();
    if let Some(vote) = world.resource::<AttestationsByData>().get(data) {
        for payload in pool::all_payloads(world, vote) {
            held.add(&Coverage::of(&payload.0.participants));
        }
    }
    held
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

/// Folds what came out of blocks into the pool, in the order of their import. It counts from the
/// next time that the head is selected. An aggregator publishes it: the bytes are the same at every
/// node, so that the network carries them once.
pub fn collect_splits(world: &mut World) {
    loop {
        let mut splits = world.resource_mut::<Splits>();
        let Some(front) = splits.under_way.front_mut() else { return };
        let outcome = match front.work.take() {
            Some(outcome) => outcome,
            None if front.work.is_dropped() => Ok(Err(ProveError::Cancelled)),
            None => return,
        };
        let SplitWork { slot, finalized_slot, .. } =
            splits.under_way.pop_front().expect("it had a front");
        let mut tally = AggregationCounts::default();
        match outcome {
            Ok(Ok(payloads)) => {
                tally.proved = 1;
                fold(world, payloads, finalized_slot, &mut tally);
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
        world.resource_mut::<AggregationHistory>().add(slot, &tally);
    }
}

fn fold(
    world: &mut World,
    payloads: Vec<SignedAggregatedAttestation>,
    finalized_slot: Slot,
    tally: &mut AggregationCounts,
) {
    let publishes = world.resource::<IsAggregator>().0;
    let mut folded = HashSet::new();
    for signed in payloads {
        if is_stale(world, finalized_slot, &signed.data) || !folded.insert(signed.data) {
            continue;
        }
        let payload = Arc::new(signed.proof.clone());
        if pool::add_payload(world, &signed.data, payload, Phase::Known).is_none() {
            continue;
        }
        tally.split += 1;
        if publishes {
            tally.published += 1;
            world.write_message(AggregateProduced(Arc::new(signed)));
        }
    }
}
