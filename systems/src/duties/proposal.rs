//! The tasks of a proposal: a block is built, then signed and proved.

use std::time::Instant;

use quintet_components::{
    chain::Registry,
    containers::{MultiMessageAggregate, SignedBlock},
    duties::{BLOCKS_LOG, MissReason, Role, SignRequest, Signing},
    prover::ProverStatus,
    task::TaskPanic,
};
use quintet_prover::{CancelToken, ProofSystem, ProveError, RawSignature};

use crate::{
    pool::proof_bytes,
    production::{BlockInputs, BuildError, BuiltBlock, build_block},
    verification::block_statements,
};

/// The reason there is no block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: MissReason,
    pub(super) why: String,
}

impl Failure {
    pub(super) fn new(reason: MissReason, why: impl ToString) -> Self {
        Self { reason, why: why.to_string() }
    }
}

impl From<ProveError> for Failure {
    fn from(error: ProveError) -> Self {
        let reason = match error {
            ProveError::Cancelled => MissReason::NotReady,
            _ => MissReason::ProofFailed,
        };
        Self::new(reason, error)
    }
}

impl From<TaskPanic> for Failure {
    fn from(panic: TaskPanic) -> Self {
        Self::new(MissReason::Panicked, panic)
    }
}

/// An unsigned block with the proofs of its attestations.
pub(super) type Built = Result<BuiltBlock, Failure>;

/// A signed and proved block.
pub(super) type Signed = Result<SignedBlock, Failure>;

/// Builds the block, except for the part that needs the proposer's signature.
pub(super) fn build(inputs: &BlockInputs, proofs: &dyn ProofSystem, cancel: &CancelToken) -> Built {
    let begin = Instant::now();
    let built = build_block(inputs, proofs, cancel).map_err(|error| match error {
        BuildError::Rejected(rejection) => Failure::new(MissReason::NotAllowed, rejection),
        BuildError::Prove(error) => error.into(),
    });
    let built_ms = begin.elapsed().as_secs_f64() * 1000.0;
    tracing::debug!(target: BLOCKS_LOG, slot = inputs.slot, built_ms, "block built");
    built
}

/// Signs a block, proves the signature, and merges it with the proofs of the block's attestations.
pub(super) fn sign(
    built: &BuiltBlock,
    registry: &Registry,
    signing: &Signing,
    proofs: &dyn ProofSystem,
    cancel: &CancelToken,
) -> Signed {
    if cancel.is_cancelled() {
        // The slot is over: there is nothing left to sign for it.
        return Err(ProveError::Cancelled.into());
    }
    let block = &built.block;
    let signature = signing
        .0
        .sign(&SignRequest {
            index: block.proposer_index,
            role: Role::Proposer,
            slot: block.slot,
            message: built.root,
        })
        .map_err(|error| Failure::new(MissReason::NotSigned, error))?;
    let statements = block_statements(block, built.root, registry)
        .map_err(|rejection| Failure::new(MissReason::NotAllowed, rejection))?;
    let (proposal, attestations) = statements.split_last().expect("the proposal is the last");
    let raw = [RawSignature { signer: 0, signature: signature.as_bytes() }];
    let proposal_proof = proofs.aggregate(proposal, &[], &raw, cancel)?;
    let mut parts: Vec<_> = attestations
        .iter()
        .cloned()
        .zip(built.proofs.iter().map(|payload| payload.proof.as_bytes()))
        .collect();
    parts.push((proposal.clone(), &proposal_proof));
    let proof = proof_bytes(proofs.merge(&parts, cancel)?)?;
    Ok(SignedBlock { block: block.clone(), proof: MultiMessageAggregate { proof } })
}

/// The status of a built block on the prover's timeline.
pub(super) fn summarize_built(built: &Built) -> ProverStatus {
    summarize(built, |block| block.proofs.iter().map(|each| each.proof.as_bytes().len()).sum())
}

/// The status of a signed block on the prover's timeline.
pub(super) fn summarize_signed(signed: &Signed) -> ProverStatus {
    summarize(signed, |block| block.proof.proof.as_bytes().len())
}

fn summarize<T>(outcome: &Result<T, Failure>, bytes: impl Fn(&T) -> usize) -> ProverStatus {
    match outcome {
        Ok(made) => ProverStatus::Proved { bytes: bytes(made) },
        Err(Failure { reason: MissReason::NotReady, .. }) => ProverStatus::Cancelled,
        Err(failure) => ProverStatus::Failed(failure.why.clone()),
    }
}
