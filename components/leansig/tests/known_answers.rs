//! Signatures and keys made by other implementations of the scheme.

mod support;

use leansig::scheme::{Scheme, VerifyError};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use support::{bytes, folder, integer, json, list, same, string};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    if let Some(keys) = folder("LEANSPEC_KEYS", "leanspec-keys") {
        let answers = json(&keys.join("known-answers-test-scheme.json")).expect("a readable file");
        for case in answers["cases"].as_array().expect("a list of cases") {
            let name = format!(
                "lifetime_8::key_{}_{}::epoch_{}::verifies",
                case["key"], case["role"].as_str().unwrap_or("?"), case["epoch"]
            );
            let (case, keys) = (case.clone(), keys.clone());
            trials.push(Trial::test(name, move || {
                let key = json(&keys.join(format!("test-scheme/{}.json", integer(&case, "key")?)))?;
                let pair = &key[format!("{}_keypair", string(&case, "role")?)];
                verifies(Scheme::Lifetime8, &bytes(pair, "public_key")?, &case)
            }));
        }
        let answers = json(&keys.join("known-answers-lifetime-32.json")).expect("a readable file");
        for (index, case) in answers["cases"].as_array().expect("a list of cases").iter().enumerate() {
            let case = case.clone();
            trials.push(Trial::test(format!("lifetime_32::case_{index}::signatures_verify"), move || {
                for signature in list(&case, "signatures")? {
                    verifies(Scheme::Lifetime32, &bytes(&case, "public_key")?, signature)?;
                }
                Ok(())
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// The signature is accepted, alone and in a batch, and not for the next epoch.
fn verifies(scheme: Scheme, public_key: &[u8], case: &Value) -> Result<(), Failed> {
    let epoch = u32::try_from(integer(case, "epoch")?)?;
    let message: [u8; 32] = bytes(case, "message")?.try_into().map_err(|_| "32 bytes")?;
    let signature = bytes(case, "signature")?;
    same("signature length", &signature.len(), &scheme.signature_len())?;
    same("verdict", &scheme.verify(public_key, epoch, &message, &signature), &Ok(()))?;

    let mut other = message;
    other[31] ^= 1;
    let item = (public_key, epoch, &message, signature.as_slice());
    let wrong = (public_key, epoch, &other, signature.as_slice());
    let mut items = [item; 19];
    items[3] = wrong;
    items[18] = (public_key, epoch, &message, &signature[1..]);
    let verdicts = scheme.verify_batch(&items);
    for (index, verdict) in verdicts.iter().enumerate() {
        match index {
            3 => same("verdict on another message", &verdict.is_err(), &true)?,
            18 => same("malformed", &matches!(verdict, Err(VerifyError::Signature(_))), &true)?,
            _ => same("verdict in a batch", verdict, &Ok(()))?,
        }
    }
    Ok(())
}
