//! What a session works on: the pools' evidence, and the jobs in the order of their worth.

use std::{cmp::Reverse, collections::HashSet, sync::Arc};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::SkipReason,
    attestations::{New, Phase, PooledAttestation, Signed},
    chain::{Head, States},
    containers::Slot,
};

use super::job::{AggregationJob, Evidence, Plan};
use crate::pool::{self, Coverage, Valuation};

/// A vote's evidence with the entities that it comes from.
#[derive(Clone, Debug)]
pub struct Group {
    /// What there is.
    pub evidence: Evidence,
    /// Where the new payloads are.
    pub payloads: Vec<Entity>,
    /// Where the signatures are, each in the evidence's order.
    pub signatures: Vec<Entity>,
}

/// The evidence of every vote with something fresh, in pool order: new payloads first, then votes
/// that only have signatures. Inputs that are claimed already are left out.
pub fn snapshot(world: &World, claimed: &HashSet<Entity>) -> Vec<Group> {
    let mut votes = pool::members::<New>(world);
    let mut seen: HashSet<Entity> = votes.iter().copied().collect();
    votes.extend(pool::members::<Signed>(world).into_iter().filter(|vote| seen.insert(*vote)));
    votes.into_iter().map(|vote| group(world, vote, claimed)).collect()
}

/// The signatures on every vote of this slot, in pool order, without any payload.
pub fn snapshot_signatures(world: &World, slot: Slot) -> Vec<Group> {
    let of_slot =
        |vote: &Entity| world.get::<PooledAttestation>(*vote).is_some_and(|v| v.data.slot == slot);
    let votes = pool::members::<Signed>(world).into_iter().filter(of_slot);
    votes
        .map(|vote| {
            let mut group = group(world, vote, &HashSet::new());
            group.payloads.clear();
            group.evidence.new.clear();
            group.evidence.known.clear();
            group
        })
        .collect()
}

fn group(world: &World, vote: Entity, claimed: &HashSet<Entity>) -> Group {
    let PooledAttestation { data, root } =
        *world.get::<PooledAttestation>(vote).expect("a pool holds votes");
    let is_free = |entity: &Entity| !claimed.contains(entity);
    let (payloads, new) = pool::payloads(world, vote, Phase::New)
        .filter(|(entity, _)| is_free(entity))
        .map(|(entity, payload)| (entity, Arc::clone(payload)))
        .unzip();
    let known = pool::payloads(world, vote, Phase::Known).map(|(_, each)| Arc::clone(each));
    let (signatures, signed) = pool::signatures(world, vote)
        .filter(|(entity, _)| is_free(entity))
        .map(|(entity, each)| (entity, (each.validator_index, each.signature.clone())))
        .unzip();
    let evidence = Evidence { data, root, new, known: known.collect(), signatures: signed };
    Group { evidence, payloads, signatures }
}

/// A job with its vote's place in the snapshot.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The place.
    pub group: usize,
    /// The job.
    pub job: AggregationJob,
}

/// The jobs of a session.
#[derive(Clone, Debug, Default)]
pub struct SessionPlan {
    /// The jobs, the most valuable first.
    pub jobs: Vec<Planned>,
    /// Votes that are left out, wholly or in part, each by its place and with the reason.
    pub skipped: Vec<(usize, SkipReason)>,
}

/// Plans every group and orders the jobs: what finalizes before what justifies before what
/// builds, the current slot first, then by how many voters are fresh, then in pool order.
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

/// Plans on the world's head.
pub fn plan_on_head(
    world: &World,
    groups: &[Group],
    slot: Slot,
    max_signers: usize,
) -> SessionPlan {
    let head = world.resource::<Head>().0;
    let Some(state) = world.resource::<States>().get(&head.root) else {
        tracing::error!(root = %head.root, "the head's state is not held");
        return SessionPlan::default();
    };
    let next = slot.max(head.slot) + 1;
    plan(groups, &Valuation::on_head(state, head.root, next), slot, max_signers)
}
