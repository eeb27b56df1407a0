//! Collects the evidence in the pools for a session, and orders the jobs by value.

use std::{cmp::Reverse, collections::HashSet, sync::Arc};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::SkipReason,
    attestations::{AttestationsByData, New, Phase, PooledAttestation, PooledPayload, Signed},
    chain::States,
    containers::{AttestationData, Checkpoint, Signature, Slot, ValidatorIndex},
};

use super::job::{Evidence, Plan};
use crate::pool::{AggregationJob, Coverage, Valuation};

/// The evidence for an attestation, with the entities that it comes from.
#[derive(Clone, Debug)]
pub struct Group {
    /// The evidence.
    pub evidence: Evidence,
    /// The entities of the new payloads.
    pub payloads: Vec<Entity>,
    /// The entities of the signatures, in the order of the evidence.
    pub signatures: Vec<Entity>,
}

/// The evidence for every attestation that has a new payload or a signature, in pool order: first
/// those with new payloads, then those that only have signatures. Inputs in `claimed` are left out.
pub fn snapshot(pools: &AttestationsByData, claimed: &HashSet<Entity>) -> Vec<Group> {
    let mut seen = HashSet::new();
    let fresh = pools.members::<New>().chain(pools.members::<Signed>());
    fresh
        .filter(|attestation| seen.insert(*attestation))
        .map(|attestation| {
            let is_free = |input: &Entity| !claimed.contains(input);
            let new = of_phase(pools, attestation, Phase::New).filter(|each| is_free(&each.entity));
            let (payloads, new) = new.map(|each| (each.entity, Arc::clone(&each.payload))).unzip();
            let known = of_phase(pools, attestation, Phase::Known);
            let known = known.map(|each| Arc::clone(&each.payload)).collect();
            let (signatures, signed) = signatures(pools, attestation, |input, _| is_free(&input));
            let PooledAttestation { data, root } = data_of(pools, attestation);
            let evidence = Evidence { data, root, new, known, signatures: signed };
            Group { evidence, payloads, signatures }
        })
        .collect()
}

/// The signatures on every attestation of this slot, in pool order, without those in `later` and
/// without payloads.
pub fn snapshot_signatures(
    pools: &AttestationsByData,
    slot: Slot,
    later: &HashSet<(AttestationData, ValidatorIndex)>,
) -> Vec<Group> {
    pools
        .members::<Signed>()
        .filter_map(|attestation| {
            let PooledAttestation { data, root } = data_of(pools, attestation);
            let is_in_time = |_, validator| !later.contains(&(data, validator));
            let (signatures, signed) = (data.slot == slot)
                .then(|| signatures(pools, attestation, is_in_time))
                .filter(|(signatures, _)| !signatures.is_empty())?;
            let (new, known) = Default::default();
            let evidence = Evidence { data, root, new, known, signatures: signed };
            Some(Group { evidence, payloads: Vec::new(), signatures })
        })
        .collect()
}

fn data_of(pools: &AttestationsByData, attestation: Entity) -> PooledAttestation {
    *pools.attestation(attestation).expect("a pool holds attestations")
}

fn of_phase(
    pools: &AttestationsByData,
    attestation: Entity,
    phase: Phase,
) -> impl Iterator<Item = &PooledPayload> {
    pools.payloads(attestation).filter(move |each| each.phase == phase)
}

/// The entities of signatures, and the signatures with their validators.
type Signatures = (Vec<Entity>, Vec<(ValidatorIndex, Signature)>);

fn signatures(
    pools: &AttestationsByData,
    attestation: Entity,
    is_wanted: impl Fn(Entity, ValidatorIndex) -> bool,
) -> Signatures {
    pools
        .signatures(attestation)
        .filter(|(entity, each)| is_wanted(*entity, each.validator_index))
        .map(|(entity, each)| (entity, (each.validator_index, each.signature.clone())))
        .unzip()
}

/// A job, with the index of its attestation in the snapshot.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The index.
    pub group: usize,
    /// The job.
    pub job: AggregationJob,
}

/// The jobs of a session.
#[derive(Clone, Debug, Default)]
pub struct SessionPlan {
    /// The jobs, the most valuable first.
    pub jobs: Vec<Planned>,
    /// Attestations that are left out, wholly or in part, each by its index and with the reason.
    pub skipped: Vec<(usize, SkipReason)>,
}

/// Plans every group and orders the jobs: those that finalize before those that justify, these
/// before those that build; then the current slot first, then by the number of fresh validators,
/// then in pool order.
pub fn plan(
    groups: &[Group],
    valuation: &Valuation<'_>,
    slot: Slot,
    max_signers: usize,
) -> SessionPlan {
    let mut session = SessionPlan::default();
    let mut ranked = Vec::new();
    for (group, Group { evidence, .. }) in groups.iter().enumerate() {
        let Plan { jobs, skipped } = Plan::of(evidence, max_signers);
        session.skipped.extend(skipped.map(|reason| (group, reason)));
        let mut known = Coverage::default();
        for payload in &evidence.known {
            known.add(&Coverage::of(&payload.participants));
        }
        for job in jobs {
            let coverage = job.coverage();
            let mut voters = known.clone();
            voters.add(&coverage);
            let rank = (
                Reverse(valuation.of(&evidence.data, &voters)),
                evidence.data.slot != slot,
                Reverse(coverage.count_beyond(&known)),
                ranked.len(),
            );
            ranked.push((rank, Planned { group, job }));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    session.jobs = ranked.into_iter().map(|(_, planned)| planned).collect();
    session
}

/// Plans for the current head.
pub fn plan_on_head(
    head: Checkpoint,
    states: &States,
    groups: &[Group],
    slot: Slot,
    max_signers: usize,
) -> SessionPlan {
    let Some(state) = states.get(&head.root) else {
        tracing::error!(root = %head.root, "the head's state is not in memory");
        return SessionPlan::default();
    };
    let next = slot.max(head.slot) + 1;
    plan(groups, &Valuation::on_head(state, head.root, next), slot, max_signers)
}

/// The inputs in the pool that a job's proof replaces.
pub fn replaced_inputs(group: &Group, job: &AggregationJob) -> Vec<Entity> {
    let coverage = job.coverage();
    let evidence = &group.evidence;
    let payloads = group.payloads.iter().zip(&evidence.new).filter_map(|(entity, payload)| {
        let covers = Coverage::of(&payload.participants).count_beyond(&coverage) == 0;
        covers.then_some(*entity)
    });
    let signatures = group.signatures.iter().zip(&evidence.signatures);
    let signatures =
        signatures.filter_map(|(entity, (index, _))| coverage.contains(*index).then_some(*entity));
    payloads.chain(signatures).collect()
}
