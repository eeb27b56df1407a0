//! The content of a block, within its limits.

use std::sync::Arc;

use quintet_components::{
    constants::MAX_ATTESTATIONS_DATA,
    containers::{
        AggregatedAttestation, AggregatedAttestations, BlockBody, SingleMessageAggregate,
    },
};
use quintet_prover::{MergePart, ProofSystem};

use super::selection::Candidate;
use crate::pool::Coverage;

/// One payload that a block may have.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    /// The position of its attestation in the body: a round, then its position among the candidates.
    pub(super) place: (usize, usize),
    pub(super) candidate: &'a Candidate,
    pub(super) payload: Arc<SingleMessageAggregate>,
    pub(super) voters: Coverage,
}

impl<'a> Item<'a> {
    pub(super) fn new(
        place: (usize, usize),
        candidate: &'a Candidate,
        payload: Arc<SingleMessageAggregate>,
    ) -> Self {
        let voters = Coverage::of(&payload.participants);
        Self { place, candidate, payload, voters }
    }

    fn bytes(&self) -> usize {
        self.payload.proof.as_bytes().len()
    }
}

/// The reason a payload is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The block has other attestation data of that slot.
    Slot,
    /// The block has no more room, in number or in bytes, or the prover has no memory for more.
    Room,
}

/// The limits of a block.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    proofs: &'a dyn ProofSystem,
    max_signers: usize,
    max_bytes: usize,
    /// The memory that making the block's proofs may take.
    max_working_bytes: usize,
    one_a_slot: bool,
}

impl<'a> Budget<'a> {
    pub(super) fn new(
        proofs: &'a dyn ProofSystem,
        max_working_bytes: usize,
        one_a_slot: bool,
    ) -> Self {
        let (max_signers, max_bytes) = (proofs.max_signers(), proofs.max_proof_bytes());
        Self { proofs, max_signers, max_bytes, max_working_bytes, one_a_slot }
    }
}

/// The attestations chosen so far.
#[derive(Clone)]
pub(super) struct Draft<'a> {
    budget: Budget<'a>,
    /// In the body's order.
    picks: Vec<Pick<'a>>,
}

#[derive(Clone)]
struct Pick<'a> {
    place: (usize, usize),
    candidate: &'a Candidate,
    payloads: Vec<Arc<SingleMessageAggregate>>,
    voters: Coverage,
}

impl Pick<'_> {
    fn bytes(&self) -> usize {
        self.payloads.iter().map(|payload| payload.proof.as_bytes().len()).sum()
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(budget: Budget<'a>) -> Self {
        Self { budget, picks: Vec::new() }
    }

    /// Returns true if the block has as many attestation data as allowed.
    pub(super) fn is_full(&self) -> bool {
        self.picks.len() >= MAX_ATTESTATIONS_DATA
    }

    /// Returns true if all validators of the payload are in the block for its attestation already.
    pub(super) fn covers(&self, item: &Item<'_>) -> bool {
        self.pick_of(item).is_some_and(|pick| item.voters.count_beyond(&pick.voters) == 0)
    }

    /// Returns true if something of the attestation at that place is in the block.
    pub(super) fn has(&self, place: (usize, usize)) -> bool {
        self.picks.iter().any(|pick| pick.place == place)
    }

    fn pick_of(&self, item: &Item<'_>) -> Option<&Pick<'a>> {
        self.picks.iter().find(|pick| pick.place == item.place)
    }

    /// Checks that a payload fits. A payload that does not fit now never fits later, because a
    /// draft only grows.
    pub(super) fn check(&self, item: &Item<'_>) -> Result<(), Full> {
        let Budget { proofs, max_signers, max_bytes, max_working_bytes, one_a_slot } = self.budget;
        let pick = self.pick_of(item);
        let slot = item.candidate.data.slot;
        if pick.is_none() {
            if one_a_slot && self.picks.iter().any(|pick| pick.candidate.data.slot == slot) {
                return Err(Full::Slot);
            }
            if self.is_full() {
                return Err(Full::Room);
            }
        }
        let mut voters = item.voters.clone();
        if let Some(pick) = pick {
            voters.add(&pick.voters);
        }
        let own = voters.count();
        // The proposer signs alone.
        let mut parts = vec![MergePart { signers: 1, bytes: proofs.single_proof_bytes(1) }];
        parts.extend(self.picks.iter().map(|each| match each.place == item.place {
            true => MergePart { signers: own, bytes: each.bytes() + item.bytes() },
            false => MergePart { signers: each.voters.count(), bytes: each.bytes() },
        }));
        if pick.is_none() {
            parts.push(MergePart { signers: own, bytes: item.bytes() });
        }
        let input_bytes = parts[1..].iter().map(|part| part.bytes).sum();
        let fits = own <= max_signers
            && proofs.working_bytes(input_bytes) <= max_working_bytes
            && proofs.single_proof_bytes(own) <= max_bytes
            && proofs.merged_bytes(&parts) <= max_bytes;
        if fits { Ok(()) } else { Err(Full::Room) }
    }

    /// Takes a payload, if it fits.
    pub(super) fn add(&mut self, item: &Item<'a>) -> Result<(), Full> {
        self.check(item)?;
        let Item { place, candidate, payload, voters } = item;
        match self.picks.binary_search_by_key(place, |pick| pick.place) {
            Ok(at) => {
                self.picks[at].voters.add(voters);
                self.picks[at].payloads.push(Arc::clone(payload));
            }
            Err(at) => {
                let (payloads, voters) = (vec![Arc::clone(payload)], voters.clone());
                self.picks.insert(at, Pick { place: *place, candidate, payloads, voters });
            }
        }
        Ok(())
    }

    /// A body with one attestation per payload.
    pub(super) fn body(&self) -> BlockBody {
        let attestations = self.picks.iter().flat_map(|pick| {
            pick.payloads.iter().map(|payload| AggregatedAttestation {
                aggregation_bits: payload.participants.clone(),
                data: pick.candidate.data,
            })
        });
        BlockBody {
            attestations: AggregatedAttestations::new(attestations.collect()).expect(
                "eight attestations, each of as many payloads as a pool holds, are few enough",
            ),
        }
    }

    /// The attestations in the body's order, each with the payloads to join.
    pub(super) fn into_candidates(self) -> Vec<Candidate> {
        let picks = self.picks.into_iter();
        picks.map(|pick| Candidate { data: pick.candidate.data, payloads: pick.payloads }).collect()
    }
}
