//! Which votes a block carries.

use std::{collections::HashSet, sync::Arc};

use quintet_components::{
    constants::MAX_ATTESTATIONS_DATA,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AttestationData, Block, BlockBody,
        SingleMessageAggregate, State,
    },
    rejection::Rejection,
};

use quintet_prover::ProofSystem;

use super::ChainView;
use crate::{
    aggregation::{Coverage, select_proofs_for_coverage},
    transition::process_block,
};

/// A vote with the payloads that a block could carry for it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The vote.
    pub data: AttestationData,
    /// Its payloads.
    pub payloads: Vec<Arc<SingleMessageAggregate>>,
}

/// Selects a block's votes: including votes justifies checkpoints, which makes further votes
/// eligible, so passes over the candidates repeat until one adds nothing. `advanced` is the
/// parent's post-state at the block's slot; candidates are in pool order, and the node knows their
/// heads. What the block's proof has no room for is left out.
///
/// # Errors
/// What the transition of a trial block says.
pub fn select_attestations(
    parent: &State,
    advanced: &State,
    block: &Block,
    candidates: &[Candidate],
    proofs: &dyn ProofSystem,
) -> Result<Vec<Candidate>, Rejection> {
    let mut ordered: Vec<&Candidate> = candidates.iter().collect();
    ordered.sort_by_key(|candidate| candidate.data.target.slot);
    let mut view = ChainView::of(parent, block.parent_root, block.slot)?;
    let mut selected: Vec<Candidate> = Vec::new();
    let mut taken: HashSet<AttestationData> = HashSet::new();
    let mut budget = Budget::new(proofs);
    loop {
        let before = selected.len();
        for candidate in &ordered {
            if selected.len() >= MAX_ATTESTATIONS_DATA {
                break;
            }
            let data = candidate.data;
            if taken.contains(&data) || !view.wants(&data)? {
                continue;
            }
            taken.insert(data);
            let (payloads, _) = select_proofs_for_coverage(&candidate.payloads, &[]);
            let fitting = budget.take(&payloads);
            if fitting.is_empty() && !payloads.is_empty() {
                tracing::debug!(slot = data.slot, "a vote does not fit into the block's proof");
                continue;
            }
            selected.push(Candidate { data, payloads: fitting });
        }
        if selected.len() == before {
            break;
        }
        let mut post = advanced.clone();
        let trial = Block { body: body_of(&selected), ..block.clone() };
        process_block(&mut post, &trial)?;
        if !view.advance(&post) {
            break;
        }
    }
    // A vote without a payload has nothing to put into a block.
    selected.retain(|candidate| !candidate.payloads.is_empty());
    Ok(selected)
}

/// What the block's one proof still has room for.
struct Budget<'a> {
    proofs: &'a dyn ProofSystem,
    /// The signers of each statement so far: the proposer, then each vote's.
    signers: Vec<usize>,
}

impl<'a> Budget<'a> {
    fn new(proofs: &'a dyn ProofSystem) -> Self {
        Self { proofs, signers: vec![1] }
    }

    /// The payloads of one vote that fit together, in the order of preference.
    fn take(
        &mut self,
        payloads: &[Arc<SingleMessageAggregate>],
    ) -> Vec<Arc<SingleMessageAggregate>> {
        let mut covered = Coverage::default();
        let mut fitting = Vec::new();
        for payload in payloads {
            let mut with = covered.clone();
            with.add(&Coverage::of(&payload.participants));
            if self.fits(with.count()) {
                covered = with;
                fitting.push(Arc::clone(payload));
            }
        }
        if !fitting.is_empty() {
            self.signers.push(covered.count());
        }
        fitting
    }

    fn fits(&mut self, signers: usize) -> bool {
        let limit = self.proofs.max_proof_bytes();
        self.signers.push(signers);
        let together = self.proofs.multi_proof_bytes(&self.signers);
        self.signers.pop();
        together <= limit && self.proofs.single_proof_bytes(signers) <= limit
    }
}

/// One attestation a payload, in order of selection.
fn body_of(selected: &[Candidate]) -> BlockBody {
    let attestations = selected.iter().flat_map(|candidate| {
        candidate.payloads.iter().map(|payload| AggregatedAttestation {
            aggregation_bits: payload.participants.clone(),
            data: candidate.data,
        })
    });
    BlockBody {
        attestations: AggregatedAttestations::new(attestations.collect())
            .expect("eight votes have fewer than 4096 payloads that add coverage"),
    }
}
