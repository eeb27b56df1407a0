//! What a proof costs: making it, checking it, its bytes.
//!
//! Production signatures, all of one key: the work is that of as many keys. The key takes a quarter of
//! a minute to make. `QUINTET_STARK_SIZES=1024` measures other numbers than 16, 64 and 256.

use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::thread::available_parallelism;

use criterion::{Criterion, criterion_group, criterion_main};
use leansig::KeyGenOptions;
use leansig::scheme::{Scheme, SecretKey};
use quintet_stark::{Claim, Stark, Watch, Workers};
use rand::{SeedableRng, rngs::StdRng};

const SLOT: u32 = 5;
const MESSAGE: [u8; 32] = [1; 32];

fn sizes() -> Vec<usize> {
    let sizes = env::var("QUINTET_STARK_SIZES").unwrap_or_else(|_| "16,64,256".to_owned());
    sizes.split(',').map(|size| size.trim().parse().expect("numbers of signatures")).collect()
}

fn proofs(criterion: &mut Criterion) {
    let scheme = Scheme::Lifetime32;
    let mut rng = StdRng::seed_from_u64(0);
    let key = SecretKey::generate(scheme, &mut rng, 0, 1 << 17, &KeyGenOptions::default())
        .expect("a key");
    let (public, signature) =
        (key.public_key(), key.sign(SLOT, &MESSAGE).expect("the key has the slot"));
    let threads = available_parallelism().map_or(1, usize::from);
    let stark = Stark::new(scheme).with_workers(Workers::new(threads).expect("threads"));
    let watch: Watch = Arc::new(|_| true);

    let mut group = criterion.benchmark_group("stark");
    group.sample_size(10);
    for size in sizes() {
        let claims = [Claim { slot: SLOT, message: MESSAGE, public_keys: vec![&public[..]; size] }];
        let signatures = vec![&signature[..]; size];
        let proof = stark.prove(&claims, &signatures, &watch).expect("a proof");
        let kib = proof.len().div_ceil(1024);
        println!("stark/{size}: {kib} KiB, estimated {}", stark.proof_bytes(size, 1) / 1024);
        group.bench_function(format!("prove/{size}"), |bencher| {
            bencher.iter(|| stark.prove(black_box(&claims), &signatures, &watch));
        });
        group.bench_function(format!("verify/{size}"), |bencher| {
            bencher.iter(|| stark.verify(black_box(&claims), &proof));
        });
    }
    group.finish();
}

criterion_group!(benches, proofs);
criterion_main!(benches);
