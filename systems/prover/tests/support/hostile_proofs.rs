//! Checks that must pass for any bytes in place of an envelope that contains proofs.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use leansig::{KeyGenOptions, scheme::Scheme, scheme::SecretKey};
use quintet_prover::{
    CancelToken, Child, Hybrid, MAX_PROOF_BYTES, ProofSystem, RawSignature, Statement,
};
use rand::{SeedableRng, rngs::StdRng};

use super::{Fake, MESSAGE, SLOT, keys, seal::Seal, sign};

/// Keys of the first statement and of the second.
const KEYS: [usize; 2] = [6, 3];

type System = Hybrid<Fake, Seal>;

fn system() -> System {
    Hybrid::new(Fake::default(), Seal::default(), MAX_PROOF_BYTES).with_crossover(1)
}

fn statement(keys: &[[u8; 4]], message: [u8; 32]) -> Statement<'_> {
    Statement { slot: SLOT, message, public_keys: keys.iter().map(|key| &key[..]).collect() }
}

fn messages() -> [[u8; 32]; 2] {
    [MESSAGE, [8; 32]]
}

/// Takes a proof of the first of two statements wherever one may stand.
pub fn single(bytes: &[u8]) {
    let (system, keys) = (system(), keys(KEYS[0]));
    let one = statement(&keys, MESSAGE);
    let valid = system.verify_single(&one, bytes).is_ok();
    let all: Vec<_> = (0..keys.len()).collect();
    let child = [Child { signers: all, proof: bytes }];
    let token = CancelToken::default();
    if let Ok(proof) = system.aggregate(&one, &child, &[], &token) {
        assert_eq!(system.verify_single(&one, &proof).is_ok(), valid, "aggregating keeps it");
    } else {
        assert!(!valid, "a valid child was refused");
    }
    match system.merge(&[(one.clone(), bytes)], &token) {
        Ok(proof) => {
            let verdict = system.verify_multi(std::slice::from_ref(&one), &proof);
            assert_eq!(verdict.is_ok(), valid, "merging keeps it");
        }
        Err(_) => assert!(!valid, "a valid part was refused"),
    }
}

/// Takes a proof of both statements, and splits it.
pub fn multi(bytes: &[u8]) {
    let (system, all) = (system(), keys(KEYS[0]));
    let [first, second] = messages();
    let statements = [statement(&all, first), statement(&all[..KEYS[1]], second)];
    let valid = system.verify_multi(&statements, bytes).is_ok();
    for (index, one) in statements.iter().enumerate() {
        match system.split(bytes, &statements, index, &CancelToken::default()) {
            Ok(share) if valid => {
                assert_eq!(system.verify_single(one, &share), Ok(()), "a share of what is valid");
            }
            Ok(_) => {}
            Err(_) => assert!(!valid, "a part of a valid proof was refused"),
        }
    }
}

/// Takes a succinct proof: nothing but the right one is accepted.
pub fn proof(bytes: &[u8]) {
    let (keys, real) = real();
    let one = Statement {
        slot: SLOT,
        message: MESSAGE,
        public_keys: keys.iter().map(Vec::as_slice).collect(),
    };
    let verdict = Hybrid::stark(Scheme::Lifetime8).verify_single(&one, bytes);
    assert_eq!(verdict.is_ok(), bytes == real, "{verdict:?}");
}

/// Keys, and a succinct proof that they signed: made once.
pub fn real() -> &'static (Vec<Vec<u8>>, Vec<u8>) {
    static REAL: OnceLock<(Vec<Vec<u8>>, Vec<u8>)> = OnceLock::new();
    REAL.get_or_init(|| {
        let (scheme, slot) = (Scheme::Lifetime8, SLOT as u32);
        let mut rng = StdRng::seed_from_u64(0);
        let key = SecretKey::generate(scheme, &mut rng, 0, 16, &KeyGenOptions::default());
        let key = key.expect("a key");
        let signature = key.sign(slot, &MESSAGE).expect("the key has the slot").to_vec();
        let keys = vec![key.public_key().to_vec(); 2];
        let one = Statement {
            slot: SLOT,
            message: MESSAGE,
            public_keys: keys.iter().map(Vec::as_slice).collect(),
        };
        let raw = [0, 1].map(|signer| RawSignature { signer, signature: &signature });
        let system = Hybrid::stark(scheme).with_crossover(1);
        let proof = system.aggregate(&one, &[], &raw, &CancelToken::default());
        (keys.clone(), proof.expect("a proof"))
    })
}

/// Envelopes to begin with, by name: of one statement, and of two.
pub fn seeds() -> [BTreeMap<&'static str, Vec<u8>>; 2] {
    let (system, keys) = (system(), keys(KEYS[0]));
    let token = CancelToken::default();
    let prove = |count: usize, message: [u8; 32], fresh: usize, child: Option<&[u8]>| {
        let one = statement(&keys[..count], message);
        let signatures: Vec<_> =
            one.public_keys.iter().map(|key| sign(key, SLOT as u32, &message)).collect();
        let raw: Vec<_> = (count - fresh..count)
            .map(|signer| RawSignature { signer, signature: &signatures[signer] })
            .collect();
        let signers = (0..count - fresh).collect();
        let children: Vec<_> = child.map(|proof| Child { signers, proof }).into_iter().collect();
        system.aggregate(&one, &children, &raw, &token).expect("a proof")
    };
    let [first, second] = messages();
    let proved = prove(KEYS[0], first, KEYS[0], None);
    let raw = prove(1, first, 1, None);
    let beside = prove(KEYS[0], first, 1, Some(&prove(KEYS[0] - 1, first, KEYS[0] - 1, None)));
    let two = prove(KEYS[0], first, 2, Some(&prove(KEYS[0] - 2, first, KEYS[0] - 2, None)));
    let statements = [statement(&keys, first), statement(&keys[..KEYS[1]], second)];
    let merge = |ours: &[u8], other: &[u8]| {
        let parts = [(statements[0].clone(), ours), (statements[1].clone(), other)];
        system.merge(&parts, &token).expect("it fits")
    };
    let other = prove(KEYS[1], second, KEYS[1], None);
    let bundle = merge(&proved, &other);
    // Raw signatures of both are proved at once: a raw system's proofs give them.
    let carried = Hybrid::new(Fake::default(), Seal::default(), MAX_PROOF_BYTES).with_crossover(64);
    let signed = |count: usize, message: [u8; 32]| {
        let one = statement(&keys[..count], message);
        let signatures: Vec<_> =
            one.public_keys.iter().map(|key| sign(key, SLOT as u32, &message)).collect();
        let raw: Vec<_> = (0..count)
            .map(|signer| RawSignature { signer, signature: &signatures[signer] })
            .collect();
        carried.aggregate(&one, &[], &raw, &token).expect("signatures")
    };
    let joint = merge(&signed(KEYS[0], first), &signed(KEYS[1], second));
    let share = system.split(&joint, &statements, 0, &token).expect("a share");
    [
        BTreeMap::from([
            ("proof", proved),
            ("raw", raw),
            ("proof-and-raw", beside),
            ("two-proofs", two),
            ("share", share),
        ]),
        BTreeMap::from([("bundle", bundle), ("joint", joint)]),
    ]
}
