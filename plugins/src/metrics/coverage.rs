//! Metrics of the validators that the aggregates for each slot cover.

use std::collections::BTreeMap;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    aggregation::AggregationConfig,
    attestations::{
        AttestationSignature, AttestationSignatures, Payload, Payloads, Phase, PooledAttestation,
    },
    clock::CurrentInterval,
    containers::{AggregatedAttestations, AggregationBits, Slot},
    duties::BlockProduced,
    messages::BlockImported,
    metrics::{Metrics, Section},
};

/// The number of slots whose coverage is remembered.
const SLOTS: u64 = 4;

/// The coverage of the newest slots.
#[derive(Resource, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<Slot, SlotCoverage>);

#[derive(Debug, Default)]
struct SlotCoverage {
    timely: AggregationBits,
    late: AggregationBits,
    block: AggregationBits,
}

/// The pools of attestations.
#[derive(SystemParam)]
pub(super) struct PoolShown<'w, 's> {
    time: Res<'w, CurrentInterval>,
    metrics: Res<'w, Metrics>,
    config: Option<Res<'w, AggregationConfig>>,
    attestations: Query<
        'w,
        's,
        (
            &'static PooledAttestation,
            Option<&'static Payloads>,
            Option<&'static AttestationSignatures>,
        ),
    >,
    payloads: Query<'w, 's, (&'static Payload, &'static Phase)>,
    signatures: Query<'w, 's, &'static AttestationSignature>,
}

impl PoolShown<'_, '_> {
    fn committees(&self) -> u64 {
        self.config.as_ref().map_or(1, |config| config.committee_count)
    }

    /// The validators that waiting payloads cover, for attestations of a slot.
    fn waiting(&self, slot: Slot) -> AggregationBits {
        let of_slot =
            self.attestations.iter().filter(|(attestation, ..)| attestation.data.slot == slot);
        of_slot
            .filter_map(|(_, payloads, _)| payloads)
            .flat_map(RelationshipTarget::iter)
            .filter_map(|payload| self.payloads.get(payload).ok())
            .filter(|(_, phase)| **phase == Phase::New)
            .fold(AggregationBits::default(), |all, (payload, _)| {
                all.union(&payload.0.participants)
            })
    }

    /// The validators whose signatures on attestations of a slot are in the pool.
    fn signers(&self, slot: Slot) -> AggregationBits {
        let of_slot =
            self.attestations.iter().filter(|(attestation, ..)| attestation.data.slot == slot);
        let signers: Vec<_> = of_slot
            .filter_map(|(_, _, signatures)| signatures)
            .flat_map(RelationshipTarget::iter)
            .filter_map(|signature| self.signatures.get(signature).ok())
            .map(|signature| signature.validator_index)
            .collect();
        AggregationBits::from_indices(signers).unwrap_or_default()
    }

    fn show(&self, section: Section, covered: &AggregationBits) {
        self.metrics.coverage.show(section, covered, self.committees());
    }
}

/// Interval 2: sets the coverage before the node aggregates.
pub(super) fn show_start(pool: PoolShown) {
    pool.show(Section::AggregateStartNew, &pool.waiting(pool.time.slot()));
}

/// Interval 4, before waiting payloads are accepted: sets the coverage of this slot, and the report
/// on the previous one.
pub(super) fn show_slot(pool: PoolShown, mut coverage: ResMut<Coverage>) {
    let slot = pool.time.slot();
    let timely = pool.waiting(slot);
    pool.show(Section::Timely, &timely);
    coverage.0.entry(slot).or_default().timely = timely;
    let last = slot.saturating_sub(1);
    let late = pool.waiting(last);
    let known = coverage.0.entry(last).or_default();
    known.late = late;
    let combined = known.timely.union(&known.late).union(&known.block);
    pool.show(Section::Late, &known.late);
    pool.show(Section::Block, &known.block);
    pool.show(Section::Combined, &combined);
    pool.metrics.coverage.show_difference(&known.block, &known.timely);
    coverage.0.retain(|known, _| known.saturating_add(SLOTS) > slot);
}

/// Adds the coverage of blocks, and of the inputs of own blocks.
pub(super) fn follow_blocks(
    pool: PoolShown,
    mut imported: MessageReader<BlockImported>,
    mut produced: MessageReader<BlockProduced>,
    mut coverage: ResMut<Coverage>,
) {
    let slot = pool.time.slot();
    for BlockImported { block, .. } in imported.read() {
        for attestation in &block.block.body.attestations {
            // A block from the future is not imported, so the number of remembered slots is
            // limited.
            if attestation.data.slot.saturating_add(SLOTS) > slot {
                let known = coverage.0.entry(attestation.data.slot).or_default();
                known.block = known.block.union(&attestation.aggregation_bits);
            }
        }
    }
    for BlockProduced(signed) in produced.read() {
        let last = signed.block.slot.saturating_sub(1);
        let payloads = of_slot(&signed.block.body.attestations, last);
        let gossip = pool.signers(last);
        pool.show(Section::ProposalPayloads, &payloads);
        pool.show(Section::ProposalGossip, &gossip);
        pool.show(Section::ProposalCombined, &payloads.union(&gossip));
    }
}

/// The validators that attestations of a slot cover.
fn of_slot(attestations: &AggregatedAttestations, slot: Slot) -> AggregationBits {
    let of_slot = attestations.iter().filter(|attestation| attestation.data.slot == slot);
    of_slot.fold(AggregationBits::default(), |all, each| all.union(&each.aggregation_bits))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bevy_ecs::system::RunSystemOnce;
    use quintet_components::{
        attestations::{AttestationsByData, PayloadOf},
        containers::{AttestationData, Root, SingleMessageAggregate},
        metrics::MetricsRegistry,
    };

    use super::*;

    #[test]
    fn what_waits_for_a_slot_is_shown_by_subnet_and_against_blocks() {
        let mut world = World::new();
        let registry = MetricsRegistry::default();
        world.insert_resource(Metrics::register(&registry));
        world.init_resource::<AttestationsByData>();
        world.init_resource::<Coverage>();
        world.insert_resource(AggregationConfig { committee_count: 2, ..Default::default() });
        let bits =
            |indices: &[u64]| AggregationBits::from_indices(indices.iter().copied()).expect("some");
        let mut attest = |slot, participants: &[u64], phase| {
            let data = AttestationData { slot, ..AttestationData::default() };
            let attestation =
                world.spawn(PooledAttestation { data, root: Root::repeat_byte(1) }).id();
            let participants = bits(participants);
            let payload = SingleMessageAggregate { participants, ..Default::default() };
            world.spawn((Payload(Arc::new(payload)), phase, PayloadOf(attestation)));
        };
        attest(6, &[0, 2, 5], Phase::New);
        attest(7, &[1], Phase::Known);
        world.resource_mut::<Coverage>().0.entry(5).or_default().block = bits(&[0, 1]);
        world.resource_mut::<Coverage>().0.entry(5).or_default().timely = bits(&[1, 2, 3]);
        world.insert_resource(CurrentInterval { count: 6 * 5 + 4, late_ms: 0 });
        world.run_system_once(show_slot).expect("runs");
        let text = registry.encode(None).1;
        let shows = |line: &str| assert!(text.lines().any(|each| each == line), "{line}\n{text}");
        let validators = "lean_attestation_aggregate_coverage_validators";
        shows(&format!("{validators}{{section=\"timely\",subnet=\"combined\"}} 3"));
        shows(&format!("{validators}{{section=\"timely\",subnet=\"subnet_0\"}} 2"));
        shows(&format!("{validators}{{section=\"timely\",subnet=\"subnet_1\"}} 1"));
        shows(&format!("{validators}{{section=\"combined\",subnet=\"combined\"}} 4"));
        shows("lean_attestation_aggregate_coverage_subnets{section=\"late\"} 0");
        shows("lean_attestation_aggregate_coverage_subnets{section=\"block\"} 2");
        let differences = "lean_attestation_aggregate_coverage_diff_validators";
        shows(&format!("{differences}{{direction=\"block_only\"}} 1"));
        shows(&format!("{differences}{{direction=\"timely_only\"}} 2"));
    }
}
