//! One attestation's aggregation: what goes into its proofs, decided from a snapshot.

use std::sync::Arc;

use quintet_components::{
    aggregation::SkipReason,
    containers::{AttestationData, Root, Signature, SingleMessageAggregate, ValidatorIndex},
};

use crate::pool::{AggregationJob, Coverage, select_proofs_for_coverage};

/// An attestation's evidence at one moment.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The attestation.
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

/// The jobs that an attestation gives.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The jobs, the one that joins existing proofs first.
    pub jobs: Vec<AggregationJob>,
    /// Why the attestation, or one of its proofs, is left out, if it is.
    pub skipped: Option<SkipReason>,
}

impl Plan {
    /// Chooses an attestation's inputs: existing proofs first, so that proofs stay shallow, then the
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
