//! Benches of the crate: `cargo bench -p leansig`.
//!
//! Keys are made and timed once, in wall-clock and processor seconds, because they take too long to
//! be sampled.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use leansig::scheme::{Scheme, SecretKey};
use leansig::{KeyGenOptions, packing};
use p3_field::{Field, PrimeCharacteristicRing};
use p3_koala_bear::{KoalaBear, default_koalabear_poseidon1_16, default_koalabear_poseidon1_24};
use p3_symmetric::Permutation;
use rand::SeedableRng;
use rand::rngs::StdRng;

type Packed = <KoalaBear as Field>::Packing;

/// Signatures of the batch.
const BATCH: u32 = 64;
/// The first epoch that is signed.
const EPOCH: u32 = 100;

fn main() {
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(5)).configure_from_args();
    println!("packing: {} ({} lanes)", packing::active(), packing::LANES);

    // When cargo only checks that benchmarks run, a production key would take too long.
    let (scheme, epochs) = if std::env::args().any(|argument| argument == "--test") {
        (Scheme::Lifetime8, 256)
    } else {
        generate(Scheme::Lifetime18, 8_192);
        (Scheme::Lifetime32, 1 << 17)
    };
    let key = reload(&generate(scheme, epochs));

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

    permutations(&mut criterion);

    let mut group = criterion.benchmark_group(format!("{scheme:?}"));
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
                assert!(scheme.verify(public_key, *epoch, message, signature).is_ok());
            },
            BatchSize::SmallInput,
        );
    });
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    group.bench_function("verify_batch_64", |bencher| {
        bencher.iter(|| {
            assert!(scheme.verify_batch(&items).iter().all(Result::is_ok));
        });
    });
    group.finish();
    criterion.final_summary();
}

/// The permutations alone. Verifying one production signature takes 122 of width 16 and 58 of width
/// 24; making one epoch of a key takes 322 and 27. A packed permutation counts once per lane.
fn permutations(criterion: &mut Criterion) {
    let (width_16, width_24) = (default_koalabear_poseidon1_16(), default_koalabear_poseidon1_24());
    let mut group = criterion.benchmark_group("permutation");
    let (mut one, mut packed) = ([KoalaBear::TWO; 16], [Packed::TWO; 16]);
    group.bench_function("width_16", |bencher| bencher.iter(|| width_16.permute_mut(&mut one)));
    group.bench_function("width_16_packed", |bencher| {
        bencher.iter(|| width_16.permute_mut(&mut packed));
    });
    let (mut one, mut packed) = ([KoalaBear::TWO; 24], [Packed::TWO; 24]);
    group.bench_function("width_24", |bencher| bencher.iter(|| width_24.permute_mut(&mut one)));
    group.bench_function("width_24_packed", |bencher| {
        bencher.iter(|| width_24.permute_mut(&mut packed));
    });
    group.finish();
}

/// Encodes a key, decodes it, and prints how much memory that took.
fn reload(key: &SecretKey) -> SecretKey {
    let bytes = key.to_bytes();
    let before = resident_mib();
    let start = Instant::now();
    let key = SecretKey::from_bytes(key.scheme(), &bytes).expect("an encoding is decoded");
    let time = start.elapsed();
    let trees = key.memory_bytes() as f64 / f64::from(1 << 20);
    print!("  loaded in {time:.1?}, {trees:.1} MiB of trees");
    match before.zip(resident_mib()) {
        Some((before, after)) => println!(", {:.1} MiB more resident", after - before),
        None => println!(),
    }
    key
}

/// Makes a key and prints how long that took.
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

/// The processor time of this process so far, if the system reports it.
fn processor_seconds() -> Option<f64> {
    // After the name in parentheses, user and system time are the 12th and 13th field, in
    // hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

/// The resident memory of this process, if the system reports it.
fn resident_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
