//! Bytes from strangers: named cases, a stored corpus, and random mutations.

mod support;

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use quintet_prover::envelope::{Multi, Single};
use quintet_prover::{MAX_PROOF_BYTES, ProofSystem, VerifyError};
use support::{
    World,
    cases::{self, Case, Outcome},
    hostile,
};

/// The functions that a fuzzer calls with each input.
type Targets = &'static [fn(&[u8])];

/// Files above this length are not worth storing.
const SEED_BYTES: usize = 4096;

fn seeds(format: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "seeds", format].iter().collect()
}

fn check(case: &Case, world: &World, verdict: &Result<(), VerifyError>) {
    let name = case.name;
    match &case.outcome {
        Outcome::Valid => assert_eq!(verdict, &Ok(()), "{name}"),
        Outcome::Fault(fault) => {
            assert_eq!(verdict, &Err(VerifyError::Malformed(fault.to_string())), "{name}");
            assert_eq!(world.fake.checked(), 0, "{name}: no signature was checked");
        }
        Outcome::Refused(reason) => match verdict {
            Err(VerifyError::Malformed(found)) => {
                assert_eq!(found, reason, "{name}");
                assert_eq!(world.fake.checked(), 0, "{name}: no signature was checked");
            }
            Err(VerifyError::Invalid(found)) => assert_eq!(found, reason, "{name}"),
            Ok(()) => panic!("{name}: accepted"),
        },
    }
}

#[test]
fn named_single_envelopes_get_their_verdicts() {
    for case in cases::singles() {
        let decoded = Single::decode(&case.bytes, MAX_PROOF_BYTES);
        let fault = decoded.as_ref().err().cloned();
        let expected = match &case.outcome {
            Outcome::Fault(fault) => Some(fault.clone()),
            _ => None,
        };
        assert_eq!(fault, expected, "{}", case.name);
        let keys = decoded.map_or(3, |envelope| envelope.keys());
        let world = World::new(keys);
        let statement = world.statement(&(0..keys).collect::<Vec<_>>());
        check(&case, &world, &world.system.verify_single(&statement, &case.bytes));
    }
}

#[test]
fn named_multi_envelopes_get_their_verdicts() {
    for case in cases::multis() {
        let decoded = Multi::decode(&case.bytes, MAX_PROOF_BYTES);
        let fault = decoded.as_ref().err().cloned();
        let expected = match &case.outcome {
            Outcome::Fault(fault) => Some(fault.clone()),
            _ => None,
        };
        assert_eq!(fault, expected, "{}", case.name);
        let counts: Vec<_> = decoded
            .map(|envelope| envelope.singles().map(Single::keys).collect())
            .unwrap_or_default();
        let world = World::new(3);
        let statements: Vec<_> =
            counts.iter().map(|&count| world.statement(&(0..count).collect::<Vec<_>>())).collect();
        check(&case, &world, &world.system.verify_multi(&statements, &case.bytes));
    }
}

/// The corpus that fuzzing starts from is these cases; `UPDATE_SEEDS=1` writes it anew.
#[test]
fn the_stored_corpus_is_the_named_cases_and_runs_through_every_target() {
    let formats: [(&str, Vec<Case>, Targets); 2] = [
        ("single", cases::singles(), &[hostile::single, hostile::child]),
        ("multi", cases::multis(), &[hostile::multi]),
    ];
    for (format, cases, targets) in formats {
        let folder = seeds(format);
        let cases: Vec<_> =
            cases.into_iter().filter(|case| case.bytes.len() <= SEED_BYTES).collect();
        if std::env::var_os("UPDATE_SEEDS").is_some() {
            fs::create_dir_all(&folder).expect("writable");
            for case in &cases {
                fs::write(folder.join(case.name), &case.bytes).expect("writable");
            }
        }
        let stored = fs::read_dir(&folder).expect("the corpus is part of the source");
        let mut names: Vec<_> = stored
            .map(|entry| entry.expect("readable").file_name().into_string().expect("plain"))
            .collect();
        names.sort_unstable();
        for case in &cases {
            let bytes = fs::read(folder.join(case.name)).expect("run with UPDATE_SEEDS=1");
            assert_eq!(bytes, case.bytes, "{format}/{}", case.name);
        }
        // Whatever else fuzzing once found is kept there and runs as well.
        for name in names {
            let bytes = fs::read(folder.join(name)).expect("readable");
            targets.iter().for_each(|target| target(&bytes));
        }
    }
}

#[test]
fn every_prefix_and_every_changed_byte_of_a_proof_is_refused() {
    let world = World::new(9);
    let statement = world.statement(&(0..9).collect::<Vec<_>>());
    let proof = world.prove(&statement);
    let merged = world.merge(&[(statement.clone(), &proof), (statement.clone(), &proof)]);
    let merged = merged.expect("fits");
    let statements = [statement.clone(), statement.clone()];
    for end in 0..proof.len() {
        let verdict = world.system.verify_single(&statement, &proof[..end]);
        assert!(matches!(verdict, Err(VerifyError::Malformed(_))), "{end}: {verdict:?}");
    }
    for end in 0..merged.len() {
        let verdict = world.system.verify_multi(&statements, &merged[..end]);
        assert!(matches!(verdict, Err(VerifyError::Malformed(_))), "{end}: {verdict:?}");
    }
    assert_eq!(world.fake.checked(), 0);
    for at in 0..merged.len() {
        for change in 1..=255 {
            let mut changed = merged.clone();
            changed[at] ^= change;
            assert!(world.system.verify_multi(&statements, &changed).is_err(), "{at} {change}");
            if let Some(byte) = proof.get(at) {
                let mut changed = proof.clone();
                changed[at] = byte ^ change;
                assert!(world.system.verify_single(&statement, &changed).is_err(), "{at} {change}");
            }
        }
    }
}

/// An envelope with a few bytes changed, removed or added.
fn mutated(cases: Vec<Case>) -> impl Strategy<Value = Vec<u8>> {
    let bytes: Vec<_> =
        cases.into_iter().map(|case| case.bytes).filter(|bytes| bytes.len() <= 512).collect();
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    (prop::sample::select(bytes), prop::collection::vec(edit, 0..6)).prop_map(
        |(mut bytes, edits)| {
            for (at, byte, edit) in edits {
                match edit {
                    0 => bytes.insert(at.index(bytes.len() + 1), byte),
                    _ if bytes.is_empty() => {}
                    1 => drop(bytes.remove(at.index(bytes.len()))),
                    2 => {
                        let at = at.index(bytes.len());
                        bytes[at] = byte;
                    }
                    _ => {
                        let at = at.index(bytes.len());
                        bytes[at] ^= 1 << (byte % 8);
                    }
                }
            }
            bytes
        },
    )
}

proptest! {
    // The same cases in every run: what is found once is a test's failure everywhere.
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]

    #[test]
    fn mutated_singles_keep_the_rules(bytes in mutated(cases::singles())) {
        hostile::single(&bytes);
        hostile::child(&bytes);
    }

    #[test]
    fn mutated_multis_keep_the_rules(bytes in mutated(cases::multis())) {
        hostile::multi(&bytes);
    }

    #[test]
    fn arbitrary_bytes_keep_the_rules(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        hostile::single(&bytes);
        hostile::multi(&bytes);
        hostile::child(&bytes);
    }

    /// However signers are spread over children and signatures, the proof is the same.
    #[test]
    fn aggregation_does_not_depend_on_the_grouping(
        groups in prop::collection::vec(prop::collection::btree_set(0..40_usize, 1..12), 0..6),
        fresh in prop::collection::btree_set(0..40_usize, 1..12),
    ) {
        let all: Vec<usize> = groups.iter().flatten().chain(&fresh).copied()
            .collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        let world = World::new(40);
        let statement = world.statement(&all);
        let position = |validator: &usize| all.binary_search(validator).expect("a signer");
        let proofs: Vec<_> = groups.iter()
            .map(|group| world.proof(&group.iter().copied().collect::<Vec<_>>()))
            .collect();
        let children: Vec<_> = groups.iter().zip(&proofs)
            .map(|(group, proof)| quintet_prover::Child {
                signers: group.iter().map(position).collect(),
                proof,
            })
            .collect();
        let signatures = World::signatures(&statement);
        let raw = support::raw(&signatures);
        let fresh: Vec<_> = fresh.iter().map(|validator| raw[position(validator)]).collect();
        let proof = world.aggregate(&statement, &children, &fresh).expect("covered");
        prop_assert_eq!(&proof, &world.proof(&all));
        prop_assert_eq!(world.system.verify_single(&statement, &proof), Ok(()));
    }
}
