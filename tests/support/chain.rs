//! A chain to grow: genesis, blocks with real state roots, attestations and aggregates.

use std::sync::Arc;

use quintet_components::{
    containers::{
        AggregatedAttestation, AggregatedAttestations, AggregationBits, AttestationData, Block,
        BlockBody, MultiMessageAggregate, ProofBytes, PublicKey, Root, Signature,
        SignedAggregatedAttestation, SignedAttestation, SignedBlock, SingleMessageAggregate, State,
        Validator, ValidatorIndex, Validators,
    },
    preset::SignaturePreset,
    rejection::Rejection,
};
use quintet_plugins::Anchor;
use quintet_systems::{
    transition::{anchor_block, generate_genesis, process_block, process_slots, proposer_for_slot},
    verification::{SignatureCheck, SignatureVerifier},
};
use tree_hash::TreeHash;

use super::mocked;

/// Unix time of slot 0 in seconds.
pub const GENESIS_TIME: u64 = 1_000;

/// Takes every signature for valid, for tests of what happens after the check.
pub struct AcceptAll;

impl SignatureVerifier for AcceptAll {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        vec![true; checks.len()]
    }
}

/// Validators with keys that nobody can sign for.
pub fn validators(count: u64) -> Validators {
    let key = |index: u64| PublicKey::right_padding_from(&index.to_be_bytes());
    let validators = (0..count).map(|index| Validator {
        attestation_public_key: key(2 * index + 1),
        proposal_public_key: key(2 * index + 2),
        index,
    });
    Validators::new(validators.collect()).expect("in order and few")
}

/// Genesis with this many validators.
pub fn genesis(validator_count: u64) -> Anchor {
    let state = generate_genesis(GENESIS_TIME, validators(validator_count));
    let block = anchor_block(&state);
    Anchor { state: Arc::new(state), block }
}

/// A valid block without its proof, and its post-state.
///
/// # Errors
/// Those of the transition, for the slot or the attestations.
pub fn build_on(
    parent: &State,
    slot: u64,
    attestations: Vec<AggregatedAttestation>,
) -> Result<(Block, State), Rejection> {
    let mut state = parent.clone();
    process_slots(&mut state, slot)?;
    let mut block = Block {
        slot,
        proposer_index: proposer_for_slot(slot, state.validators.len())?,
        parent_root: state.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: body(attestations),
    };
    process_block(&mut state, &block)?;
    block.state_root = state.tree_hash_root();
    Ok((block, state))
}

/// A body with these attestations.
pub fn body(attestations: Vec<AggregatedAttestation>) -> BlockBody {
    let attestations = AggregatedAttestations::new(attestations).expect("at most 4096");
    BlockBody { attestations }
}

/// A block in the envelope that peers send, with a placeholder proof.
pub fn signed(block: Block) -> SignedBlock {
    let proof = proof(&block.tree_hash_root().to_string());
    SignedBlock { block, proof: MultiMessageAggregate { proof } }
}

/// A placeholder proof; another text, another proof.
pub fn proof(text: &str) -> ProofBytes {
    ProofBytes::new(mocked::placeholder_of(text)).expect("a placeholder is short")
}

/// The bits of these validators; none set for none.
pub fn bits(indices: &[ValidatorIndex]) -> AggregationBits {
    AggregationBits::from_indices(indices.iter().copied()).unwrap_or_default()
}

/// An attestation as a block carries it.
pub fn aggregated(data: AttestationData, indices: &[ValidatorIndex]) -> AggregatedAttestation {
    AggregatedAttestation { aggregation_bits: bits(indices), data }
}

/// An attestation with a placeholder proof of these participants, as gossip carries it.
pub fn aggregate(data: AttestationData, indices: &[ValidatorIndex]) -> SignedAggregatedAttestation {
    let proof = proof(&format!("{} {indices:?}", data.tree_hash_root()));
    SignedAggregatedAttestation {
        data,
        proof: SingleMessageAggregate { participants: bits(indices), proof },
    }
}

/// One validator's attestation with a signature that only [`AcceptAll`] takes.
pub fn attested_by(data: AttestationData, validator_index: ValidatorIndex) -> SignedAttestation {
    let signature = Signature::placeholder(SignaturePreset::Test);
    SignedAttestation { validator_index, data, signature }
}
