//! One vote's aggregation: what goes in, decided from a snapshot, and the proof that comes out.

use std::sync::Arc;

use quintet_components::{
    aggregation::SkipReason,
    chain::Registry,
    constants::MAX_PROOF_BYTES,
    containers::{
        AggregationBits, AttestationData, ProofBytes, Root, Signature, SingleMessageAggregate,
        ValidatorIndex,
    },
    rejection::RejectionReason,
};
use quintet_prover::{CancelToken, Child, ProofSystem, ProveError, RawSignature};

use crate::pool::{Coverage, select_proofs_for_coverage};
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

/// What comes of planning a vote.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The jobs, the one that joins existing proofs first.
    pub jobs: Vec<AggregationJob>,
    /// Why the vote, or one of its proofs, is left out, if it is.
    pub skipped: Option<SkipReason>,
}

impl Plan {
    /// Chooses a vote's inputs: existing proofs first, so that proofs stay shallow, then the
    /// signatures of those whom they leave out. A proof has at most `max_signers` signers, so that
    /// many signatures are spread over several jobs. No job without a fresh signature or two
    /// proofs to join.
    pub fn of(evidence: &Evidence, max_signers: usize) -> Self {
        let mut plan = Self::default();
        let (picks, _) = select_proofs_for_coverage(&evidence.new, &evidence.known);
        let mut covered = Coverage::default();
        let mut children = Vec::new();
        for pick in picks {
            let mut with = covered.clone();
            with.add(&Coverage::of(&pick.participants));
            if with.count() > max_signers {
                plan.skipped = Some(SkipReason::TooLarge);
                continue;
            }
            covered = with;
            children.push(pick);
        }
        let mut signatures: Vec<(ValidatorIndex, Signature)> = evidence
            .signatures
            .iter()
            .filter(|(index, _)| !covered.contains(*index))
            .cloned()
            .collect();
        signatures.sort_by_key(|(index, _)| *index);
        signatures.dedup_by_key(|(index, _)| *index);
        let rest = signatures.split_off(signatures.len().min(max_signers - covered.count()));

        let (data, root) = (evidence.data, evidence.root);
        if !signatures.is_empty() || children.len() >= 2 {
            plan.jobs.push(AggregationJob { data, root, children, signatures });
        } else if children.len() == 1 && rest.is_empty() {
            plan.skipped.get_or_insert(SkipReason::LoneProof);
        }
        plan.jobs.extend(rest.chunks(max_signers.max(1)).map(|signatures| AggregationJob {
            data,
            root,
            children: Vec::new(),
            signatures: signatures.to_vec(),
        }));
        plan
    }
}

/// Signers of an aggregate at most, so that a block can carry it beside its proposer's signature.
pub fn max_signers(proofs: &dyn ProofSystem) -> usize {
    let fits = |signers: usize| proofs.multi_proof_bytes(&[signers, 1]) <= proofs.max_proof_bytes();
    let (mut low, mut high) = (0, proofs.max_signers());
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

impl AggregationJob {
    /// Who would be in the proof.
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

    /// The bytes of all proofs and signatures that go in.
    pub fn bytes(&self) -> usize {
        let proofs = self.children.iter().map(|child| child.proof.as_bytes().len());
        let signatures = self.signatures.iter().map(|(_, each)| each.as_bytes().len());
        proofs.chain(signatures).sum()
    }

    /// The attestation subnet of all signers, when it is one.
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
