//! A session is its entity: what comes from another changes a counter and nothing else.

use quintet_components::prover::ProverStatus;

use crate::{
    aggregation::aggregator::{Aggregator, Options},
    support::prover::Ending,
};

#[test]
fn of_two_sessions_for_one_slot_the_late_result_of_the_first_changes_nothing() {
    let options = Options { permits: 2, early_start: true, ..Options::default() };
    let mut aggregator = Aggregator::new(&options);
    let data = aggregator.data(1);
    aggregator.prover.costs(&[1100, 100]);
    aggregator.prover.endings(&[Ending::Proof]);
    aggregator.sign(data, &[0, 1, 2, 3, 4, 5]);
    assert_eq!(aggregator.prover.running(), 1);
    // The role is given up and taken again: the first session is gone.
    aggregator.node.set_aggregator(false);
    aggregator.update();
    aggregator.node.set_aggregator(true);
    aggregator.at(1, 2, 200);
    assert_eq!(aggregator.published(), [(2, vec![0, 1, 2, 3, 4, 5])]);
    let pools = (aggregator.new_payloads(), aggregator.signed(), aggregator.published());
    let before = aggregator.counts(1);
    assert_eq!((before.sessions, before.replaced, before.proved, before.stale), (2, 1, 1, 0));

    aggregator.at(1, 2, 300);
    let after = aggregator.counts(1);
    assert_eq!((after.stale, after.proved, after.published), (1, 1, 1), "{after:?}");
    assert_eq!(pools, (aggregator.new_payloads(), aggregator.signed(), aggregator.published()));
    assert_eq!(aggregator.timeline()[0].status, ProverStatus::Abandoned);
}

#[test]
fn a_result_of_the_last_slots_session_does_not_touch_the_current_one() {
    let mut aggregator = Aggregator::new(&Options { permits: 2, ..Options::default() });
    let first = aggregator.data(1);
    aggregator.prover.costs(&[4200, 400]);
    aggregator.prover.endings(&[Ending::Proof]);
    aggregator.sign(first, &[0, 1]);
    aggregator.at(2, 1, 0);
    let second = aggregator.data(2);
    aggregator.sign(second, &[2, 3]);
    aggregator.at(2, 2, 300);
    // The first session's proof has come: its session is gone, and its attestation is proved again.
    let counts = aggregator.counts(1);
    assert_eq!((counts.replaced, counts.stale, counts.proved), (1, 1, 0), "{counts:?}");
    assert_eq!((aggregator.published(), aggregator.sessions()), (vec![], 1));
    aggregator.at(2, 2, 500);
    assert_eq!(aggregator.published(), [(2, vec![2, 3])], "the slot's own first");
    aggregator.at(2, 3, 0);
    assert_eq!(aggregator.published().last(), Some(&(2, vec![0, 1])));
}

#[test]
fn a_new_session_waits_for_the_permit_of_a_straggler_and_starts_when_it_returns() {
    let mut aggregator = Aggregator::new(&Options::default());
    let first = aggregator.data(1);
    aggregator.prover.costs(&[4300, 100]);
    aggregator.prover.endings(&[Ending::Proof]);
    aggregator.sign(first, &[0, 1]);
    aggregator.at(2, 2, 200);
    let timeline = aggregator.timeline();
    assert_eq!(
        (timeline[0].status.clone(), timeline[1].status.clone()),
        (ProverStatus::Running, ProverStatus::Queued),
        "the permit is still out"
    );
    aggregator.at(2, 2, 400);
    assert_eq!(aggregator.published(), [(2, vec![0, 1])]);
    let timeline = aggregator.timeline();
    assert_eq!((timeline[1].started, timeline[1].finished), (Some(300), Some(400)));
    assert_eq!(aggregator.counts(1).stale, 1);
}

#[test]
fn a_straggler_that_obeys_its_token_is_counted_as_cancelled_and_not_as_stale() {
    let mut aggregator = Aggregator::new(&Options::default());
    let first = aggregator.data(1);
    aggregator.prover.costs(&[4300, 100]);
    aggregator.sign(first, &[0, 1]);
    aggregator.at(2, 2, 400);
    let counts = aggregator.counts(1);
    assert_eq!((counts.replaced, counts.cancelled, counts.stale), (1, 1, 0), "{counts:?}");
    assert_eq!(aggregator.timeline()[0].status, ProverStatus::Cancelled);
    assert_eq!(aggregator.new_payloads(), [[0, 1]], "the next session made it");
}

#[test]
fn a_panic_inside_a_proof_ends_its_job_and_the_session() {
    let mut aggregator = Aggregator::new(&Options::default());
    let data = aggregator.data(1);
    aggregator.prover.costs(&[100]);
    aggregator.prover.endings(&[Ending::Panic]);
    aggregator.sign(data, &[0, 1]);
    aggregator.at(1, 2, 100);
    let counts = aggregator.counts(1);
    assert_eq!((counts.failed, counts.proved, aggregator.sessions()), (1, 0, 0), "{counts:?}");
    assert_eq!(aggregator.timeline()[0].status, ProverStatus::Panicked);
    assert_eq!(aggregator.signed(), [[0, 1]]);
    aggregator.at(2, 2, 100);
    assert_eq!((aggregator.signed().len(), aggregator.new_payloads()), (0, vec![vec![0, 1]]));
}

#[test]
fn every_prepared_job_is_counted_once_as_proved_failed_or_cancelled() {
    let mut aggregator = Aggregator::new(&Options { permits: 2, ..Options::default() });
    aggregator.prover.endings(&[Ending::Error, Ending::Proof, Ending::Panic, Ending::Obedient]);
    aggregator.prover.costs(&[10, 4100, 700, 900, 10, 2000]);
    for slot in 1..=8 {
        aggregator.at(slot, 1, 0);
        let data = aggregator.data(slot);
        aggregator.sign(data, &[0, 1, 2, 3]);
    }
    aggregator.prover.costs(&[1]);
    aggregator.at(12, 2, 0);
    let (mut prepared, mut ended, mut failed) = (0, 0, 0);
    for slot in 0..=12 {
        let counts = aggregator.counts(slot);
        prepared += counts.prepared;
        ended += counts.proved + counts.failed + counts.cancelled;
        failed += counts.failed;
    }
    assert_eq!((prepared, failed), (ended, 2));
    assert_eq!((aggregator.signed().len(), aggregator.sessions()), (0, 0));
}
