//! Compares with keys and signatures of other implementations of the scheme: leanSpec's for the
//! test preset, upstream leanSig's for production.
//!
//! The trials that generate production keys take minutes in an unoptimised build and are ignored
//! unless `CI` is set. Run them with `-- --include-ignored`.

mod support;

use std::path::Path;

use leansig::KeyGenOptions;
use leansig::scheme::{Scheme, SecretKey, VerifyError};
use leansig::serialization::Serializable;
use leansig::signature::generalized_xmss::instantiations_aborting::lifetime_2_to_the_8::{
    PubKeyAbortingTargetSumLifetime8Dim46Base8 as PublicKey8,
    SecretKeyAbortingTargetSumLifetime8Dim46Base8 as SecretKey8,
};
use leansig::signature::{SignatureScheme, SignatureSchemeSecretKey};
use libtest_mimic::{Arguments, Failed, Trial};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{bytes, folder, hex, integer, json, list, same, string};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    if let Some(keys) = folder("LEANSPEC_KEYS", "leanspec-keys") {
        test_scheme(&keys, &mut trials);
        production(&keys, &mut trials);
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Key pairs, signatures and advanced keys of the test preset.
fn test_scheme(keys: &Path, trials: &mut Vec<Trial>) {
    let pairs = keys.join("test-scheme");
    for file in support::json_files(&pairs) {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        for role in ["attestation", "proposal"] {
            let name =
                format!("lifetime_8::key_{}_{role}::decodes", stem.as_deref().unwrap_or("?"));
            let file = file.clone();
            trials.push(Trial::test(name, move || decodes(&pair(&file, role)?)));
        }
    }
    let answers = json(&keys.join("known-answers-test-scheme.json")).expect("a readable file");
    for case in answers["cases"].as_array().expect("a list of cases").clone() {
        let (key, role) = (&case["key"], case["role"].as_str().unwrap_or("?").to_owned());
        let prefix = format!("lifetime_8::key_{key}_{role}");
        let file = pairs.join(format!("{key}.json"));
        if case["signature"].is_string() {
            let prefix = format!("{prefix}::epoch_{}", case["epoch"]);
            let (case_1, file_1, role_1) = (case.clone(), file.clone(), role.clone());
            trials.push(Trial::test(format!("{prefix}::verifies"), move || {
                let public_key = bytes(&pair(&file_1, &role_1)?, "public_key")?;
                verifies(Scheme::Lifetime8, &public_key, &case_1)
            }));
            trials.push(Trial::test(format!("{prefix}::signs_alike"), move || {
                let bytes = bytes(&pair(&file, &role)?, "secret_key")?;
                let key = SecretKey::from_bytes(Scheme::Lifetime8, &bytes)?;
                signs_alike(&key, &case)
            }));
        } else {
            trials.push(Trial::test(format!("{prefix}::advances_alike"), move || {
                advances_alike(&pair(&file, &role)?, &case)
            }));
        }
    }
}

/// One key pair of a file.
fn pair(file: &Path, role: &str) -> Result<Value, Failed> {
    Ok(json(file)?[format!("{role}_keypair")].take())
}

/// Reads the pair from SSZ and from serde, and writes it unchanged.
fn decodes(pair: &Value) -> Result<(), Failed> {
    type Scheme8 = leansig::signature::generalized_xmss::instantiations_aborting::lifetime_2_to_the_8::SchemeAbortingTargetSumLifetime8Dim46Base8;

    let encoded = bytes(pair, "secret_key")?;
    let key = SecretKey::from_bytes(Scheme::Lifetime8, &encoded)?;
    same("secret key", &hex(&key.to_bytes()), &hex(&encoded))?;
    same("public key", &hex(&key.public_key()), &string(pair, "public_key")?.to_owned())?;

    let typed: SecretKey8 = serde_json::from_value(pair["secret_key"].clone())?;
    same("secret key from JSON", &hex(&typed.to_bytes()), &hex(&encoded))?;
    let public: PublicKey8 = serde_json::from_value(pair["public_key"].clone())?;
    same("public key from JSON", &Scheme8::get_public_key(&typed), &public)?;

    let other = SecretKey::from_bytes(Scheme::Lifetime32, &encoded).expect_err("another scheme");
    let message = other.to_string();
    same("both schemes are named", &(message.contains("2^32") && message.contains("2^8")), &true)
}

/// Checks the hash of the advanced key's encoding.
fn advances_alike(pair: &Value, case: &Value) -> Result<(), Failed> {
    let mut key = SecretKey8::from_bytes(&bytes(pair, "secret_key")?)
        .map_err(|error| format!("{error:?}"))?;
    key.advance_preparation();
    same("window", &interval(&case["prepared"]), &Some(key.get_prepared_interval()))?;
    let expected = string(case, "advanced_secret_key_sha256")?;
    same("hash of the key", &sha256(&key.to_bytes()), &expected.to_owned())
}

/// Checks that the same signature is made.
fn signs_alike(key: &SecretKey, case: &Value) -> Result<(), Failed> {
    if !case["activation"].is_null() {
        same("activation", &interval(&case["activation"]), &Some(key.activation()))?;
        same("window", &interval(&case["prepared"]), &Some(key.prepared()))?;
    }
    let (epoch, message) = epoch_and_message(case)?;
    let signature = key.sign(epoch, &message)?;
    same("signature", &hex(&signature), &string(case, "signature")?.to_owned())
}

/// Keys of the production preset. The generator is seeded like upstream's, so that the same keys
/// are made.
fn production(keys: &Path, trials: &mut Vec<Trial>) {
    let answers = json(&keys.join("known-answers-lifetime-32.json")).expect("a readable file");
    let cases = answers["cases"].as_array().expect("a list of cases");
    for (seed, case) in (0..).zip(cases.clone()) {
        let case_1 = case.clone();
        trials.push(Trial::test(
            format!("lifetime_32::case_{seed}::signatures_verify"),
            move || {
                for signature in list(&case_1, "signatures")? {
                    verifies(Scheme::Lifetime32, &bytes(&case_1, "public_key")?, signature)?;
                }
                Ok(())
            },
        ));
        let name = format!("lifetime_32::case_{seed}::key_generation_agrees");
        let slow = std::env::var_os("CI").is_none();
        let trial = Trial::test(name, move || key_generation_agrees(seed, &case));
        trials.push(trial.with_ignored_flag(slow));
    }
}

fn key_generation_agrees(seed: u64, case: &Value) -> Result<(), Failed> {
    let mut rng = StdRng::seed_from_u64(seed);
    let first = integer(case, "activation_epoch")?;
    let count = integer(case, "num_active_epochs")?;
    let options = KeyGenOptions::default();
    let mut key = SecretKey::generate(Scheme::Lifetime32, &mut rng, first, count, &options)?;
    let encoded = key.to_bytes();
    same("PRF key", &hex(&encoded[..32]), &string(case, "prf_key")?.to_owned())?;
    same("parameter", &hex(&encoded[32..52]), &string(case, "parameter")?.to_owned())?;
    same("activation", &interval(&case["activation"]), &Some(key.activation()))?;
    same("window", &interval(&case["prepared"]), &Some(key.prepared()))?;
    same("public key", &hex(&key.public_key()), &string(case, "public_key")?.to_owned())?;
    same("length", &(encoded.len() as u64), &integer(case, "secret_key_len")?)?;
    let hash = string(case, "secret_key_sha256")?;
    same("hash of the key", &sha256(&encoded), &hash.to_owned())?;
    same("at most 20 MiB", &(key.memory_bytes() <= 20 << 20), &true)?;

    let reread = SecretKey::from_bytes(Scheme::Lifetime32, &encoded)?;
    for signature in list(case, "signatures")? {
        signs_alike(&reread, signature)?;
    }

    if let Some(next) = key.prepare_next(&options)? {
        key.advance_with(next).map_err(|_| "the next tree fits")?;
    }
    let after = &case["after_advance"];
    same("window after advancing", &interval(&after["prepared"]), &Some(key.prepared()))?;
    let hash = string(after, "secret_key_sha256")?;
    same("hash of the advanced key", &sha256(&key.to_bytes()), &hash.to_owned())
}

/// Checks that the signature is accepted, alone and in a batch, and refused for another message.
fn verifies(scheme: Scheme, public_key: &[u8], case: &Value) -> Result<(), Failed> {
    let (epoch, message) = epoch_and_message(case)?;
    let signature = bytes(case, "signature")?;
    same("signature length", &signature.len(), &scheme.signature_len())?;
    same("verdict", &scheme.verify(public_key, epoch, &message, &signature), &Ok(()))?;

    let mut other = message;
    other[31] ^= 1;
    let mut items = [(public_key, epoch, &message, signature.as_slice()); 19];
    items[3].2 = &other;
    items[18].3 = &signature[1..];
    for (index, verdict) in scheme.verify_batch(&items).iter().enumerate() {
        match index {
            3 => same("refused", &verdict.is_err(), &true)?,
            18 => same("malformed", &matches!(verdict, Err(VerifyError::Signature(_))), &true)?,
            _ => same("verdict in a batch", verdict, &Ok(()))?,
        }
    }
    Ok(())
}

fn epoch_and_message(case: &Value) -> Result<(u32, [u8; 32]), Failed> {
    let epoch = u32::try_from(integer(case, "epoch")?)?;
    let message = bytes(case, "message")?.try_into().map_err(|_| "a message has 32 bytes")?;
    Ok((epoch, message))
}

fn interval(value: &Value) -> Option<std::ops::Range<u64>> {
    Some(value[0].as_u64()?..value[1].as_u64()?)
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
