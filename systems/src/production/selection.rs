//! Which votes a block carries.

use std::{
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

use crate::{
    pool::{Coverage, select_proofs_for_coverage},
    transition::{ChainView, pending_votes, process_block},
};

/// Votes that add no voter and yet have their place in the order: all of a block's but one.
const MAX_IDLE: usize = MAX_ATTESTATIONS_DATA - 1;

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
/// The body is in the order of the targets' slots, then of the pool, and so is who has room, in number
/// and in the block's proof. But of votes that add no voter to those that the chain counts for their
/// target, only the first seven go before others: they would fill every block while finality
/// stalls.
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
    let mut idle = 0;
    loop {
        let mut round = Round::default();
        for (place, candidate) in ordered.iter().enumerate() {
            if !seen.contains(&place) && view.wants(&candidate.data)? {
                round.enter(parent, place, candidate);
            }
        }
        let mut picked = Vec::new();
        while selected.len() + picked.len() < MAX_ATTESTATIONS_DATA {
            let Some(Entry { place, candidate, .. }) = round.pick(&mut idle) else { break };
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
    /// For each target: who is counted so far.
    targets: HashMap<Root, Coverage>,
}

struct Entry<'a> {
    /// Its place in the body's order.
    place: usize,
    candidate: &'a Candidate,
    voters: Coverage,
}

impl<'a> Round<'a> {
    fn enter(&mut self, parent: &State, place: usize, candidate: &'a Candidate) {
        let mut voters = Coverage::default();
        for payload in &candidate.payloads {
            voters.add(&Coverage::of(&payload.participants));
        }
        let target = candidate.data.target.root;
        self.targets.entry(target).or_insert_with(|| {
            let mut counted = Coverage::default();
            counted.add_words(&pending_votes(parent, &target));
            counted
        });
        self.entries.push(Entry { place, candidate, voters });
    }

    /// Takes out the first vote in the body's order. Once so many were `idle` as may be, those that
    /// are go last.
    fn pick(&mut self, idle: &mut usize) -> Option<Entry<'a>> {
        let adds_none = |entry: &Entry<'_>| {
            entry.voters.count_beyond(&self.targets[&entry.candidate.data.target.root]) == 0
        };
        let rank = |entry: &Entry<'_>| {
            let waits = *idle >= MAX_IDLE && adds_none(entry);
            (waits, entry.place)
        };
        let best = (0..self.entries.len()).min_by_key(|index| rank(&self.entries[*index]))?;
        *idle += usize::from(adds_none(&self.entries[best]));
        Some(self.entries.swap_remove(best))
    }

    /// Counts the voters of a vote that was chosen.
    fn count(&mut self, data: &AttestationData, payloads: &[Arc<SingleMessageAggregate>]) {
        if let Some(counted) = self.targets.get_mut(&data.target.root) {
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
