//! The deadline, and what comes after it.

use quintet_components::{aggregation::SkipReason, prover::ProverStatus};

use crate::aggregation::aggregator::{Aggregator, Options};

/// An aggregator in slot 3 with an attestation of each slot so far, all signed by the same three.
fn with_three_attestations(options: &Options) -> Aggregator {
    let mut aggregator = Aggregator::new(options);
    aggregator.node.set_aggregator(false);
    aggregator.at(3, 1, 0);
    aggregator.node.set_aggregator(true);
    for slot in 1..=3 {
        let data = aggregator.data(slot);
        aggregator.sign(data, &[0, 4, 8]);
    }
    aggregator
}

#[test]
fn with_one_job_running_and_two_waiting_the_waiting_are_given_up_and_keep_their_inputs() {
    let mut aggregator = with_three_attestations(&Options::default());
    aggregator.prover.costs(&[900]);
    aggregator.at(3, 2, 749);
    assert_eq!(aggregator.counts(3).cut, 0);
    aggregator.at(3, 2, 750);

    let counts = aggregator.counts(3);
    assert_eq!((counts.prepared, counts.cut, counts.cancelled), (3, 1, 2), "{counts:?}");
    assert_eq!(counts.skipped[&SkipReason::Deadline], 2);
    let statuses: Vec<_> = aggregator.timeline().into_iter().map(|job| job.status).collect();
    assert_eq!(statuses, [ProverStatus::Running, ProverStatus::Cancelled, ProverStatus::Cancelled]);

    // The current slot's attestation went first; the older two wait for the next session.
    aggregator.at(3, 3, 100);
    assert_eq!(aggregator.new_payloads(), [[0, 4, 8]]);
    assert_eq!(aggregator.signed(), [[0, 4, 8], [0, 4, 8]]);
    aggregator.prover.costs(&[10]);
    aggregator.at(4, 2, 100);
    assert_eq!(aggregator.signed(), [] as [Vec<u64>; 0]);
    let counts = aggregator.counts(4);
    assert_eq!((counts.proved, counts.cut), (2, 0), "{counts:?}");
}

#[test]
fn a_late_result_before_the_accept_point_is_published_and_counts() {
    let mut aggregator = Aggregator::new(&Options::default());
    let data = aggregator.data(1);
    aggregator.sign(data, &[1, 2]);
    aggregator.prover.costs(&[900]);
    aggregator.at(1, 3, 99);
    assert_eq!(aggregator.new_payloads().len() + aggregator.published().len(), 0);
    aggregator.at(1, 3, 100);
    assert_eq!(aggregator.published(), [(3, vec![1, 2])]);
    aggregator.at(1, 4, 0);
    assert_eq!(aggregator.known_payloads(), [[1, 2]]);
    let counts = aggregator.counts(1);
    assert_eq!(
        (counts.proved, counts.late, counts.unpublished, counts.cut, aggregator.sessions()),
        (1, 1, 0, 1, 0),
        "{counts:?}"
    );
}

#[test]
fn a_late_result_after_the_accept_point_stays_in_the_own_pool() {
    let mut aggregator = Aggregator::new(&Options::default());
    let data = aggregator.data(1);
    aggregator.sign(data, &[1, 2]);
    aggregator.prover.costs(&[1700]);
    aggregator.at(1, 4, 100);
    assert_eq!(aggregator.published(), []);
    assert_eq!((aggregator.new_payloads(), aggregator.signed().len()), (vec![vec![1, 2]], 0));
    let counts = aggregator.counts(1);
    assert_eq!((counts.proved, counts.late, counts.unpublished), (1, 1, 1), "{counts:?}");
    aggregator.at(2, 4, 0);
    assert_eq!(aggregator.published(), [], "nor later");
}

#[test]
fn results_are_published_as_they_come_and_enter_the_pool_together() {
    let mut aggregator = with_three_attestations(&Options { permits: 3, ..Options::default() });
    aggregator.prover.costs(&[100, 300, 500]);
    aggregator.at(3, 2, 350);
    assert_eq!(aggregator.published().len(), 2);
    assert_eq!((aggregator.new_payloads().len(), aggregator.signed().len()), (0, 3));
    aggregator.at(3, 2, 500);
    assert_eq!(
        aggregator.published(),
        [(2, vec![0, 4, 8]), (2, vec![0, 4, 8]), (2, vec![0, 4, 8])]
    );
    assert_eq!((aggregator.new_payloads().len(), aggregator.signed().len()), (3, 0));
}

#[test]
fn a_late_wake_from_interval_1_to_4_still_aggregates_the_slot() {
    let mut aggregator = Aggregator::new(&Options::default());
    let data = aggregator.data(1);
    aggregator.sign(data, &[0, 1, 2]);
    aggregator.prover.costs(&[200]);
    aggregator.wake_at(1, 4);
    assert_eq!(aggregator.sessions(), 1, "interval 2 was walked, late");
    // It has its time from then on.
    aggregator.at(1, 4, 200);
    assert_eq!(aggregator.published(), [(4, vec![0, 1, 2])]);
    let counts = aggregator.counts(1);
    assert_eq!((counts.proved, counts.late, counts.cut), (1, 0, 0), "{counts:?}");
    aggregator.at(2, 4, 0);
    assert_eq!(aggregator.known_payloads(), [[0, 1, 2]]);
}

#[test]
fn a_wake_that_is_slots_late_aggregates_for_the_newest_slot_what_the_older_left() {
    let mut aggregator = Aggregator::new(&Options::default());
    let data = aggregator.data(1);
    aggregator.sign(data, &[0, 1, 2]);
    aggregator.prover.costs(&[200]);
    aggregator.wake_at(5, 4);
    aggregator.at(5, 4, 500);
    assert_eq!(aggregator.new_payloads(), [[0, 1, 2]]);
    assert_eq!(aggregator.signed().len(), 0);
    for slot in 1..=5 {
        assert_eq!(aggregator.counts(slot).sessions, 1, "slot {slot}");
    }
}
