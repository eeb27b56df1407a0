//! What a session decides before it starts: evidence of 64 votes with 4096 signatures, and the jobs
//! in the order of their worth.
#![allow(missing_docs)]

use std::{collections::HashSet, hint::black_box, sync::Arc};

use bevy_ecs::prelude::*;
use criterion::{Criterion, criterion_group, criterion_main};
use quintet_components::{
    chain::Head,
    containers::{AttestationData, PublicKey, Signature, Slot, Validator, Validators},
    preset::SignaturePreset,
};
use quintet_systems::{
    aggregation::plan::{plan_on_head, snapshot},
    fork_choice::set_anchor,
    pool,
    transition::{anchor_block, generate_genesis},
};

const VALIDATORS: u64 = 4096;
const VOTES: u64 = 64;
const MAX_SIGNERS: usize = 205;

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
    let genesis = world.resource::<Head>().0;
    for index in 0..VALIDATORS {
        let data = AttestationData {
            slot: 1 + index % VOTES,
            head: genesis,
            target: genesis,
            source: genesis,
        };
        let signature = Signature::placeholder(SignaturePreset::Production);
        pool::add_signature(&mut world, &data, index, signature);
    }
    world
}

fn selection(criterion: &mut Criterion) {
    let world = world();
    let slot: Slot = VOTES;
    criterion.bench_function("session/4096 signatures, 64 votes", |bencher| {
        bencher.iter(|| {
            let groups = snapshot(black_box(&world), &HashSet::new());
            let plan = plan_on_head(&world, &groups, slot, MAX_SIGNERS);
            assert_eq!(plan.jobs.len(), 64);
            plan
        });
    });
}

criterion_group!(benches, selection);
criterion_main!(benches);
