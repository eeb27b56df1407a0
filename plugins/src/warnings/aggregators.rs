//! Warns about subnets whose attestations nobody aggregates. Without aggregates nothing is
//! justified, and this is the earliest sign of it.
//!
//! A subnet has an aggregator if an aggregate that covers one of its validators enters the pools
//! from any source, is in a block, or arrives and is refused: then somebody aggregates, and another
//! warning reports the fault.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig,
    attestations::{Payload, PayloadOf, PooledAttestation},
    chain::Registry,
    clock::{SlotClock, UnixTime},
    containers::{AggregationBits, SignedAggregatedAttestation, Slot},
    messages::{AggregateReceived, BlockImported, InputJudged, Verdict},
    sync::SyncState,
    warnings::{WarningCode, Warnings},
};

use super::{Finding, apply, pending::Pending, slot_of};

/// The warning appears if a subnet was last covered this many slots ago.
const MISSING_SLOTS: u64 = 8;
/// The warning ends if every subnet was covered within this many slots.
const SEEN_SLOTS: u64 = 2;
/// The largest number of subnets that a warning names.
const MAX_NAMED: usize = 8;

/// The newest slot in which an aggregate covered each subnet.
#[derive(Debug, Default)]
pub(super) struct Covered(Vec<Slot>);

impl Covered {
    /// Starts to count for new subnets.
    fn resize(&mut self, committees: u64, slot: Slot) {
        let committees = usize::try_from(committees.max(1)).unwrap_or(usize::MAX);
        self.0.resize(committees, slot);
    }

    /// Notes that an aggregate for an attestation of this slot covers these validators.
    fn note(&mut self, slot: Slot, participants: &AggregationBits) {
        let committees = self.0.len() as u64;
        for index in participants.indices() {
            let subnet = usize::try_from(index % committees).expect("below the subnets' number");
            self.0[subnet] = self.0[subnet].max(slot);
        }
    }

    /// The first `subnets` subnets are those that have validators.
    fn judge(&self, slot: Slot, subnets: usize) -> Finding {
        let age = |covered: &Slot| slot.saturating_sub(*covered);
        let covered = &self.0[..subnets.min(self.0.len())];
        let missing: Vec<String> = covered
            .iter()
            .enumerate()
            .filter(|(_, covered)| age(covered) >= MISSING_SLOTS)
            .map(|(subnet, _)| subnet.to_string())
            .collect();
        if !missing.is_empty() {
            let more = if missing.len() > MAX_NAMED { ", …" } else { "" };
            let named = missing[..missing.len().min(MAX_NAMED)].join(", ");
            Finding::Raise(format!(
                "no aggregate covers subnet {named}{more}: nothing is justified until a node that \
                 subscribes to it runs with --is-aggregator"
            ))
        } else if covered.iter().all(|covered| age(covered) <= SEEN_SLOTS) {
            Finding::Lower
        } else {
            Finding::Keep
        }
    }
}

pub(super) fn watch_aggregators(
    mut warnings: ResMut<Warnings>,
    (clock, time): (Option<Res<SlotClock>>, Res<UnixTime>),
    (config, registry, state): (
        Option<Res<AggregationConfig>>,
        Option<Res<Registry>>,
        Option<Res<SyncState>>,
    ),
    (payloads, attestations): (
        Query<(&Payload, &PayloadOf), Added<Payload>>,
        Query<&PooledAttestation>,
    ),
    (mut imported, mut aggregates, mut judged): (
        MessageReader<BlockImported>,
        MessageReader<AggregateReceived>,
        MessageReader<InputJudged>,
    ),
    (mut covered, mut pending): (Local<Covered>, Local<Pending<Arc<SignedAggregatedAttestation>>>),
) {
    let (Some(slot), Some(registry)) = (slot_of(clock.as_deref(), &time), registry) else { return };
    let committees = config.map_or(1, |config| config.committee_count);
    covered.resize(committees, slot);
    for (Payload(payload), of) in &payloads {
        if let Ok(attestation) = attestations.get(of.0) {
            covered.note(attestation.data.slot.min(slot), &payload.participants);
        }
    }
    for BlockImported { block, .. } in imported.read() {
        for attestation in &block.block.body.attestations {
            covered.note(attestation.data.slot.min(slot), &attestation.aggregation_bits);
        }
    }
    for AggregateReceived { id, aggregate, .. } in aggregates.read() {
        pending.arrive(*id, Arc::clone(aggregate));
    }
    for InputJudged { id, verdict } in judged.read() {
        if let (Some(aggregate), Verdict::Rejected(_)) = (pending.judged(*id), verdict) {
            covered.note(aggregate.data.slot.min(slot), &aggregate.proof.participants);
        }
    }
    if state.is_some_and(|state| *state == SyncState::Syncing) {
        // What it missed in the meantime shows nothing.
        covered.0.fill(slot);
        return;
    }
    let finding = covered.judge(slot, registry.len());
    apply(&mut warnings, WarningCode::NoAggregator, slot, finding);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(indices: &[u64]) -> AggregationBits {
        AggregationBits::from_indices(indices.iter().copied()).expect("few")
    }

    #[test]
    fn the_subnet_that_nobody_covers_is_named() {
        let mut covered = Covered::default();
        covered.resize(4, 10);
        covered.note(17, &of(&[0, 6]));
        assert_eq!(covered.judge(17, 4), Finding::Keep);
        let Finding::Raise(text) = covered.judge(18, 4) else { panic!("8 slots are too many") };
        assert!(text.contains("subnet 1, 3:"), "{text}");
        covered.note(18, &of(&[3]));
        covered.note(18, &of(&[1]));
        assert_eq!(covered.judge(19, 4), Finding::Lower);
        assert_eq!(covered.judge(20, 4), Finding::Keep, "the others are three slots old");
    }

    #[test]
    fn a_subnet_without_validators_needs_no_aggregator() {
        let mut covered = Covered::default();
        covered.resize(64, 0);
        covered.note(20, &of(&[0, 1]));
        assert_eq!(covered.judge(20, 2), Finding::Lower);
    }
}
