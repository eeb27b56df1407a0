//! Measures what a session does before it starts: it collects the evidence, and orders the jobs by
//! value. Measured with 4096 signatures on 64 attestations, and with 4096 payloads of one
//! attestation, as anybody can split them from a public proof.
#![allow(missing_docs)]

use std::{collections::HashSet, hint::black_box, sync::Arc};

use bevy_ecs::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use quintet_components::{
    attestations::Phase,
    chain::{Head, States},
    containers::{
        AggregationBits, AttestationData, ProofBytes, PublicKey, Signature, SingleMessageAggregate,
        Slot, Validator, Validators,
    },
    preset::SignaturePreset,
};
use quintet_systems::{
    aggregation::{
        job::Evidence,
        plan::{Group, SessionPlan, plan_on_head, snapshot},
    },
    fork_choice::set_anchor,
    pool,
    transition::{anchor_block, generate_genesis},
};
use tree_hash::TreeHash;

const VALIDATORS: u64 = 4096;
const ATTESTATIONS: u64 = 64;
const MAX_SIGNERS: usize = 205;

/// A world without attestations.
fn world() -> World {
    let key = |index: u64| PublicKey::right_padding_from(&index.to_be_bytes());
    let validators = (0..VALIDATORS).map(|index| Validator {
        attestation_public_key: key(2 * index + 1),
        proposal_public_key: key(2 * index + 2),
        index,
    });
    let validators = Validators::new(validators.collect()).expect("in order and few");
    let state = generate_genesis(0, validators);
    let block = anchor_block(&state);
    let mut world = World::new();
    set_anchor(&mut world, Arc::new(state), &block).expect("it is the state's block");
    world
}

/// The data to attest to in a slot, with genesis as the only block.
fn attested(world: &World, slot: Slot) -> AttestationData {
    let genesis = world.resource::<Head>().0;
    AttestationData { slot, head: genesis, target: genesis, source: genesis }
}

/// Payloads of one attestation, each with the same hundred validators and one more.
fn payloads() -> impl Iterator<Item = Arc<SingleMessageAggregate>> {
    (0..VALIDATORS).map(|index| {
        let voters = (0..100).chain([100 + index % (VALIDATORS - 100)]);
        let participants = AggregationBits::from_indices(voters).expect("in range");
        let proof = ProofBytes::new(vec![7; 4096]).expect("short");
        Arc::new(SingleMessageAggregate { participants, proof })
    })
}

fn plan(world: &World, groups: &[Group]) -> SessionPlan {
    let (head, states) = (world.resource::<Head>().0, world.resource::<States>());
    plan_on_head(head, states, groups, ATTESTATIONS, MAX_SIGNERS)
}

fn sessions(criterion: &mut Criterion) {
    let mut signed = world();
    for index in 0..VALIDATORS {
        let data = attested(&signed, 1 + index % ATTESTATIONS);
        let signature = Signature::placeholder(SignaturePreset::Production);
        pool::add_signature(&mut signed, &data, index, signature);
    }
    criterion.bench_function("session/4096 signatures, 64 attestations", |bencher| {
        bencher.iter(|| {
            let groups = snapshot(black_box(&signed).resource(), &HashSet::new());
            let plan = plan(&signed, &groups);
            assert_eq!(plan.jobs.len(), 64);
            plan
        });
    });

    // The pool keeps only payloads that add validators.
    let mut flooded = world();
    let data = attested(&flooded, ATTESTATIONS);
    for payload in payloads() {
        pool::add_payload(&mut flooded, &data, payload, Phase::New);
    }
    criterion.bench_function("session/4096 payloads of one attestation", |bencher| {
        bencher.iter(|| {
            let groups = snapshot(black_box(&flooded).resource(), &HashSet::new());
            plan(&flooded, &groups)
        });
    });

    // A pool without that limit would return these.
    let root = data.tree_hash_root();
    let (new, known, signatures) = (payloads().collect(), Vec::new(), Vec::new());
    let evidence = Evidence { data, root, new, known, signatures };
    let entities = (0..4096).map(|index| Entity::from_raw_u32(index).expect("small")).collect();
    let groups = [Group { evidence, payloads: entities, signatures: Vec::new() }];
    criterion.bench_function("session/4096 payloads of one attestation, all kept", |bencher| {
        bencher.iter(|| plan(&flooded, black_box(&groups)));
    });
}

criterion_group!(benches, sessions);
criterion_main!(benches);
