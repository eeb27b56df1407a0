//! The entries that the pools keep of an attestation, and their sizes.

use std::sync::Arc;

use bevy_ecs::prelude::World;
use quintet_components::{
    attestations::{AttestationsByData, New, Phase},
    containers::AttestationData,
};
use quintet_systems::pool::{self, limits::MAX_PAYLOADS, with_pool};

use crate::{
    admission::Gate,
    support::{
        chain::{aggregate, attested_by, genesis},
        node::{Setup, TestNode},
    },
};

/// The bytes of everything in the pools, counted anew.
fn counted(gate: &mut Gate) -> usize {
    let index = gate.node.world().resource::<AttestationsByData>();
    let all: Vec<_> = index.by_slot().map(|(_, attestation)| attestation).collect();
    all.iter().map(|attestation| index.bytes_of(*attestation)).sum()
}

fn bytes(gate: &mut Gate) -> usize {
    gate.node.world().resource::<AttestationsByData>().bytes()
}

#[test]
fn bytes_are_counted_as_signatures_and_payloads_come_and_go() {
    let mut gate = Gate::new();
    gate.node.set_aggregator(true);
    gate.node.tick_to(5, false);
    let head = gate.import(1);
    let data = gate.attestation(1, head);
    assert_eq!(bytes(&mut gate), 0);
    let mut sizes = Vec::new();
    for validator in 0..3 {
        let id = gate.attestation_from("peer", attested_by(data, validator));
        gate.verdict(id);
        sizes.push(bytes(&mut gate));
    }
    let id = gate.aggregate_from("peer", aggregate(data, &[3, 4]));
    gate.verdict(id);
    sizes.push(bytes(&mut gate));
    assert!(sizes.is_sorted() && sizes[0] > 0 && sizes[3] > sizes[2], "{sizes:?}");
    for interval in 6..40 {
        gate.node.tick_to(interval, false);
        let exact = counted(&mut gate);
        assert_eq!(bytes(&mut gate), exact, "interval {interval}");
    }
    let world = gate.node.world();
    let entities: Vec<_> = world
        .resource::<AttestationsByData>()
        .by_slot()
        .map(|(_, attestation)| attestation)
        .collect();
    for attestation in entities {
        world.despawn(attestation);
    }
    assert_eq!((bytes(&mut gate), counted(&mut gate)), (0, 0));
    assert!(gate.node.world().resource::<AttestationsByData>().is_empty());
}

#[test]
fn payloads_of_an_attestation_are_capped_and_the_covering_ones_kept() {
    let validators = 200;
    let anchor = genesis(validators);
    let mut node = TestNode::new(Setup::new(anchor).accepting_signatures());
    let world = node.world();
    let data = AttestationData { slot: 1, ..AttestationData::default() };
    let add = |world: &mut World, voters: &[u64]| {
        let payload = Arc::new(aggregate(data, voters).proof);
        with_pool(world, |pool| pool.add_payload(&data, payload, Phase::New).is_some())
    };
    for validator in 0..MAX_PAYLOADS as u64 {
        assert!(add(world, &[validator]));
    }
    // One more adds as much as each other: there is no room.
    assert!(!add(world, &[100]));
    // One that covers all makes the others superfluous.
    let everyone: Vec<u64> = (0..validators).collect();
    assert!(add(world, &everyone));
    let attestation = pool::members::<New>(world)[0];
    let kept: Vec<usize> = pool::payloads(world, attestation, Phase::New)
        .map(|(_, payload)| payload.participants.count())
        .collect();
    assert_eq!(kept.len(), MAX_PAYLOADS);
    assert!(kept.contains(&200), "{kept:?}");
    let index = world.resource::<AttestationsByData>();
    assert_eq!(
        index.covered(attestation).map(quintet_components::coverage::Coverage::count),
        Some(200)
    );
}

#[test]
fn what_a_system_adds_it_finds_again() {
    let mut gate = Gate::new();
    let data = AttestationData { slot: 1, ..AttestationData::default() };
    let payload = Arc::new(aggregate(data, &[1, 2]).proof);
    let signature = attested_by(data, 3).signature;
    let world = gate.node.world();
    with_pool(world, |pool| {
        assert!(pool.add_signature(&data, 3, signature.clone()));
        assert!(!pool.add_signature(&data, 3, signature.clone()), "once");
        let first = pool.add_payload(&data, Arc::clone(&payload), Phase::New).expect("new");
        assert!(pool.add_payload(&data, Arc::clone(&payload), Phase::New).is_none(), "once");
        let attestation = pool.find(&data).expect("made");
        let signers: Vec<_> = pool.signatures(attestation).map(|(entity, _)| entity).collect();
        pool.drop_inputs(&[first, signers[0]]);
        assert!(pool.find(&data).is_none(), "nothing is left of it");
        // In the place of what it was made of, as a session does.
        pool.add_own_payload(&data, Arc::clone(&payload), Phase::New).expect("new again");
        pool.promote_new();
        assert!(pool.members::<New>().is_empty());
    });
    let [signed, new, known] = pool::pool_sizes(world);
    assert_eq!((signed, new, known), (0, 0, 1));
    // The entities say the same.
    let mut payloads = world.query::<(&Phase, &quintet_components::attestations::PayloadOf)>();
    let found: Vec<_> = payloads.iter(world).map(|(phase, of)| (*phase, of.0)).collect();
    let index = world.resource::<AttestationsByData>();
    assert_eq!(found, [(Phase::Known, index.get(&data).expect("there"))]);
    let mut attestations = world.query::<&quintet_components::attestations::PooledAttestation>();
    assert_eq!(attestations.iter(world).count(), 1);
}
