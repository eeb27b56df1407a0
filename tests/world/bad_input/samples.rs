//! Every container with a decoder, a reader, its fields and valid values of it.

use std::sync::OnceLock;

use quintet_components::{
    containers::{
        AggregatedAttestation, AggregatedAttestations, AggregationBits, Attestation,
        AttestationData, Block, BlockBody, BlockHeader, BlocksByRangeRequest, BlocksByRootRequest,
        Checkpoint, GenesisConfig, JustificationVotes, JustifiedSlots, MultiMessageAggregate,
        ProofBytes, PublicKey, RequestedRoots, Root, RootList, Signature,
        SignedAggregatedAttestation, SignedAttestation, SignedBlock, SingleMessageAggregate, State,
        Status, Validator, Validators,
    },
    json,
    preset::SignaturePreset,
};
use serde::{Serialize, de::DeserializeOwned};
use ssz::{Decode, DecodeError, Encode};

use crate::support::chain;

/// One type that arrives as bytes or as JSON.
pub struct Kind {
    pub name: &'static str,
    /// The fields of a container; none for lists and bytes, which are a field themselves.
    pub fields: &'static [&'static str],
    /// Decodes, and encodes what came out.
    pub decode: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    pub read: fn(&str) -> Result<(), json::JsonError>,
    /// Valid encodings, as bytes and as JSON.
    pub samples: Vec<(Vec<u8>, serde_json::Value)>,
}

fn kind<const COUNT: usize, T: Encode + Decode + Serialize + DeserializeOwned>(
    name: &'static str,
    fields: &'static [&'static str],
    values: [T; COUNT],
) -> Kind {
    let sample = |value: T| {
        (value.as_ssz_bytes(), serde_json::to_value(&value).expect("every container is JSON"))
    };
    Kind {
        name,
        fields,
        decode: |bytes| T::from_ssz_bytes(bytes).map(|value| value.as_ssz_bytes()),
        read: |text| json::from_str::<T>(text).map(drop),
        samples: values.into_iter().map(sample).collect(),
    }
}

/// A list of kinds: type, fields, valid values.
macro_rules! kinds {
    ($($type:ident { $($field:ident),* } $values:expr;)+) => {
        vec![$(kind::<_, $type>(stringify!($type), &[$(stringify!($field)),*], $values)),+]
    };
}

pub fn kinds() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(all)
}

fn all() -> Vec<Kind> {
    let checkpoint = |slot| Checkpoint { root: Root::repeat_byte(0xab), slot };
    let data = AttestationData {
        slot: 7,
        head: checkpoint(6),
        target: checkpoint(4),
        source: checkpoint(1),
    };
    let state = state();
    let attestation = chain::aggregated(data, &[0, 3, 9]);
    let attestations = AggregatedAttestations::new(vec![
        attestation.clone(),
        chain::aggregated(AttestationData::default(), &[4095]),
    ])
    .expect("two");
    let body = BlockBody { attestations: attestations.clone() };
    let block = Block { slot: 8, proposer_index: 2, body: body.clone(), ..Block::default() };
    let signed = chain::signed(block.clone());
    let aggregate = chain::aggregate(data, &[1, 2]);
    let signatures = SignaturePreset::ALL.map(Signature::placeholder);
    let vote = |signature: &Signature| SignedAttestation {
        signature: signature.clone(),
        ..chain::attested_by(data, 5)
    };
    let roots = RootList::new((0..9).map(Root::repeat_byte).collect()).expect("nine");
    let request =
        RequestedRoots(vec![Root::repeat_byte(1); 3].try_into().expect("below the limit"));
    let validators = chain::validators(3);
    kinds! {
        AggregatedAttestation { aggregation_bits, data } [attestation];
        AggregatedAttestations {} [AggregatedAttestations::default(), attestations];
        AggregationBits {} [AggregationBits::default(), chain::bits(&[0, 7, 8, 100])];
        Attestation { validator_index, data } [Attestation { validator_index: 3, data }];
        AttestationData { slot, head, target, source } [data];
        Block { slot, proposer_index, parent_root, state_root, body } [Block::default(), block];
        BlockBody { attestations } [BlockBody::default(), body];
        BlockHeader { slot, proposer_index, parent_root, state_root, body_root }
            [state.latest_block_header];
        BlocksByRangeRequest { start_slot, count }
            [BlocksByRangeRequest { start_slot: 1, count: 2 }];
        BlocksByRootRequest { roots } [BlocksByRootRequest { roots: request.clone() }];
        Checkpoint { root, slot } [checkpoint(3)];
        GenesisConfig { genesis_time } [GenesisConfig { genesis_time: 9 }];
        JustificationVotes {} [JustificationVotes::default(), (0..700).map(|i| i % 3 == 0).collect()];
        JustifiedSlots {} [JustifiedSlots::default(), (0..130).map(|i| i % 7 == 0).collect()];
        MultiMessageAggregate { proof } [MultiMessageAggregate::default(), signed.proof.clone()];
        ProofBytes {} [ProofBytes::default(), chain::proof("a")];
        PublicKey {} [PublicKey::repeat_byte(5)];
        RequestedRoots {} [RequestedRoots::default(), request];
        RootList {} [RootList::default(), roots];
        Signature {} [signatures[0].clone(), signatures[1].clone(), signatures[2].clone()];
        SignedAggregatedAttestation { data, proof } [aggregate.clone()];
        SignedAttestation { validator_index, data, signature }
            [vote(&signatures[0]), vote(&signatures[1]), vote(&signatures[2])];
        SignedBlock { block, proof } [chain::signed(Block::default()), signed];
        SingleMessageAggregate { participants, proof }
            [SingleMessageAggregate::default(), aggregate.proof];
        State {
            config, slot, latest_block_header, latest_justified, latest_finalized,
            historical_block_hashes, justified_slots, validators, justifications_roots,
            justifications_validators
        } [State::default(), state];
        Status { finalized, head } [Status { finalized: checkpoint(1), head: checkpoint(2) }];
        Validator { attestation_public_key, proposal_public_key, index }
            [validators.get(1).expect("three").clone()];
        Validators {} [Validators::default(), validators];
    }
}

/// A state with something in each of its lists.
fn state() -> State {
    let anchor = chain::genesis(6);
    let root = |state: &State| {
        let mut header = state.latest_block_header;
        header.state_root = tree_hash::TreeHash::tree_hash_root(state);
        tree_hash::TreeHash::tree_hash_root(&header)
    };
    let genesis = Checkpoint { root: root(&anchor.state), slot: 0 };
    let (_, first) = chain::build_on(&anchor.state, 1, vec![]).expect("valid");
    let one = Checkpoint { root: root(&first), slot: 1 };
    let vote = |target| AttestationData { slot: 3, head: target, target, source: genesis };
    let votes = vec![chain::aggregated(vote(one), &[0, 1, 2, 3])];
    let (_, second) = chain::build_on(&first, 3, votes).expect("valid");
    let three = Checkpoint { root: root(&second), slot: 3 };
    let votes = vec![chain::aggregated(vote(three), &[0, 5])];
    let (_, third) = chain::build_on(&second, 4, votes).expect("valid");
    assert_eq!((third.latest_justified, third.justifications_roots.len()), (one, 1));
    third
}
