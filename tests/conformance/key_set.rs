//! leanSpec's validators of the test preset, whose keys made the vectors.

use std::fs;

use leansig::scheme::{Scheme, SecretKey};
use libtest_mimic::Failed;
use quintet_components::containers::{PublicKey, Validator};
use serde_json::Value;

/// A validator's keys, as the set stores them.
fn keys(index: u64) -> Result<Value, Failed> {
    let folder = crate::shared("LEANSPEC_KEYS", "leanspec-keys");
    let path = folder.join("test-scheme").join(format!("{index}.json"));
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; set LEANSPEC_KEYS", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

/// A validator of the set.
pub fn validator(index: u64) -> Result<Validator, Failed> {
    let keys = keys(index)?;
    let key = |pair: &str| -> Result<PublicKey, Failed> {
        let hex = keys[pair]["public_key"].as_str().ok_or("no public key")?;
        Ok(hex.parse::<PublicKey>()?)
    };
    Ok(Validator {
        attestation_public_key: key("attestation_keypair")?,
        proposal_public_key: key("proposal_keypair")?,
        index,
    })
}

/// The key that a validator of the set signs attestations with.
pub fn attestation_secret(index: u64) -> Result<SecretKey, Failed> {
    let keys = keys(index)?;
    let hex = keys["attestation_keypair"]["secret_key"].as_str().ok_or("no secret key")?;
    let bytes = alloy_primitives::hex::decode(hex)?;
    Ok(SecretKey::from_bytes(Scheme::Lifetime8, &bytes)?)
}
