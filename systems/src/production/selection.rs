//! Which votes a block carries.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use quintet_components::{
    constants::MAX_ATTESTATIONS_DATA,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AttestationData, Block, BlockBody, Root,
        SingleMessageAggregate, State,
    },
    rejection::Rejection,
};

use quintet_prover::ProofSystem;

use super::ChainView;
use crate::{
    aggregation::{ConsensusValue, Coverage, Valuation, select_proofs_for_coverage},
    transition::{pending_votes, process_block},
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
/// heads.
///
/// The body is in the order of the targets' slots, then of the pool. When not everything has room,
/// in number or in the block's proof, what finalizes goes before what justifies before what builds
/// towards it, then what adds more voters to those that the chain counts for its target: in the order
/// of targets alone, old votes that add nothing would fill every block while finality stalls.
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
    // A vote without a payload has nothing to put into a block.
    let mut ordered: Vec<&Candidate> =
        candidates.iter().filter(|candidate| !candidate.payloads.is_empty()).collect();
    ordered.sort_by_key(|candidate| candidate.data.target.slot);
    let mut view = ChainView::of(parent, block.parent_root, block.slot)?;
    let mut selected: Vec<Candidate> = Vec::new();
    let mut seen: HashSet<usize> = HashSet::new();
    let mut budget = Budget::new(proofs);
    loop {
        let mut round = Round::default();
        for (place, candidate) in ordered.iter().enumerate() {
            if !seen.contains(&place) && view.wants(&candidate.data)? {
                round.enter(parent, place, candidate);
            }
        }
        round.value(&Valuation::through(parent, view.clone()));
        let mut picked = Vec::new();
        while selected.len() + picked.len() < MAX_ATTESTATIONS_DATA {
            let Some(Entry { place, candidate, .. }) = round.pick() else { break };
            seen.insert(place);
            let (payloads, _) = select_proofs_for_coverage(&candidate.payloads, &[]);
            let data = candidate.data;
            let fitting = budget.take(&payloads);
            if fitting.is_empty() {
                tracing::debug!(slot = data.slot, "a vote does not fit into the block's proof");
                continue;
            }
            round.count(&data, &fitting);
            picked.push((place, Candidate { data, payloads: fitting }));
        }
        if picked.is_empty() {
            return Ok(selected);
        }
        picked.sort_unstable_by_key(|(place, _)| *place);
        selected.extend(picked.into_iter().map(|(_, candidate)| candidate));
        let mut post = advanced.clone();
        let trial = Block { body: body_of(&selected), ..block.clone() };
        process_block(&mut post, &trial)?;
        if !view.advance(&post) {
            return Ok(selected);
        }
    }
}

/// The votes that one pass chooses from.
#[derive(Default)]
struct Round<'a> {
    entries: Vec<Entry<'a>>,
    /// For each target: who is counted so far, and who would be with every vote that there is.
    targets: HashMap<Root, (Coverage, Coverage)>,
}

struct Entry<'a> {
    /// Its place in the body's order.
    place: usize,
    candidate: &'a Candidate,
    voters: Coverage,
    value: ConsensusValue,
}

impl<'a> Round<'a> {
    fn enter(&mut self, parent: &State, place: usize, candidate: &'a Candidate) {
        let mut voters = Coverage::default();
        for payload in &candidate.payloads {
            voters.add(&Coverage::of(&payload.participants));
        }
        let target = candidate.data.target.root;
        let (_, all) = self.targets.entry(target).or_insert_with(|| {
            let mut counted = Coverage::default();
            counted.add_words(&pending_votes(parent, &target));
            (counted.clone(), counted)
        });
        all.add(&voters);
        self.entries.push(Entry { place, candidate, voters, value: ConsensusValue::Weight });
    }

    /// Says of each vote what all votes for its target bring about together.
    fn value(&mut self, valuation: &Valuation<'_>) {
        for entry in &mut self.entries {
            let data = &entry.candidate.data;
            entry.value = valuation.of(data, &self.targets[&data.target.root].1);
        }
    }

    /// Takes out the vote that is worth most: by what its target's votes bring about together, then
    /// by the voters that it adds, then in the body's order; of those that add none, the newest.
    fn pick(&mut self) -> Option<Entry<'a>> {
        let rank = |entry: &Entry<'_>| {
            let data = &entry.candidate.data;
            let gain = entry.voters.count_beyond(&self.targets[&data.target.root].0);
            let age = if gain == 0 { Reverse(data.slot) } else { Reverse(0) };
            (Reverse(entry.value), Reverse(gain), age, entry.place)
        };
        let best = (0..self.entries.len()).min_by_key(|index| rank(&self.entries[*index]))?;
        Some(self.entries.swap_remove(best))
    }

    /// Counts the voters of a vote that was chosen.
    fn count(&mut self, data: &AttestationData, payloads: &[Arc<SingleMessageAggregate>]) {
        if let Some((counted, _)) = self.targets.get_mut(&data.target.root) {
            for payload in payloads {
                counted.add(&Coverage::of(&payload.participants));
            }
        }
    }
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
