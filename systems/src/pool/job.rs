//! The inputs of an aggregated payload, and how it is made.

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

use super::Coverage;
use crate::verification::attestation_statement;

/// The inputs of one proof.
#[derive(Clone, Debug)]
pub struct AggregationJob {
    /// The attestation.
    pub data: AttestationData,
    /// Its root.
    pub root: Root,
    /// Proofs to join. They may overlap.
    pub children: Vec<Arc<SingleMessageAggregate>>,
    /// Signatures of validators that no child covers, sorted by validator, one each.
    pub signatures: Vec<(ValidatorIndex, Signature)>,
}

impl AggregationJob {
    /// The validators in the proof.
    pub fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for child in &self.children {
            coverage.add(&Coverage::of(&child.participants));
        }
        for (index, _) in &self.signatures {
            coverage.insert(*index);
        }
        coverage
    }

    /// The size of all proofs and signatures that are inputs, in bytes.
    pub fn bytes(&self) -> usize {
        let proofs = self.children.iter().map(|child| child.proof.as_bytes().len());
        let signatures = self.signatures.iter().map(|(_, each)| each.as_bytes().len());
        proofs.chain(signatures).sum()
    }

    /// The attestation subnet of all signers, if they have the same one.
    pub fn subnet(&self, committees: u64) -> Option<u64> {
        let fresh = self.signatures.iter().map(|(index, _)| *index);
        let joined = self.children.iter().flat_map(|child| child.participants.indices());
        let mut subnets = fresh.chain(joined).map(|index| index % committees.max(1));
        let first = subnets.next()?;
        subnets.all(|subnet| subnet == first).then_some(first)
    }

    /// Makes the proof.
    ///
    /// # Errors
    /// The error of the proof system.
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
            attestation_statement(&self.data, self.root, &participants, registry, out_of_range)
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

/// Converts proof bytes to the type in blocks.
///
/// # Errors
/// [`ProveError::TooLarge`].
pub fn proof_bytes(bytes: Vec<u8>) -> Result<ProofBytes, ProveError> {
    let too_large = ProveError::TooLarge { bytes: bytes.len(), limit: MAX_PROOF_BYTES };
    ProofBytes::new(bytes).ok_or(too_large)
}
