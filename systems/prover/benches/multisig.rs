//! The embedded proof system: what aggregation copies, and what verification adds to the checks
//! of the signatures.
#![allow(missing_docs)]

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use criterion::Criterion;
use leansig::{
    KeyGenOptions,
    scheme::{EncodedItem, Scheme, SecretKey},
};
use quintet_prover::{CancelToken, Child, Multisig, ProofSystem, RawSignature, Statement};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

const SIGNERS: usize = 64;
const MESSAGE: [u8; 32] = [7; 32];
/// Rounds that the ratio is taken from.
const ROUNDS: usize = 201;
/// Room for 256 signatures, more than a block has.
const WIDE_LIMIT: usize = 1 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    aggregate(&mut criterion);
    let sets = [Signed::generated(), Signed::known()];
    for set in sets.iter().flatten() {
        verify(&mut criterion, set);
    }
    criterion.final_summary();
    for set in sets.iter().flatten() {
        ratio(set);
    }
}

/// Aggregation copies signatures and checks none, so any bytes will do.
fn aggregate(criterion: &mut Criterion) {
    let scheme = Scheme::Lifetime32;
    let keys = vec![[0; 52]; 256];
    assert_eq!(keys[0].len(), scheme.public_key_len());
    let signatures: Vec<_> = (0..=255).map(|byte| vec![byte; scheme.signature_len()]).collect();
    let statement = |signers: usize| Statement {
        slot: 0,
        message: MESSAGE,
        public_keys: keys[..signers].iter().map(<[u8; 52]>::as_slice).collect(),
    };
    let fresh: Vec<_> = signatures
        .iter()
        .enumerate()
        .map(|(signer, signature)| RawSignature { signer, signature })
        .collect();
    let cancel = CancelToken::default();
    let wide = Multisig::with_limit(scheme, WIDE_LIMIT);
    let mut group = criterion.benchmark_group("aggregate");

    let whole = statement(256);
    group.bench_function("256 fresh signatures", |bencher| {
        bencher.iter(|| wide.aggregate(black_box(&whole), &[], &fresh, &cancel));
    });

    // Four subnets of 64, the first two of them also in an aggregate of both.
    let proof = |signers: usize| {
        let fresh = &fresh[..signers];
        wide.aggregate(&statement(signers), &[], fresh, &cancel).expect("covered")
    };
    let (narrow, both) = (proof(64), proof(128));
    let mut children: Vec<_> = (0..4)
        .map(|subnet| Child { signers: (subnet * 64..(subnet + 1) * 64).collect(), proof: &narrow })
        .collect();
    children.insert(0, Child { signers: (0..128).collect(), proof: &both });
    group.bench_function("256 signers from 5 overlapping children", |bencher| {
        bencher.iter(|| wide.aggregate(black_box(&whole), &children, &[], &cancel));
    });

    // What a block holds: 206 signers, given as 192 fresh signatures and a child of 64.
    let within = Multisig::new(scheme);
    let most = within.max_signers();
    let block = statement(most);
    let children = [Child { signers: (most - 64..most).collect(), proof: &narrow }];
    group.bench_function(format!("256 signatures of {most} signers"), |bencher| {
        bencher.iter(|| within.aggregate(black_box(&block), &children, &fresh[..192], &cancel));
    });
    group.finish();
}

/// 64 signatures of one message.
struct Signed {
    name: &'static str,
    scheme: Scheme,
    slot: u32,
    message: [u8; 32],
    keys: Vec<Vec<u8>>,
    signatures: Vec<Vec<u8>>,
}

impl Signed {
    /// By 64 keys of the preset for local networks, whose keys are quick to make.
    fn generated() -> Option<Self> {
        let scheme = Scheme::Lifetime18;
        let mut rng = StdRng::seed_from_u64(64);
        let (keys, signatures) = (0..SIGNERS)
            .map(|_| {
                let secret = SecretKey::generate(scheme, &mut rng, 0, 1, &KeyGenOptions::default())
                    .expect("within the lifetime");
                let signature = secret.sign(0, &MESSAGE).expect("within the window");
                (secret.public_key().to_vec(), signature)
            })
            .unzip();
        let name = "lifetime 18, 64 keys";
        Some(Self { name, scheme, slot: 0, message: MESSAGE, keys, signatures })
    }

    /// By one key of the production preset, 64 times over, if the reference keys are present: a
    /// check costs the same for every key.
    fn known() -> Option<Self> {
        let folder = std::env::var_os("LEANSPEC_KEYS").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/leanspec-keys"),
            Into::into,
        );
        let Ok(bytes) = std::fs::read(folder.join("known-answers-lifetime-32.json")) else {
            eprintln!("skipped: no reference keys at {}; set LEANSPEC_KEYS", folder.display());
            return None;
        };
        let answers: Value = serde_json::from_slice(&bytes).expect("JSON");
        let case = &answers["cases"][0];
        let signed = &case["signatures"][1];
        Some(Self {
            name: "lifetime 32, one key",
            scheme: Scheme::Lifetime32,
            slot: signed["epoch"].as_u64()?.try_into().expect("an epoch"),
            message: unhex(&signed["message"]).try_into().expect("32 bytes"),
            keys: vec![unhex(&case["public_key"]); SIGNERS],
            signatures: vec![unhex(&signed["signature"]); SIGNERS],
        })
    }

    fn items(&self) -> Vec<EncodedItem<'_>> {
        let pairs = self.keys.iter().zip(&self.signatures);
        pairs.map(|(key, signature)| (&key[..], self.slot, &self.message, &signature[..])).collect()
    }

    fn statement(&self) -> Statement<'_> {
        Statement {
            slot: self.slot.into(),
            message: self.message,
            public_keys: self.keys.iter().map(Vec::as_slice).collect(),
        }
    }

    fn proof(&self) -> Vec<u8> {
        let fresh: Vec<_> = self
            .signatures
            .iter()
            .enumerate()
            .map(|(signer, signature)| RawSignature { signer, signature })
            .collect();
        let cancel = CancelToken::default();
        let proof = Multisig::new(self.scheme).aggregate(&self.statement(), &[], &fresh, &cancel);
        proof.expect("covered")
    }
}

fn verify(criterion: &mut Criterion, set: &Signed) {
    let (system, statement, proof) = (Multisig::new(set.scheme), set.statement(), set.proof());
    let items = set.items();
    assert_eq!(system.verify_single(&statement, &proof), Ok(()));
    let mut group = criterion.benchmark_group(format!("verify, {}", set.name));
    group.bench_function("aggregate of 64 signers", |bencher| {
        bencher.iter(|| system.verify_single(black_box(&statement), &proof));
    });
    group.bench_function("batch of 64 signatures", |bencher| {
        bencher.iter(|| set.scheme.verify_batch(black_box(&items)));
    });
    group.finish();
}

/// Both in one run. A round is one of each and then one of each the other way round, so that what
/// slows the machine for longer than a round slows both.
fn ratio(set: &Signed) {
    let (system, statement, proof) = (Multisig::new(set.scheme), set.statement(), set.proof());
    let items = set.items();
    let aggregate =
        || time(|| black_box(system.verify_single(black_box(&statement), &proof)).expect("valid"));
    let batch = || time(|| drop(black_box(set.scheme.verify_batch(black_box(&items)))));
    let mut ratios: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let (first, second) = (aggregate(), batch());
            let (third, fourth) = (batch(), aggregate());
            (first + fourth).as_secs_f64() / (second + third).as_secs_f64()
        })
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let [low, middle, high] = [1, 2, 3].map(|quarter| ratios[ROUNDS * quarter / 4]);
    println!(
        "{}: aggregate of 64 signers to batch of 64 signatures: ratio {middle:.3} (quartiles \
         {low:.3} to {high:.3}, {ROUNDS} rounds), at most 1.1",
        set.name
    );
}

fn time(call: impl FnOnce()) -> Duration {
    let start = Instant::now();
    call();
    start.elapsed()
}

fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().expect("a string").as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hex")
        })
        .collect()
}
