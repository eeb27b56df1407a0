//! The embedded system over real signatures.

use std::path::{Path, PathBuf};

use leansig::{
    KeyGenOptions,
    scheme::{Scheme, SecretKey},
};
use quintet_prover::{CancelToken, Child, RawSignature, Statement, VerifyError, by_name};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

const SCHEME: Scheme = Scheme::Lifetime8;

#[test]
fn fresh_keys_aggregate_merge_split_and_verify() {
    let system = by_name("multisig", SCHEME).expect("embedded");
    let cancel = CancelToken::default();
    let mut rng = StdRng::seed_from_u64(1);
    let secrets: Vec<_> = (0..9)
        .map(|_| {
            SecretKey::generate(SCHEME, &mut rng, 0, 256, &KeyGenOptions::default())
                .expect("within the lifetime")
        })
        .collect();
    let keys: Vec<_> = secrets.iter().map(SecretKey::public_key).collect();
    let statement = |signers: &[usize], slot: u64, message: [u8; 32]| Statement {
        slot,
        message,
        public_keys: signers.iter().map(|&signer| &keys[signer][..]).collect(),
    };
    let sign = |slot: u32, message: &[u8; 32]| -> Vec<_> {
        secrets.iter().map(|key| key.sign(slot, message).expect("within the window")).collect()
    };
    let (vote, block) = ([3; 32], [4; 32]);
    let (votes, blocks) = (sign(5, &vote), sign(6, &block));
    // A proof from these validators' signatures, in the statement's order.
    let prove = |statement: &Statement<'_>, by: &[usize], signatures: &[Vec<u8>]| {
        let fresh: Vec<_> = by
            .iter()
            .enumerate()
            .map(|(signer, &by)| RawSignature { signer, signature: &signatures[by] })
            .collect();
        system.aggregate(statement, &[], &fresh, &cancel).expect("covered")
    };
    let left = prove(&statement(&[0, 1, 2, 3], 5, vote), &[0, 1, 2, 3], &votes);
    let right = prove(&statement(&[3, 4, 5], 5, vote), &[3, 4, 5], &votes);
    let all = statement(&[0, 1, 2, 3, 4, 5, 6], 5, vote);
    let children = [
        Child { signers: vec![0, 1, 2, 3], proof: &left },
        Child { signers: vec![3, 4, 5], proof: &right },
    ];
    let fresh = [RawSignature { signer: 6, signature: &votes[6] }];
    let aggregate = system.aggregate(&all, &children, &fresh, &cancel).expect("covered");
    assert_eq!(system.verify_single(&all, &aggregate), Ok(()));

    let proposer = statement(&[8], 6, block);
    let own = prove(&proposer, &[8], &blocks);
    let parts = [(all.clone(), aggregate.as_slice()), (proposer.clone(), own.as_slice())];
    let merged = system.merge(&parts, &cancel).expect("each fits");
    let statements = [all.clone(), proposer];
    assert_eq!(system.verify_multi(&statements, &merged), Ok(()));
    assert_eq!(system.split(&merged, &statements, 0, &cancel), Ok(aggregate.clone()));

    // One signature under another's key, slot or message spoils the whole.
    let refused = |statement: &Statement<'_>| {
        matches!(system.verify_single(statement, &aggregate), Err(VerifyError::Invalid(_)))
    };
    assert!(refused(&statement(&[0, 1, 2, 3, 4, 5, 7], 5, vote)));
    assert!(refused(&statement(&[1, 0, 2, 3, 4, 5, 6], 5, vote)));
    assert!(refused(&statement(&[0, 1, 2, 3, 4, 5, 6], 6, vote)));
    assert!(refused(&statement(&[0, 1, 2, 3, 4, 5, 6], 5, block)));
    // Past the scheme's lifetime.
    assert!(refused(&statement(&[0, 1, 2, 3, 4, 5, 6], 256, vote)));
    // Proving checks no signature; verifying does.
    let pair = statement(&[0, 1], 5, vote);
    let crossed = prove(&pair, &[1, 0], &votes);
    assert!(system.verify_single(&pair, &crossed).is_err());
}

/// Signatures that another implementation made: each verifies in a proof of its own, and all of
/// them in one multi-message proof.
#[test]
fn known_answers_verify() {
    let Some(folder) = reference_keys() else { return };
    let json = |name: &str| -> Value {
        let bytes = std::fs::read(folder.join(name)).expect("readable");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    let system = by_name("multisig", SCHEME).expect("embedded");
    let cancel = CancelToken::default();
    let answers = json("known-answers-test-scheme.json");
    let cases = answers["cases"].as_array().expect("a list");
    let items: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let signature = unhex(case["signature"].as_str()?);
            let pair = format!("{}_keypair", case["role"].as_str()?);
            let keys = json(&format!("test-scheme/{}.json", case["key"]));
            let message = unhex(case["message"].as_str()?);
            let key = unhex(keys[pair]["public_key"].as_str()?);
            Some((key, case["epoch"].as_u64()?, message, signature))
        })
        .collect();
    assert!(items.len() >= 10, "{} signatures", items.len());
    let mut parts = Vec::new();
    for (key, slot, message, signature) in &items {
        let message = message.as_slice().try_into().expect("32 bytes");
        let statement = Statement { slot: *slot, message, public_keys: vec![key] };
        let fresh = [RawSignature { signer: 0, signature }];
        let proof = system.aggregate(&statement, &[], &fresh, &cancel).expect("covered");
        assert_eq!(system.verify_single(&statement, &proof), Ok(()));
        parts.push((statement, proof));
    }
    let borrowed: Vec<_> =
        parts.iter().map(|(statement, proof)| (statement.clone(), proof.as_slice())).collect();
    let merged = system.merge(&borrowed, &cancel).expect("each fits");
    let mut statements: Vec<_> = parts.iter().map(|(statement, _)| statement.clone()).collect();
    assert_eq!(system.verify_multi(&statements, &merged), Ok(()));
    statements[1].slot += 1;
    assert!(system.verify_multi(&statements, &merged).is_err());
}

/// The folder of reference keys: named by `LEANSPEC_KEYS`, or beside the workspace.
fn reference_keys() -> Option<PathBuf> {
    let folder = std::env::var_os("LEANSPEC_KEYS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/leanspec-keys"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    let missing = format!("no reference keys at {}; set LEANSPEC_KEYS", folder.display());
    assert!(std::env::var_os("CI").is_none(), "{missing}");
    eprintln!("skipped: {missing}");
    None
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hex")
        })
        .collect()
}
