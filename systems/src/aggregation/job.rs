//! Decides from a snapshot what goes into the proofs of one attestation.

use std::sync::Arc;

use quintet_components::{
    aggregation::SkipReason,
    containers::{AttestationData, Root, Signature, SingleMessageAggregate, ValidatorIndex},
};

use crate::pool::{AggregationJob, Coverage, select_proofs_for_coverage};

/// The signatures and payloads of an attestation at one moment.
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
    /// Signatures that are in no payload yet.
    pub signatures: Vec<(ValidatorIndex, Signature)>,
}

/// The jobs for an attestation.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The jobs, the one that joins existing proofs first.
    pub jobs: Vec<AggregationJob>,
    /// The reason the attestation, or one of its proofs, is left out; `None` if nothing is left
    /// out.
    pub skipped: Option<SkipReason>,
}

impl Plan {
    /// Chooses an attestation's inputs: existing proofs first, so that proofs stay shallow, then
    /// the signatures of validators that these leave out. A proof has at most `max_signers`
    /// signers, so many signatures are divided among several jobs. A job needs a fresh signature or
    /// two proofs to join.
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
