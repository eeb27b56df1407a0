//! Valid attestations and aggregates that name an unknown block.

use std::{collections::VecDeque, sync::Arc};

use bevy_ecs::prelude::Resource;

use super::limits::{MAX_WAITING_AGGREGATES, MAX_WAITING_VOTES, WAIT_INTERVALS, WAITING_SLOTS};
use crate::{
    constants::INTERVALS_PER_SLOT,
    containers::{
        AttestationData, Root, SignedAggregatedAttestation, SignedAttestation, Slot, ValidatorIndex,
    },
    coverage::Coverage,
    messages::{IgnoreReason, InputId, InputJudged, Verdict},
    rejection::Rejection,
};

/// A valid item that waits, or that has waited.
#[derive(Clone, Debug)]
pub struct Held<T> {
    /// Its id.
    pub id: InputId,
    /// The item. Its signature or proof is valid.
    pub item: Arc<T>,
    /// True if it is to be kept in a pool when its block has arrived.
    pub keep: bool,
    /// Its verdict if its block does not arrive.
    pub rejection: Rejection,
}

#[derive(Debug)]
struct Waiting<T> {
    held: Held<T>,
    /// The interval in which it is judged at the latest.
    until: u64,
}

/// Attestations and aggregates that wait until the blocks that they name are imported, in order of
/// arrival. All are valid, and each validator has one place per slot, so that only validators can
/// fill it. While this is in the world, admission adds what it would otherwise refuse for an
/// unknown block.
#[derive(Resource, Debug, Default)]
pub struct WaitingAttestations {
    attestations: VecDeque<Waiting<SignedAttestation>>,
    aggregates: VecDeque<Waiting<SignedAggregatedAttestation>>,
    held: u64,
}

impl WaitingAttestations {
    /// Returns true if an attestation of this validator for this slot is waiting.
    pub fn has_place(&self, validator: ValidatorIndex, slot: Slot) -> bool {
        let mut waiting = self.attestations.iter().map(|each| &each.held.item);
        waiting.any(|each| each.validator_index == validator && each.data.slot == slot)
    }

    /// The validators that waiting aggregates cover for this slot.
    pub fn covered(&self, slot: Slot) -> Coverage {
        let mut covered = Coverage::default();
        for each in self.aggregates.iter().map(|each| &each.held.item) {
            if each.data.slot == slot {
                covered.add(&Coverage::of(&each.proof.participants));
            }
        }
        covered
    }

    /// Adds an attestation that was found valid in this interval.
    ///
    /// # Errors
    /// The verdict: the validator's place for the slot is taken, the slot is too old to wait, or
    /// there is no room.
    pub fn hold_attestation(
        &mut self,
        held: Held<SignedAttestation>,
        now_intervals: u64,
    ) -> Result<(), Verdict> {
        let slot = held.item.data.slot;
        if is_old(slot, now_intervals) {
            return Err(Verdict::Rejected(held.rejection));
        }
        if self.has_place(held.item.validator_index, slot) {
            return Err(Verdict::Ignored(IgnoreReason::Equivocation));
        }
        if self.attestations.len() >= MAX_WAITING_VOTES {
            return Err(Verdict::Ignored(IgnoreReason::NoRoom));
        }
        self.held += 1;
        self.attestations.push_back(Waiting { held, until: now_intervals + WAIT_INTERVALS });
        Ok(())
    }

    /// Adds an aggregate that was found valid in this interval. Returns the verdicts on waiting
    /// aggregates for the same attestation that it covers: it replaces them.
    ///
    /// # Errors
    /// The verdict: it adds no validator for the slot, its slot is too old to wait, or there is no
    /// room.
    pub fn hold_aggregate(
        &mut self,
        held: Held<SignedAggregatedAttestation>,
        now_intervals: u64,
    ) -> Result<Vec<InputJudged>, Verdict> {
        let data = held.item.data;
        if is_old(data.slot, now_intervals) {
            return Err(Verdict::Rejected(held.rejection));
        }
        let coverage = Coverage::of(&held.item.proof.participants);
        if coverage.count_beyond(&self.covered(data.slot)) == 0 {
            return Err(Verdict::Ignored(IgnoreReason::AddsNoVoter));
        }
        let covered = take(&mut self.aggregates, |each| {
            each.item.data == data
                && Coverage::of(&each.item.proof.participants).count_beyond(&coverage) == 0
        });
        if self.aggregates.len() >= MAX_WAITING_AGGREGATES {
            return Err(Verdict::Ignored(IgnoreReason::NoRoom));
        }
        self.held += 1;
        self.aggregates.push_back(Waiting { held, until: now_intervals + WAIT_INTERVALS });
        let ignored = Verdict::Ignored(IgnoreReason::AddsNoVoter);
        let judged = |each: Held<_>| InputJudged { id: each.id, verdict: ignored.clone() };
        Ok(covered.into_iter().map(judged).collect())
    }

    /// Takes the attestations whose blocks are all known, in order of arrival.
    pub fn release_attestations(
        &mut self,
        is_known: impl Fn(&Root) -> bool,
    ) -> Vec<Held<SignedAttestation>> {
        take(&mut self.attestations, |each| is_complete(&each.item.data, &is_known))
    }

    /// Takes the aggregates whose blocks are all known, in order of arrival.
    pub fn release_aggregates(
        &mut self,
        is_known: impl Fn(&Root) -> bool,
    ) -> Vec<Held<SignedAggregatedAttestation>> {
        take(&mut self.aggregates, |each| is_complete(&each.item.data, &is_known))
    }

    /// Takes the items whose waiting time is over, with their verdicts.
    pub fn expire(&mut self, now_intervals: u64) -> Vec<InputJudged> {
        let mut judged = expire(&mut self.attestations, now_intervals);
        judged.append(&mut expire(&mut self.aggregates, now_intervals));
        judged
    }

    /// The number of waiting attestations and aggregates.
    pub fn len(&self) -> usize {
        self.attestations.len() + self.aggregates.len()
    }

    /// Returns true if no item is waiting.
    pub fn is_empty(&self) -> bool {
        self.attestations.is_empty() && self.aggregates.is_empty()
    }

    /// The number of them that have waited since the node began.
    pub const fn held(&self) -> u64 {
        self.held
    }
}

fn is_complete(data: &AttestationData, is_known: impl Fn(&Root) -> bool) -> bool {
    [data.head, data.target, data.source].iter().all(|each| is_known(&each.root))
}

/// Returns true if items of this slot may no longer wait.
fn is_old(slot: Slot, now_intervals: u64) -> bool {
    slot.saturating_add(WAITING_SLOTS) <= now_intervals / INTERVALS_PER_SLOT
}

fn expire<T>(queue: &mut VecDeque<Waiting<T>>, now_intervals: u64) -> Vec<InputJudged> {
    let mut judged = Vec::new();
    // All items wait for the same time.
    while let Some(first) = queue.pop_front_if(|first| first.until <= now_intervals) {
        let Held { id, rejection, .. } = first.held;
        judged.push(InputJudged { id, verdict: Verdict::Rejected(rejection) });
    }
    judged
}

/// Takes the items that match, and keeps the others in order.
fn take<T>(queue: &mut VecDeque<Waiting<T>>, is_meant: impl Fn(&Held<T>) -> bool) -> Vec<Held<T>> {
    let mut taken = Vec::new();
    for _ in 0..queue.len() {
        let Some(each) = queue.pop_front() else { break };
        if is_meant(&each.held) {
            taken.push(each.held);
        } else {
            queue.push_back(each);
        }
    }
    taken
}
