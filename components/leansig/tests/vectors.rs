//! leanSpec's test vectors for the permutation and for the encodings of keys and signatures.

mod support;

use leansig::array::FieldArray;
use leansig::poseidon::{permute_16, permute_24};
use leansig::serialization::Serializable;
use leansig::signature::generalized_xmss::instantiations_aborting::lifetime_2_to_the_8::{
    PubKeyAbortingTargetSumLifetime8Dim46Base8 as PublicKey,
    SigAbortingTargetSumLifetime8Dim46Base8 as Signature,
};
use leansig::tree::{HashTreeLayer, HashTreeOpening};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use ssz::{Decode, Encode};
use support::{bytes, folder, hex, json, json_files, list, same, string};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    if let Some(vectors) = folder("LEANSPEC_VECTORS", "leanspec-vectors") {
        for kind in ["poseidon_permutation", "ssz"] {
            for file in json_files(&vectors.join(kind)) {
                let Value::Object(cases) = json(&file).expect("a readable file") else { continue };
                let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                for case in cases.into_values() {
                    trials.extend(trial(kind, &name, case));
                }
            }
        }
        let enough = trials.len() >= 16;
        trials.push(Trial::test("vectors_are_found", move || same("enough", &enough, &true)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(kind: &str, name: &str, case: Value) -> Option<Trial> {
    let name = format!("{kind}::{name}");
    if kind == "poseidon_permutation" {
        return Some(Trial::test(name, move || permutation(&case)));
    }
    let check = match case["typeName"].as_str()? {
        "Fp" => round_trip::<FieldArray<1>>,
        "PublicKey" => public_key,
        "Signature" => signature,
        "HashTreeLayer" => layer,
        "HashTreeOpening" => opening,
        _ => return None,
    };
    Some(Trial::test(name, move || check(&case)))
}

fn permutation(case: &Value) -> Result<(), Failed> {
    let input = decimal(case, "inputState")?;
    let output = decimal(case, "outputState")?;
    let permuted = match input.len() {
        16 => permute_16(field_array(&input)?).to_canonical().to_vec(),
        24 => permute_24(field_array(&input)?).to_canonical().to_vec(),
        other => return Err(format!("width {other}").into()),
    };
    same("output", &permuted, &output)
}

fn decimal(case: &Value, field: &str) -> Result<Vec<u32>, Failed> {
    let numbers = list(case, field)?.iter().map(|number| number.as_str().unwrap_or("").parse());
    Ok(numbers.collect::<Result<_, _>>()?)
}

fn field_array<const N: usize>(values: &[u32]) -> Result<FieldArray<N>, Failed> {
    Ok(FieldArray::from_canonical(values.try_into()?)?)
}

/// Decodes and encodes.
fn round_trip<T: Decode + Encode>(case: &Value) -> Result<(), Failed> {
    decoded::<T>(case).map(|_| ())
}

fn decoded<T: Decode + Encode>(case: &Value) -> Result<T, Failed> {
    let encoded = bytes(case, "serialized")?;
    let value = T::from_ssz_bytes(&encoded).map_err(|error| format!("{error:?}"))?;
    same("encoding", &hex(&value.as_ssz_bytes()), &hex(&encoded))?;
    same("length", &value.ssz_bytes_len(), &encoded.len())?;
    Ok(value)
}

fn public_key(case: &Value) -> Result<(), Failed> {
    let key = decoded::<PublicKey>(case)?;
    same("from JSON", &serde_json::from_value::<PublicKey>(case["value"].clone())?, &key)?;
    same("bytes", &format!("0x{}", hex(&key.to_bytes())), &string(case, "value")?.to_owned())
}

fn signature(case: &Value) -> Result<(), Failed> {
    let signature = decoded::<Signature>(case)?;
    same("from JSON", &serde_json::from_value::<Signature>(case["value"].clone())?, &signature)
}

fn layer(case: &Value) -> Result<(), Failed> {
    let layer = decoded::<HashTreeLayer>(case)?;
    same("start", &Some(layer.start_index()), &case["value"]["startIndex"].as_u64())?;
    same("nodes", &layer.nodes().collect(), &digests(&case["value"]["nodes"])?)
}

fn opening(case: &Value) -> Result<(), Failed> {
    let opening = decoded::<HashTreeOpening>(case)?;
    same("siblings", &opening.siblings().collect(), &digests(&case["value"]["siblings"])?)
}

fn digests(value: &Value) -> Result<Vec<FieldArray<8>>, Failed> {
    let digest = |digest: &Value| {
        let values: Vec<u32> = serde_json::from_value(digest["data"].clone())?;
        field_array(&values)
    };
    list(value, "data")?.iter().map(digest).collect()
}
