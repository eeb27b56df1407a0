//! The record of duties that were done and missed.

use quintet_components::duties::{Duty, DutyOutcome, MissReason};

use crate::{duties::proposer::Proposer, support::prover::Ending};

#[test]
fn a_slot_of_duties_is_on_record_with_who_and_how_late() {
    let mut proposer = Proposer::new(&[0, 1, 2, 3]);
    proposer.prover.costs(&[7]);
    proposer.node.set_aggregator(true);
    proposer.at(1, 3_000);
    let records = proposer.records();
    let of = |duty| records.iter().filter(move |each| (each.slot, each.duty) == (1, duty));
    let done = |each: &&_| {
        matches!(each, quintet_components::duties::DutyRecord { outcome: DutyOutcome::Done, .. })
    };
    assert!(of(Duty::Propose).all(|each| done(&each)) && of(Duty::Attest).all(|each| done(&each)));
    let whose: Vec<_> = of(Duty::Attest).map(|each| each.validator).collect();
    assert_eq!(whose, [0, 1, 2, 3].map(Some));
    let late: Vec<_> = of(Duty::Propose).map(|each| (each.validator, each.late_ms)).collect();
    assert_eq!(late, [(Some(1), 7)]);
    let aggregated: Vec<_> =
        of(Duty::Aggregate).map(|each| (each.validator, each.outcome)).collect();
    assert_eq!(aggregated, [(None, DutyOutcome::Done)]);
    let counts = proposer.counts();
    // Slot 0 has attestations and no block.
    assert_eq!((counts.proposed, counts.aggregated, counts.missed), (1, 2, 0));
}

#[test]
fn a_slot_without_an_aggregate_is_missed_with_its_reason_and_one_without_attestations_is_not() {
    let mut proposer = Proposer::new(&[]);
    proposer.node.set_aggregator(true);
    proposer.at(1, 3_000);
    assert_eq!(proposer.records(), []);

    for (ending, cost, reason) in [
        (Ending::Error, 5, MissReason::ProofFailed),
        (Ending::Obedient, 5_000, MissReason::NotReady),
    ] {
        let mut proposer = Proposer::new(&[1, 2]);
        proposer.node.set_aggregator(true);
        proposer.at(1, 700);
        proposer.prover.costs(&[cost]);
        proposer.prover.endings(&[ending]);
        proposer.at(2, 2_000);
        let missed = proposer.counts().missed_for(Duty::Aggregate, reason);
        assert_eq!(missed, 1, "{reason:?}: {:?}", proposer.records());
    }
}
