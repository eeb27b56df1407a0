//! SSZ bytes, roots and refusals of every type that the vectors name.

use alloy_primitives::FixedBytes;
use libtest_mimic::Failed;
use quintet_components::containers::{
    AggregatedAttestation, Attestation, AttestationData, Block, BlockBody, BlockHeader,
    BlocksByRangeRequest, BlocksByRootRequest, Checkpoint, GenesisConfig, MultiMessageAggregate,
    ProofBytes, PublicKey, Root, Signature, SignedAggregatedAttestation, SignedAttestation,
    SignedBlock, SingleMessageAggregate, State, Status, Validator, Validators,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use ssz::{Decode, Encode};
use ssz_types::{BitList, BitVector, FixedVector, VariableList};
use tree_hash::TreeHash;
use typenum::{U4, U8, U32, U64, Unsigned};

use crate::vectors::{at, bytes, field, note, optional, same, unused};

/// A digest as the XMSS containers carry it: field elements, not yet checked to be canonical.
type Digest = FixedVector<u32, U8>;

#[derive(Debug, PartialEq, ssz_derive::Encode, ssz_derive::Decode, tree_hash_derive::TreeHash)]
struct HashTreeOpening {
    siblings: VariableList<Digest, U32>,
}

#[derive(Debug, PartialEq, ssz_derive::Encode, ssz_derive::Decode, tree_hash_derive::TreeHash)]
struct HashTreeLayer {
    start_index: u64,
    nodes: VariableList<Digest, U32>,
}

pub fn run(case: &Value) -> Result<(), Failed> {
    let name: String = field(case, "typeName")?;
    match name.as_str() {
        "AggregatedAttestation" => container::<AggregatedAttestation>(case),
        "Attestation" => container::<Attestation>(case),
        "AttestationData" => container::<AttestationData>(case),
        "Block" => container::<Block>(case),
        "BlockBody" => container::<BlockBody>(case),
        "BlockHeader" => container::<BlockHeader>(case),
        "BlocksByRangeRequest" => container::<BlocksByRangeRequest>(case),
        "BlocksByRootRequest" => container::<BlocksByRootRequest>(case),
        "ByteList512KiB" => container::<ProofBytes>(case),
        "Bytes32" => container::<Root>(case),
        "Bytes4" => container::<FixedBytes<4>>(case),
        "Bytes20" => container::<FixedBytes<20>>(case),
        "Bytes33" => container::<FixedBytes<33>>(case),
        "Bytes52" | "PublicKey" => container::<PublicKey>(case),
        "Bytes64" => container::<FixedBytes<64>>(case),
        "Checkpoint" => container::<Checkpoint>(case),
        "Config" | "GenesisConfig" => container::<GenesisConfig>(case),
        "MultiMessageAggregate" => container::<MultiMessageAggregate>(case),
        "Signature" => container::<Signature>(case),
        "SignedAggregatedAttestation" => container::<SignedAggregatedAttestation>(case),
        "SignedAttestation" => container::<SignedAttestation>(case),
        "SignedBlock" => container::<SignedBlock>(case),
        "SingleMessageAggregate" => container::<SingleMessageAggregate>(case),
        "State" => container::<State>(case),
        "Status" => container::<Status>(case),
        "Validator" => container::<Validator>(case),
        "Validators" => container::<Validators>(case),
        "Boolean" => value::<bool>(case, |value| json!(value)),
        "Uint8" => number::<u8>(case),
        "Uint16" => number::<u16>(case),
        "Uint32" => number::<u32>(case),
        "Uint64" => number::<u64>(case),
        "Fp" => value::<u32>(case, |value| json!(format!("Fp(value={value})"))),
        "HashTreeOpening" => value::<HashTreeOpening>(
            case,
            |opening| json!({ "siblings": digests(&opening.siblings) }),
        ),
        "HashTreeLayer" => value::<HashTreeLayer>(
            case,
            |layer| json!({ "startIndex": layer.start_index, "nodes": digests(&layer.nodes) }),
        ),
        "AttestationSubnets" => bit_vector::<U64>(case),
        "SyncCommitteeSubnets" => bit_vector::<U4>(case),
        name => sized(name, case),
    }
}

/// The vectors' own sample types: a prefix, the kind, and its length or limit.
fn sized(name: &str, case: &Value) -> Result<(), Failed> {
    let digits = name.len() - name.trim_end_matches(|digit: char| digit.is_ascii_digit()).len();
    let (kind, size) = name.split_at(name.len() - digits);
    let size: usize = size.parse()?;
    let kind = ["Sample", "Boundary", "Decode", "Smoke"]
        .iter()
        .find_map(|prefix| kind.strip_prefix(prefix))
        .ok_or_else(|| format!("unknown type {name}"))?;
    // Runs the expression with `N` as the size.
    macro_rules! by_size {
        ($run:expr) => {
            by_size!(
                $run; U1, U3, U4, U5, U7, U8, U9, U15, U16, U17, U31, U32, U33, U63, U64, U65,
                U127, U128, U129, U255, U256, U257, U511, U512, U513, U1024, U4096
            )
        };
        ($run:expr; $($number:ident),+) => {
            match size {
                $(size if size == typenum::$number::USIZE => {
                    type N = typenum::$number;
                    $run
                })+
                _ => Err(format!("{name}: no such size in this suite").into()),
            }
        };
    }
    match kind {
        "Bitlist" => by_size!(bit_list::<N>(case)),
        "Bitvector" => by_size!(bit_vector::<N>(case)),
        "Uint8List" => by_size!(list::<u8, N>(case)),
        "Uint16List" => by_size!(list::<u16, N>(case)),
        "Uint32List" => by_size!(list::<u32, N>(case)),
        "Uint64List" => by_size!(list::<u64, N>(case)),
        "Bytes32List" => by_size!(list::<Root, N>(case)),
        "Uint8Vector" => by_size!(vector::<u8, N>(case)),
        "Uint16Vector" => by_size!(vector::<u16, N>(case)),
        "Uint32Vector" => by_size!(vector::<u32, N>(case)),
        "Uint64Vector" => by_size!(vector::<u64, N>(case)),
        "Bytes32Vector" => by_size!(vector::<Root, N>(case)),
        _ => Err(format!("unknown type {name}").into()),
    }
}

fn digests(digests: &[Digest]) -> Value {
    let digests: Vec<Value> =
        digests.iter().map(|digest| json!({ "data": digest.to_vec() })).collect();
    json!({ "data": digests })
}

/// Types that the node reads and writes as JSON too.
fn container<T>(case: &Value) -> Result<(), Failed>
where
    T: Encode + Decode + TreeHash + PartialEq + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let Some(decoded) = bytes_and_root::<T>(case)? else { return Ok(()) };
    same("value", &field::<T>(case, "value")?, &decoded)
}

fn value<T>(case: &Value, to_json: impl Fn(&T) -> Value) -> Result<(), Failed>
where
    T: Encode + Decode + TreeHash,
{
    let Some(decoded) = bytes_and_root::<T>(case)? else { return Ok(()) };
    let expected = at(case, "value")?;
    note(expected);
    same("value", &to_json(&decoded), expected)
}

fn number<T: Encode + Decode + TreeHash + ToString>(case: &Value) -> Result<(), Failed> {
    value::<T>(case, |number| json!(number.to_string()))
}

fn bit_list<N: Unsigned + Clone>(case: &Value) -> Result<(), Failed> {
    value::<BitList<N>>(case, |bits| json!({ "data": bits.iter().collect::<Vec<_>>() }))
}

fn bit_vector<N: Unsigned + Clone>(case: &Value) -> Result<(), Failed> {
    value::<BitVector<N>>(case, |bits| json!({ "data": bits.iter().collect::<Vec<_>>() }))
}

fn list<T, N: Unsigned>(case: &Value) -> Result<(), Failed>
where
    T: Encode + Decode + TreeHash + Serialize + 'static,
{
    value::<VariableList<T, N>>(case, |items| json!({ "data": items.to_vec_of_json() }))
}

fn vector<T, N: Unsigned>(case: &Value) -> Result<(), Failed>
where
    T: Encode + Decode + TreeHash + Serialize + Default + Clone + 'static,
{
    value::<FixedVector<T, N>>(case, |items| json!({ "data": items.to_vec_of_json() }))
}

trait ToJson {
    fn to_vec_of_json(&self) -> Vec<Value>;
}

impl<T: Serialize> ToJson for [T] {
    fn to_vec_of_json(&self) -> Vec<Value> {
        self.iter().map(|item| json!(item)).collect()
    }
}

/// Decodes, encodes again and hashes. `None` where the vector wants a refusal and got one.
fn bytes_and_root<T: Encode + Decode + TreeHash>(case: &Value) -> Result<Option<T>, Failed> {
    let serialized = bytes(case, "serialized")?;
    if let Some(reason) = optional::<String>(case, "rejectionReason")? {
        same("reason", &reason.as_str(), &"DECODE_ERROR")?;
        same("what is refused", &bytes(case, "rawBytes")?, &serialized)?;
        same("root", &field::<String>(case, "root")?.as_str(), &"")?;
        // Such a vector has a value only because every vector has one.
        unused(case, &["value"]);
        return match T::from_ssz_bytes(&serialized) {
            Ok(_) => Err("malformed bytes were decoded".into()),
            Err(_) => Ok(None),
        };
    }
    let decoded = T::from_ssz_bytes(&serialized).map_err(|error| format!("decoding: {error:?}"))?;
    same("encoding", &decoded.as_ssz_bytes(), &serialized)?;
    same("root", &decoded.tree_hash_root(), &field::<Root>(case, "root")?)?;
    Ok(Some(decoded))
}
