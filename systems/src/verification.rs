//! Signatures and proofs: which validators must have signed which message, and the resources that
//! check it.

use std::sync::Arc;

use bevy_ecs::prelude::Resource;
use leansig::scheme::Scheme;
use quintet_components::{
    chain::Registry,
    containers::{
        AggregationBits, AttestationData, Root, SignedBlock, SingleMessageAggregate, Slot,
        ValidatorIndex,
    },
    preset::SignaturePreset,
    rejection::{Rejection, RejectionReason},
};
use quintet_prover::{ProofSystem, Statement};
use tree_hash::TreeHash;

/// A signature to check: its key, slot and message.
#[derive(Clone, Copy, Debug)]
pub struct SignatureCheck<'a> {
    /// The signer's key.
    pub public_key: &'a [u8],
    /// The slot of the signature.
    pub slot: Slot,
    /// The message.
    pub message: &'a [u8; 32],
    /// The signature.
    pub signature: &'a [u8],
}

/// Checks signatures of one scheme. Returns a result for hostile bytes and never panics.
pub trait SignatureVerifier: Send + Sync + 'static {
    /// Returns for each signature, in order, true if it is valid.
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool>;
}

/// Checks XMSS signatures of a preset.
#[derive(Clone, Copy, Debug)]
pub struct XmssVerifier(Scheme);

impl XmssVerifier {
    /// Checks signatures of this preset.
    pub fn new(preset: SignaturePreset) -> Self {
        Self(scheme_of(preset))
    }
}

/// The XMSS instantiation of a preset.
pub const fn scheme_of(preset: SignaturePreset) -> Scheme {
    match preset {
        SignaturePreset::Production => Scheme::Lifetime32,
        SignaturePreset::Short => Scheme::Lifetime18,
        SignaturePreset::Test => Scheme::Lifetime8,
    }
}

impl SignatureVerifier for XmssVerifier {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        // A slot past the scheme's epochs cannot have been signed.
        let epochs = checks.iter().map(|check| u32::try_from(check.slot).ok());
        let items: Vec<_> = checks
            .iter()
            .zip(epochs.clone())
            .filter_map(|(check, epoch)| {
                Some((check.public_key, epoch?, check.message, check.signature))
            })
            .collect();
        let mut verdicts = self.0.verify_batch(&items).into_iter();
        epochs
            .map(|epoch| epoch.is_some() && verdicts.next().expect("one verdict an item").is_ok())
            .collect()
    }
}

/// The signature scheme of the run.
#[derive(Resource, Clone)]
pub struct Signatures(pub Arc<dyn SignatureVerifier>);

/// The proof system of the run.
#[derive(Resource, Clone)]
pub struct Proofs(pub Arc<dyn ProofSystem>);

/// The participants' attestation keys in ascending order.
///
/// # Errors
/// `EMPTY_AGGREGATION_BITS`, or `out_of_range` for an index that the registry does not have.
pub fn attestation_keys<'a>(
    participants: &AggregationBits,
    registry: &'a Registry,
    out_of_range: RejectionReason,
) -> Result<Vec<&'a [u8]>, Rejection> {
    participants.non_empty_count()?;
    participants
        .indices()
        .map(|index| match registry.attestation_key(index) {
            Some(key) => Ok(key.as_slice()),
            None => Err(out_of_range.because(format!("validator {index} of {}", registry.len()))),
        })
        .collect()
}

/// The statement that an aggregate for this attestation proves.
///
/// # Errors
/// Like [`attestation_keys`].
pub fn attestation_statement<'a>(
    data: &AttestationData,
    root: Root,
    participants: &AggregationBits,
    registry: &'a Registry,
    out_of_range: RejectionReason,
) -> Result<Statement<'a>, Rejection> {
    let public_keys = attestation_keys(participants, registry, out_of_range)?;
    Ok(Statement { slot: data.slot, message: root.0, public_keys })
}

/// The statement that a proposer's part of a block proof proves.
///
/// # Errors
/// `PROPOSER_INDEX_OUT_OF_RANGE`.
pub fn proposal_statement<'a>(
    slot: Slot,
    proposer_index: ValidatorIndex,
    block_root: Root,
    registry: &'a Registry,
) -> Result<Statement<'a>, Rejection> {
    let key = registry.proposal_key(proposer_index).ok_or_else(|| {
        RejectionReason::ProposerIndexOutOfRange
            .because(format!("validator {proposer_index} of {}", registry.len()))
    })?;
    Ok(Statement { slot, message: block_root.0, public_keys: vec![key.as_slice()] })
}

/// Checks an aggregate's proof.
///
/// # Errors
/// `EMPTY_AGGREGATION_BITS`, `VALIDATOR_NOT_IN_STATE`, `INVALID_SIGNATURE`.
pub fn verify_aggregate(
    data: &AttestationData,
    aggregate: &SingleMessageAggregate,
    registry: &Registry,
    proofs: &dyn ProofSystem,
) -> Result<(), Rejection> {
    let statement = attestation_statement(
        data,
        data.tree_hash_root(),
        &aggregate.participants,
        registry,
        RejectionReason::ValidatorNotInState,
    )?;
    proofs
        .verify_single(&statement, aggregate.proof.as_bytes())
        .map_err(|error| RejectionReason::InvalidSignature.because(error.to_string()))
}

/// The statements that a block's proof proves: every attestation of the body in order, then the
/// proposal.
///
/// # Errors
/// `EMPTY_AGGREGATION_BITS`, `VALIDATOR_INDEX_OUT_OF_RANGE`, `PROPOSER_INDEX_OUT_OF_RANGE`.
pub fn block_statements<'a>(
    block: &quintet_components::containers::Block,
    block_root: Root,
    registry: &'a Registry,
) -> Result<Vec<Statement<'a>>, Rejection> {
    let mut statements = Vec::with_capacity(block.body.attestations.len() + 1);
    for attestation in &block.body.attestations {
        statements.push(attestation_statement(
            &attestation.data,
            attestation.data.tree_hash_root(),
            &attestation.aggregation_bits,
            registry,
            RejectionReason::ValidatorIndexOutOfRange,
        )?);
    }
    statements.push(proposal_statement(block.slot, block.proposer_index, block_root, registry)?);
    Ok(statements)
}

/// Checks a block's proof.
///
/// # Errors
/// Like [`block_statements`], and `INVALID_BLOCK_PROOF`.
pub fn verify_block(
    signed: &SignedBlock,
    block_root: Root,
    registry: &Registry,
    proofs: &dyn ProofSystem,
) -> Result<(), Rejection> {
    let statements = block_statements(&signed.block, block_root, registry)?;
    proofs
        .verify_multi(&statements, signed.proof.proof.as_bytes())
        .map_err(|error| RejectionReason::InvalidBlockProof.because(error.to_string()))
}
