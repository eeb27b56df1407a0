//! Figures of the crate: `cargo bench -p leansig`.
//!
//! Keys are made once and timed once, in wall-clock and processor seconds: they take too long to
//! be sampled. `LEANSIG_BENCH_EPOCHS` makes the production key smaller or larger than its 2^17.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use leansig::scheme::{Scheme, SecretKey};
use leansig::{KeyGenOptions, packing};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Signatures of the batch.
const BATCH: u32 = 64;
/// The first epoch that is signed.
const EPOCH: u32 = 100;

fn main() {
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(5)).configure_from_args();
    println!("packing: {} ({} lanes)", packing::active(), packing::LANES);

    generate(Scheme::Lifetime18, 8_192);
    let epochs = std::env::var("LEANSIG_BENCH_EPOCHS").ok().and_then(|text| text.parse().ok());
    let key = generate(Scheme::Lifetime32, epochs.unwrap_or(1 << 17));
    println!("  memory: {:.1} MiB", key.memory_bytes() as f64 / f64::from(1 << 20));

    let public_key = key.public_key();
    let messages: Vec<[u8; 32]> = (0..BATCH).map(|index| [index.to_le_bytes()[0]; 32]).collect();
    let signatures: Vec<Vec<u8>> = (EPOCH..)
        .zip(&messages)
        .map(|(epoch, message)| key.sign(epoch, message).expect("a prepared epoch"))
        .collect();
    let items: Vec<_> = (EPOCH..)
        .zip(&messages)
        .zip(&signatures)
        .map(|((epoch, message), signature)| {
            (public_key.as_slice(), epoch, message, signature.as_slice())
        })
        .collect();

    let mut group = criterion.benchmark_group("lifetime_2_to_the_32");
    group.bench_function("sign", |bencher| {
        let mut next = (EPOCH..EPOCH + BATCH).zip(&messages).cycle();
        bencher.iter_batched(
            || next.next().expect("an endless iterator"),
            |(epoch, message)| black_box(key.sign(epoch, message)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("verify", |bencher| {
        let mut next = items.iter().cycle();
        bencher.iter_batched(
            || next.next().expect("an endless iterator"),
            |(public_key, epoch, message, signature)| {
                assert!(Scheme::Lifetime32.verify(public_key, *epoch, message, signature).is_ok());
            },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    group.bench_function("verify_batch_64", |bencher| {
        bencher.iter(|| {
            assert!(Scheme::Lifetime32.verify_batch(&items).iter().all(Result::is_ok));
        });
    });
    group.finish();
    criterion.final_summary();
}

/// Makes a key and says how long that took.
fn generate(scheme: Scheme, epochs: u64) -> SecretKey {
    let (processor, start) = (processor_seconds(), Instant::now());
    let mut rng = StdRng::seed_from_u64(0);
    let key = SecretKey::generate(scheme, &mut rng, 0, epochs, &KeyGenOptions::default())
        .expect("the epochs are within the lifetime");
    let wall = start.elapsed().as_secs_f64();
    let processor = processor_seconds().zip(processor).map(|(end, start)| end - start);
    let processor =
        processor.map_or_else(String::new, |time| format!(", {time:.2} s of processor"));
    println!("{scheme:?}: key of {epochs} epochs in {wall:.2} s{processor}");
    key
}

/// Processor time of this process so far, where the system tells.
fn processor_seconds() -> Option<f64> {
    // After the name in parentheses, user and system time are the 12th and 13th field, in
    // hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}
