//! Measures the cost of a proof: the time to make it, the time to check it, its bytes, and its
//! memory.
//!
//! The signatures are of the production scheme, and all of one key. The work is the same as with as
//! many keys. Making the key takes a quarter of a minute. `QUINTET_STARK_SIZES=4096` measures other
//! numbers than 16, 64, 256 and 1024, and `QUINTET_STARK_THREADS=1` proves with fewer threads than
//! there are cores.

use std::env;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use leansig::KeyGenOptions;
use leansig::scheme::{Scheme, SecretKey};
use quintet_stark::{Claim, Phase, Stark, Watch, Workers};
use rand::{SeedableRng, rngs::StdRng};

const SLOT: u32 = 5;
const MESSAGE: [u8; 32] = [1; 32];

fn sizes() -> Vec<usize> {
    let sizes = env::var("QUINTET_STARK_SIZES").unwrap_or_else(|_| "16,64,256,1024".to_owned());
    sizes.split(',').map(|size| size.trim().parse().expect("numbers of signatures")).collect()
}

fn threads() -> usize {
    let set = env::var("QUINTET_STARK_THREADS").ok();
    set.map_or_else(
        || available_parallelism().map_or(1, usize::from),
        |threads| threads.parse().expect("a number of threads"),
    )
}

/// The largest resident size of the process so far and the present one, in KiB.
fn resident() -> Option<(usize, usize)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((field("VmHWM:")?, field("VmRSS:")?))
}

/// The processor time that the process has used, in seconds; a tick is a hundredth.
fn processor() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit(')').next()?.split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    Some(f64::from(ticks) / 100.0)
}

/// Makes a proof, and prints its cost: the times of its phases, and resident memory.
fn once(stark: &Stark, claims: &[Claim<'_>], signatures: &[&[u8]]) -> Vec<u8> {
    // Resets the largest resident size, if the system can.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (before, processor_before) = (resident(), processor());
    let began = Instant::now();
    let seen: Arc<Mutex<Vec<(Phase, Duration)>>> = Arc::default();
    let watch: Watch = Arc::new({
        let seen = Arc::clone(&seen);
        move |phase| {
            seen.lock().expect("no panic").push((phase, began.elapsed()));
            true
        }
    });
    let proof = stark.prove(claims, signatures, &watch).expect("a proof");
    let size = signatures.len();
    if let (Some((_, before)), Some((most, _))) = (before, resident()) {
        let estimated = stark.working_bytes(size) >> 20;
        println!("stark/{size}: {} MiB, estimated {estimated}", most.saturating_sub(before) >> 10);
    }
    if let (Some(before), Some(after)) = (processor_before, processor()) {
        println!("stark/{size}: {:.2} s of processor", after - before);
    }
    let seen = seen.lock().expect("no panic");
    let ends = seen.iter().skip(1).map(|(_, at)| *at).chain([began.elapsed()]);
    for ((phase, at), end) in seen.iter().zip(ends) {
        println!("stark/{size}: {:.3} s {phase}", (end - *at).as_secs_f64());
    }
    proof
}

fn proofs(criterion: &mut Criterion) {
    let scheme = Scheme::Lifetime32;
    let mut rng = StdRng::seed_from_u64(0);
    let key = SecretKey::generate(scheme, &mut rng, 0, 1 << 17, &KeyGenOptions::default())
        .expect("a key");
    let (public, signature) =
        (key.public_key(), key.sign(SLOT, &MESSAGE).expect("the key has the slot"));
    let stark = Stark::new(scheme).with_workers(Workers::new(threads()).expect("threads"));
    let watch: Watch = Arc::new(|_| true);

    let mut group = criterion.benchmark_group("stark");
    group.sample_size(10);
    for size in sizes() {
        let claims = [Claim { slot: SLOT, message: MESSAGE, public_keys: vec![&public[..]; size] }];
        let signatures = vec![&signature[..]; size];
        let proof = once(&stark, &claims, &signatures);
        let bytes = proof.len();
        println!("stark/{size}: {bytes} bytes, estimated {}", stark.proof_bytes(size, 1));
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
