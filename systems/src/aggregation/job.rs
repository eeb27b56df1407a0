//! One vote's aggregation: what goes in, decided from a snapshot, and the proof that comes out.

use std::sync::Arc;

use quintet_components::{
    chain::Registry,
    constants::MAX_PROOF_BYTES,
    containers::{
        AggregationBits, AttestationData, ProofBytes, Root, Signature, SingleMessageAggregate,
        ValidatorIndex,
    },
    rejection::RejectionReason,
};
use quintet_prover::{CancelToken, Child, ProofSystem, ProveError, RawSignature};

use super::select_proofs_for_coverage;
use crate::verification::vote_statement;

/// A vote's evidence at one moment.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The vote.
    pub data: AttestationData,
    /// Its root.
    pub root: Root,
    /// Payloads that wait for acceptance.
    pub new: Vec<Arc<SingleMessageAggregate>>,
    /// Payloads that count already.
    pub known: Vec<Arc<SingleMessageAggregate>>,
    /// Signatures that no payload has absorbed.
    pub signatures: Vec<(ValidatorIndex, Signature)>,
}

/// What one proof is made of.
#[derive(Clone, Debug)]
pub struct AggregationJob {
    /// The vote.
    pub data: AttestationData,
    /// Its root.
    pub root: Root,
    /// Proofs to fold, which may overlap.
    pub children: Vec<Arc<SingleMessageAggregate>>,
    /// Signatures of validators that no child covers, by validator, one each.
    pub signatures: Vec<(ValidatorIndex, Signature)>,
}

impl AggregationJob {
    /// Chooses a vote's inputs: existing proofs first, so that proofs stay shallow, then the
    /// signatures of those whom they leave out. `None` when nothing would be gained: no fresh
    /// signature and fewer than two proofs to join.
    pub fn plan(evidence: &Evidence) -> Option<Self> {
        let (children, covered) = select_proofs_for_coverage(&evidence.new, &evidence.known);
        let mut signatures: Vec<(ValidatorIndex, Signature)> = evidence
            .signatures
            .iter()
            .filter(|(index, _)| !covered.contains(*index))
            .cloned()
            .collect();
        signatures.sort_by_key(|(index, _)| *index);
        signatures.dedup_by_key(|(index, _)| *index);
        let useful = !signatures.is_empty() || children.len() >= 2;
        useful.then(|| Self { data: evidence.data, root: evidence.root, children, signatures })
    }

    /// Makes the proof.
    ///
    /// # Errors
    /// What the proof system says.
    pub fn run(
        &self,
        registry: &Registry,
        proofs: &dyn ProofSystem,
        cancel: &CancelToken,
    ) -> Result<SingleMessageAggregate, ProveError> {
        let signers: Vec<ValidatorIndex> = self
            .children
            .iter()
            .flat_map(|child| child.participants.indices())
            .chain(self.signatures.iter().map(|(index, _)| *index))
            .collect();
        let participants = AggregationBits::from_indices(signers.iter().copied())
            .map_err(|rejection| ProveError::Coverage(rejection.to_string()))?;
        let out_of_range = RejectionReason::ValidatorIndexOutOfRange;
        let statement =
            vote_statement(&self.data, self.root, &participants, registry, out_of_range)
                .map_err(|rejection| ProveError::Coverage(rejection.to_string()))?;
        let order: Vec<ValidatorIndex> = participants.indices().collect();
        let position = |index: ValidatorIndex| {
            order.binary_search(&index).expect("the participants are the union of all inputs")
        };
        let children: Vec<Child<'_>> = self
            .children
            .iter()
            .map(|child| Child {
                signers: child.participants.indices().map(position).collect(),
                proof: child.proof.as_bytes(),
            })
            .collect();
        let signatures: Vec<RawSignature<'_>> = self
            .signatures
            .iter()
            .map(|(index, signature)| RawSignature {
                signer: position(*index),
                signature: signature.as_bytes(),
            })
            .collect();
        let proof = proofs.aggregate(&statement, &children, &signatures, cancel)?;
        Ok(SingleMessageAggregate { participants, proof: proof_bytes(proof)? })
    }
}

/// Proof bytes as a block can carry them.
pub(crate) fn proof_bytes(bytes: Vec<u8>) -> Result<ProofBytes, ProveError> {
    let too_large = ProveError::TooLarge { bytes: bytes.len(), limit: MAX_PROOF_BYTES };
    ProofBytes::new(bytes).ok_or(too_large)
}
