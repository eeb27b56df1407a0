//! Bytes from strangers in the place of envelopes with proofs: a stored corpus, and random mutations.

mod support;

use std::{collections::BTreeMap, fs, path::PathBuf};

use proptest::prelude::*;
use support::hostile_proofs::{multi, proof, real, seeds, single};

fn folder(format: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "seeds", format].iter().collect()
}

/// The corpus that fuzzing starts from is what is made here; `UPDATE_SEEDS=1` writes it anew.
#[test]
fn the_stored_corpus_is_what_is_made_and_runs_through_its_target() {
    let targets: [(&str, fn(&[u8])); 2] = [("hybrid_single", single), ("hybrid_multi", multi)];
    for ((format, target), made) in targets.into_iter().zip(seeds()) {
        let folder = folder(format);
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            fs::create_dir_all(&folder).expect("writable");
            for (name, bytes) in &made {
                fs::write(folder.join(name), bytes).expect("writable");
            }
        }
        let stored: BTreeMap<_, _> = fs::read_dir(&folder)
            .expect("the corpus is part of the source")
            .map(|entry| {
                let entry = entry.expect("readable");
                let name = entry.file_name().into_string().expect("plain");
                (name, fs::read(entry.path()).expect("readable"))
            })
            .collect();
        for (name, bytes) in made {
            assert_eq!(stored.get(name), Some(&bytes), "{format}/{name}");
        }
        // Whatever else fuzzing once found is kept there and runs as well.
        stored.values().for_each(|bytes| target(bytes));
    }
}

/// Bytes with a few of them changed, removed or added.
fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    (prop::sample::select(seeds), prop::collection::vec(edit, 0..6)).prop_map(
        |(mut bytes, edits)| {
            for (at, byte, edit) in edits {
                let at = at.index(bytes.len().max(1));
                match edit {
                    0 => bytes.insert(at.min(bytes.len()), byte),
                    _ if bytes.is_empty() => {}
                    1 => drop(bytes.remove(at)),
                    2 => bytes[at] = byte,
                    _ => bytes[at] ^= 1 << (byte % 8),
                }
            }
            bytes
        },
    )
}

fn corpus(at: usize) -> Vec<Vec<u8>> {
    seeds()[at].values().cloned().collect()
}

/// The same cases in every run: what is found once is a test's failure everywhere.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(5),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn mutated_singles_keep_the_rules(bytes in mutated(corpus(0))) {
        single(&bytes);
    }

    #[test]
    fn mutated_multis_keep_the_rules(bytes in mutated(corpus(1))) {
        multi(&bytes);
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_mutated_succinct_proof_is_refused(bytes in mutated(vec![real().1.clone()])) {
        proof(&bytes);
    }
}
