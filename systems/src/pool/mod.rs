//! The pools of attestations: membership, signatures, payloads; what of them counts, and their
//! limits.

mod coverage;
mod latest_votes;
pub mod limits;
pub mod seen;
mod value;

pub use coverage::{Coverage, select_proofs_for_coverage};
pub use latest_votes::count_votes;
pub use value::{ConsensusValue, Valuation};

use std::sync::Arc;

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{
        AttestationSignature, AttestationSignatures, AttestationsByData, Known, Member, New,
        Payload, PayloadOf, Payloads, Phase, Pool, PoolOrder, PooledAttestation, SignatureOf,
        Signed,
    },
    containers::{AttestationData, Root, Signature, SingleMessageAggregate, ValidatorIndex},
};
use tree_hash::TreeHash;

/// The vote of this content; it is made when it is new.
pub fn vote(world: &mut World, data: &AttestationData) -> Entity {
    if let Some(vote) = world.resource::<AttestationsByData>().get(data) {
        return vote;
    }
    let root: Root = data.tree_hash_root();
    world.spawn(PooledAttestation { data: *data, root }).id()
}

/// Puts a vote at a pool's end, unless it is in the pool already.
pub fn join<P: Pool>(world: &mut World, vote: Entity) {
    if world.get::<Member<P>>(vote).is_none() {
        let rank = world.resource::<PoolOrder<P>>().back();
        world.entity_mut(vote).insert(Member::<P>::at(rank));
    }
}

/// Takes a vote out of a pool; one that is in no pool any more goes, with all it has.
pub fn leave<P: Pool>(world: &mut World, vote: Entity) {
    let mut vote = world.entity_mut(vote);
    vote.remove::<Member<P>>();
    if !vote.contains::<Member<Signed>>()
        && !vote.contains::<Member<New>>()
        && !vote.contains::<Member<Known>>()
    {
        vote.despawn();
    }
}

/// The votes of a pool in order.
pub fn members<P: Pool>(world: &World) -> Vec<Entity> {
    world.resource::<PoolOrder<P>>().iter().collect()
}

/// Adds a verified signature. Whether it was new.
pub fn add_signature(
    world: &mut World,
    data: &AttestationData,
    validator_index: ValidatorIndex,
    signature: Signature,
) -> bool {
    let vote = vote(world, data);
    let signature = AttestationSignature { validator_index, signature };
    if signatures(world, vote).any(|(_, known)| *known == signature) {
        return false;
    }
    world.spawn((signature, SignatureOf(vote)));
    join::<Signed>(world, vote);
    true
}

/// The signatures on a vote, in order of arrival.
pub fn signatures(
    world: &World,
    vote: Entity,
) -> impl Iterator<Item = (Entity, &AttestationSignature)> {
    world
        .get::<AttestationSignatures>(vote)
        .into_iter()
        .flat_map(RelationshipTarget::iter)
        .filter_map(|entity| Some((entity, world.get::<AttestationSignature>(entity)?)))
}

/// Adds a verified payload in this phase. Its entity, unless the vote has it there already.
pub fn add_payload(
    world: &mut World,
    data: &AttestationData,
    payload: Arc<SingleMessageAggregate>,
    phase: Phase,
) -> Option<Entity> {
    let vote = vote(world, data);
    match phase {
        Phase::New => join::<New>(world, vote),
        Phase::Known => join::<Known>(world, vote),
    }
    if payloads(world, vote, phase).any(|(_, known)| *known == payload) {
        return None;
    }
    let participants = payload.participants.clone();
    let entity = world.spawn((Payload(payload), phase, PayloadOf(vote))).id();
    if phase == Phase::Known {
        latest_votes::count_payload(world, vote, &participants);
    }
    Some(entity)
}

/// A vote's payloads of one phase, in order of arrival.
pub fn payloads(
    world: &World,
    vote: Entity,
    phase: Phase,
) -> impl Iterator<Item = (Entity, &Arc<SingleMessageAggregate>)> {
    world
        .get::<Payloads>(vote)
        .into_iter()
        .flat_map(RelationshipTarget::iter)
        .filter(move |entity| world.get::<Phase>(*entity) == Some(&phase))
        .filter_map(|entity| Some((entity, &world.get::<Payload>(entity)?.0)))
}

/// Makes every new payload known: it counts from now on. The head is not touched.
pub fn promote_new(world: &mut World) {
    for vote in members::<New>(world) {
        join::<Known>(world, vote);
        let new: Vec<(Entity, Arc<SingleMessageAggregate>)> = payloads(world, vote, Phase::New)
            .map(|(id, payload)| (id, Arc::clone(payload)))
            .collect();
        for (entity, payload) in new {
            if payloads(world, vote, Phase::Known).any(|(_, known)| *known == payload) {
                world.despawn(entity);
            } else {
                world.entity_mut(entity).insert(Phase::Known);
                latest_votes::count_payload(world, vote, &payload.participants);
            }
        }
        leave::<New>(world, vote);
    }
}

/// Puts the votes of an imported block before all other known votes, in body order.
pub fn seed_from_block<'a>(
    world: &mut World,
    body: impl ExactSizeIterator<Item = &'a AttestationData>,
) {
    let first = world.resource::<PoolOrder<Known>>().front(body.len());
    for (rank, data) in (first..).zip(body) {
        let vote = vote(world, data);
        world.entity_mut(vote).insert(Member::<Known>::at(rank));
        let known: Vec<Arc<SingleMessageAggregate>> =
            payloads(world, vote, Phase::Known).map(|(_, payload)| Arc::clone(payload)).collect();
        for payload in known {
            latest_votes::count_payload(world, vote, &payload.participants);
        }
    }
}

/// A vote's payloads of both phases.
pub fn all_payloads(world: &World, vote: Entity) -> impl Iterator<Item = &Payload> {
    let payloads = world.get::<Payloads>(vote).into_iter().flat_map(RelationshipTarget::iter);
    payloads.filter_map(|entity| world.get::<Payload>(entity))
}

/// Takes payloads that are still new, and signatures, out of the pools. One that went meanwhile,
/// or became known, is left alone.
pub fn drop_inputs(world: &mut World, inputs: &[Entity]) {
    let mut votes = Vec::new();
    for input in inputs.iter().copied() {
        let vote = if world.get::<Phase>(input) == Some(&Phase::New) {
            world.get::<PayloadOf>(input).map(|of| of.0)
        } else {
            world.get::<SignatureOf>(input).map(|of| of.0)
        };
        let Some(vote) = vote else { continue };
        world.despawn(input);
        if votes.last() != Some(&vote) {
            votes.push(vote);
        }
    }
    for vote in votes {
        if world.get_entity(vote).is_ok() && payloads(world, vote, Phase::New).next().is_none() {
            leave::<New>(world, vote);
        }
        if world.get_entity(vote).is_ok() && signatures(world, vote).next().is_none() {
            leave::<Signed>(world, vote);
        }
    }
}
