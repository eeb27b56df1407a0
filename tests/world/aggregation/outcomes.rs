//! The outcomes of sessions in the metrics.

use crate::{
    aggregation::aggregator::{Aggregator, Options},
    support::{prover::Ending, scrape::Scrape},
};

const TIME: &str = "lean_committee_signatures_aggregation_time_seconds";

/// The number of sessions with this outcome, the number that was timed, and their seconds together.
fn ended(aggregator: &Aggregator, outcome: &str) -> (f64, f64, f64) {
    let scrape = Scrape::of(&aggregator.node.app);
    let of =
        |outcome| scrape.labelled("quintet_aggregation_sessions_total", &[("outcome", outcome)]);
    if outcome != "empty" {
        // That of slot 0, in which nobody attests.
        let others = scrape.total("quintet_aggregation_sessions_total") - of(outcome);
        assert_eq!((others, of("empty")), (1.0, 1.0), "they ended in no other way");
    }
    (of(outcome), scrape.value(TIME), scrape.sum(TIME))
}

fn skipped(aggregator: &Aggregator, reason: &str) -> f64 {
    let scrape = Scrape::of(&aggregator.node.app);
    scrape.labelled("lean_aggregator_skipped_total", &[("reason", reason)])
}

/// An aggregator whose proofs take so long, with signatures of two validators for slot 1.
fn signed(costs: &[u64]) -> Aggregator {
    let mut aggregator = Aggregator::new(&Options::default());
    let data = aggregator.data(1);
    aggregator.sign(data, &[1, 2]);
    aggregator.prover.costs(costs);
    aggregator
}

#[test]
fn a_session_in_time_is_published_and_timed() {
    let mut aggregator = signed(&[250]);
    aggregator.at(1, 2, 249);
    assert_eq!(ended(&aggregator, "published"), (0.0, 0.0, 0.0));
    aggregator.at(1, 2, 300);
    assert_eq!(ended(&aggregator, "published"), (1.0, 1.0, 0.25));
    assert_eq!(skipped(&aggregator, "other"), 1.0);
    let scrape = Scrape::of(&aggregator.node.app);
    let run = scrape.labelled("quintet_prover_run_seconds", &[("kind", "aggregation")]);
    assert_eq!((run, scrape.sum("quintet_prover_run_seconds")), (1.0, 0.25));
}

#[test]
fn a_session_whose_last_proof_came_after_the_deadline_is_late() {
    let mut aggregator = signed(&[900]);
    aggregator.at(1, 3, 200);
    assert_eq!(ended(&aggregator, "late"), (1.0, 1.0, 0.9));
}

#[test]
fn a_session_whose_proof_failed_has_failed() {
    let mut aggregator = signed(&[100]);
    aggregator.prover.endings(&[Ending::Error]);
    aggregator.at(1, 3, 0);
    assert_eq!(ended(&aggregator, "failed"), (1.0, 1.0, 0.1));
}

#[test]
fn a_session_with_jobs_that_never_began_is_cut() {
    let mut aggregator = Aggregator::new(&Options::default());
    aggregator.node.set_aggregator(false);
    aggregator.at(2, 1, 0);
    assert_eq!(skipped(&aggregator, "not_aggregator"), 1.0);
    aggregator.node.set_aggregator(true);
    for slot in 1..=2 {
        let data = aggregator.data(slot);
        aggregator.sign(data, &[0, 4]);
    }
    aggregator.prover.costs(&[900]);
    aggregator.at(2, 3, 200);
    assert_eq!(ended(&aggregator, "cut"), (1.0, 1.0, 0.9));
}

#[test]
fn a_session_that_another_replaced_is_not_timed() {
    let mut aggregator = signed(&[60_000]);
    aggregator.prover.endings(&[Ending::Proof]);
    aggregator.at(2, 2, 0);
    let scrape = Scrape::of(&aggregator.node.app);
    let replaced = [("outcome", "replaced")];
    assert_eq!(scrape.labelled("quintet_aggregation_sessions_total", &replaced), 1.0);
    assert_eq!(scrape.value(TIME), 0.0);
}

#[test]
fn a_session_without_a_job_is_empty_and_its_slot_skipped() {
    let mut aggregator = Aggregator::new(&Options::default());
    aggregator.at(1, 3, 0);
    // As that of slot 0.
    assert_eq!(ended(&aggregator, "empty"), (2.0, 0.0, 0.0));
    assert_eq!(skipped(&aggregator, "other"), 2.0);
}
