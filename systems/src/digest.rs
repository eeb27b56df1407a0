//! A hash over everything in a world that consensus can observe. Two nodes that have processed the
//! same input have the same hash.

use bevy_ecs::prelude::*;
use quintet_components::{
    attestations::{Known, New, Phase, Pool, PooledAttestation, Signed},
    chain::{Finalized, Head, Justified, SafeTarget},
    clock::CurrentInterval,
    containers::{Checkpoint, Root},
    tree::BlockTree,
};
use ssz::Encode;

use crate::{fork_choice::block_weights, pool};

/// The hash of time, checkpoints, blocks with weights, and pools in their order.
pub fn world_digest(world: &mut World) -> Root {
    let weights = block_weights(world);
    let mut bytes = world.resource::<CurrentInterval>().count.to_le_bytes().to_vec();
    let facts: [Checkpoint; 4] = [
        world.resource::<Head>().0,
        world.resource::<SafeTarget>().0,
        world.resource::<Justified>().0,
        world.resource::<Finalized>().0,
    ];
    for checkpoint in facts {
        checkpoint.ssz_append(&mut bytes);
    }
    let mut roots: Vec<Root> =
        world.resource::<BlockTree>().iter().map(|(_, block)| block.root).collect();
    roots.sort_unstable();
    section(&mut bytes, roots.len());
    bytes.extend(roots.iter().flat_map(|root| root.0));
    section(&mut bytes, weights.len());
    for (root, weight) in weights {
        bytes.extend(root.0);
        bytes.extend(weight.to_le_bytes());
    }
    append_pool::<Signed>(world, &mut bytes, |world, attestation, bytes| {
        for (_, signature) in pool::signatures(world, attestation) {
            bytes.extend(signature.validator_index.to_le_bytes());
            bytes.extend(signature.signature.as_bytes());
        }
    });
    append_pool::<New>(world, &mut bytes, |world, attestation, bytes| {
        append_payloads(world, attestation, Phase::New, bytes);
    });
    append_pool::<Known>(world, &mut bytes, |world, attestation, bytes| {
        append_payloads(world, attestation, Phase::Known, bytes);
    });
    tree_hash::merkle_root(&bytes, 0)
}

fn section(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend((length as u64).to_le_bytes());
}

fn append_pool<P: Pool>(
    world: &World,
    bytes: &mut Vec<u8>,
    content: impl Fn(&World, Entity, &mut Vec<u8>),
) {
    let attestations = pool::members::<P>(world);
    section(bytes, attestations.len());
    for attestation in attestations {
        bytes.extend(
            world.get::<PooledAttestation>(attestation).expect("a pool holds attestations").root.0,
        );
        content(world, attestation, bytes);
    }
}

fn append_payloads(world: &World, attestation: Entity, phase: Phase, bytes: &mut Vec<u8>) {
    for (_, payload) in pool::payloads(world, attestation, phase) {
        payload.ssz_append(bytes);
    }
}
