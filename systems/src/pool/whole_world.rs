//! Access to the pools for owners of a whole world: digests, drivers and tests read them, and
//! exclusive systems change them through the roles.

use std::sync::Arc;

use bevy_ecs::{prelude::*, system::SystemState};
use quintet_components::{
    attestations::{AttestationSignature, AttestationsByData, Known, New, Phase, Pool, Signed},
    containers::{AttestationData, Signature, SingleMessageAggregate, ValidatorIndex},
};

use super::AttestationPool;

fn index(world: &World) -> &AttestationsByData {
    world.resource()
}

/// The attestations of a pool in order.
pub fn members<P: Pool>(world: &World) -> Vec<Entity> {
    index(world).members::<P>().collect()
}

/// The signatures on an attestation, in order of arrival.
pub fn signatures(
    world: &World,
    attestation: Entity,
) -> impl Iterator<Item = (Entity, &AttestationSignature)> {
    index(world).signatures(attestation)
}

/// An attestation's payloads of one phase, in order of arrival.
pub fn payloads(
    world: &World,
    attestation: Entity,
    phase: Phase,
) -> impl Iterator<Item = (Entity, &Arc<SingleMessageAggregate>)> {
    let payloads = index(world).payloads(attestation);
    payloads.filter(move |each| each.phase == phase).map(|each| (each.entity, &each.payload))
}

/// The number of attestations in each pool: signed, new, known.
pub fn pool_sizes(world: &World) -> [usize; 3] {
    let index = index(world);
    [index.member_count::<Signed>(), index.member_count::<New>(), index.member_count::<Known>()]
}

/// Changes the pools of a world that the caller owns.
pub fn with_pool<R>(world: &mut World, change: impl FnOnce(&mut AttestationPool) -> R) -> R {
    let mut state: SystemState<AttestationPool> = SystemState::new(world);
    let result = {
        let mut pool = state.get_mut(world).expect("a chain's resources are there");
        change(&mut pool)
    };
    state.apply(world);
    result
}

/// Adds a verified signature, like [`AttestationPool::add_signature`].
pub fn add_signature(
    world: &mut World,
    data: &AttestationData,
    validator_index: ValidatorIndex,
    signature: Signature,
) -> bool {
    with_pool(world, |pool| pool.add_signature(data, validator_index, signature))
}

/// Adds a verified payload, like [`AttestationPool::add_payload`].
pub fn add_payload(
    world: &mut World,
    data: &AttestationData,
    payload: Arc<SingleMessageAggregate>,
    phase: Phase,
) -> Option<Entity> {
    with_pool(world, |pool| pool.add_payload(data, payload, phase))
}
