//! Properties that must hold for any bytes at all. The fuzz targets call the functions of this
//! file, and the tests call them with named cases, a stored corpus and random mutations.

use quintet_prover::envelope::{EnvelopeError, Multi, Single};
use quintet_prover::{CancelToken, Child, MAX_PROOF_BYTES, MAX_SIGNERS, ProofSystem, VerifyError};

use super::World;

/// A single-message decoder and verifier.
pub fn single(bytes: &[u8]) {
    let world = World::new(keys_claimed(bytes));
    let decoded = Single::decode(bytes, MAX_PROOF_BYTES);
    if let Ok(envelope) = &decoded {
        assert_eq!(envelope.encode(), bytes, "one encoding per content");
        let mut signers: Vec<_> =
            envelope.parts().iter().flat_map(|part| part.signers.positions()).collect();
        signers.sort_unstable();
        assert!(signers.into_iter().eq(0..envelope.keys()), "each key in exactly one part");
    }
    let signers: Vec<_> = (0..world.keys.len()).collect();
    let verdict = world.system.verify_single(&world.statement(&signers), bytes);
    judge(&world, &decoded, &verdict);
}

/// A multi-message decoder and verifier, and `split`.
pub fn multi(bytes: &[u8]) {
    let decoded = Multi::decode(bytes, MAX_PROOF_BYTES);
    let counts: Vec<usize> = match &decoded {
        Ok(envelope) => {
            assert_eq!(envelope.encode(), bytes, "one encoding per content");
            envelope.singles().map(Single::keys).collect()
        }
        Err(_) => vec![1, 2],
    };
    let world = World::new(counts.iter().copied().max().unwrap_or(1));
    let statements: Vec<_> =
        counts.iter().map(|&count| world.statement(&(0..count).collect::<Vec<_>>())).collect();
    let verdict = world.system.verify_multi(&statements, bytes);
    judge(&world, &decoded, &verdict);
    for index in 0..statements.len() {
        if let Ok(proof) = world.split(bytes, &statements, index) {
            let single = world.system.verify_single(&statements[index], &proof);
            assert!(single.is_ok() || verdict.is_err(), "split kept what was verified");
        }
    }
}

/// A child of an aggregation, and a part of a merge.
pub fn child(bytes: &[u8]) {
    let world = World::new(keys_claimed(bytes) + 1);
    let all: Vec<_> = (0..world.keys.len()).collect();
    let statement = world.statement(&all);
    let signatures = World::signatures(&statement);
    let raw = &super::raw(&signatures)[all.len() - 1..];
    let own = world.statement(&all[..all.len() - 1]);
    let valid = world.system.verify_single(&own, bytes).is_ok();

    let children = [Child { signers: all[..all.len() - 1].to_vec(), proof: bytes }];
    let cancel = CancelToken::default();
    match world.system.aggregate(&statement, &children, raw, &cancel) {
        Ok(proof) => {
            assert_eq!(proof.len(), world.system.single_proof_bytes(all.len()));
            assert_eq!(world.system.verify_single(&statement, &proof).is_ok(), valid);
        }
        Err(_) => assert!(!valid, "a valid child was refused"),
    }
    match world.merge(&[(own.clone(), bytes)]) {
        Ok(proof) => {
            assert_eq!(
                world.system.verify_multi(std::slice::from_ref(&own), &proof).is_ok(),
                valid
            );
        }
        Err(_) => assert!(!valid, "a valid part was refused"),
    }
}

/// The number of keys that a single-message envelope claims, within what a statement can have.
fn keys_claimed(bytes: &[u8]) -> usize {
    let claimed =
        bytes.get(6..8).map_or(1, |field| usize::from(field[0]) | usize::from(field[1]) << 8);
    claimed.clamp(1, MAX_SIGNERS - 1)
}

fn judge<T>(world: &World, decoded: &Result<T, EnvelopeError>, verdict: &Result<(), VerifyError>) {
    match (decoded, verdict) {
        (Err(fault), Err(VerifyError::Malformed(reason))) => {
            assert_eq!(&fault.to_string(), reason);
            assert_eq!(world.fake.checked(), 0, "no signature was checked");
        }
        (Err(fault), other) => panic!("{fault}, and the verdict is {other:?}"),
        (Ok(_), Err(VerifyError::Malformed(_))) => {
            assert_eq!(world.fake.checked(), 0, "no signature was checked");
        }
        (Ok(_), _) => {}
    }
}
