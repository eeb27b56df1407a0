//! Sessions that open before interval 2.

use crate::aggregation::aggregator::{Aggregator, Options};

fn early(validators: u64, committees: u64) -> Aggregator {
    Aggregator::new(&Options { validators, committees, early_start: true, ..Options::default() })
}

#[test]
fn two_thirds_of_the_votes_open_a_session_which_publishes_at_the_boundary() {
    let mut aggregator = early(9, 1);
    let data = aggregator.data(1);
    aggregator.prover.costs(&[200]);
    aggregator.sign(data, &[0, 1, 2, 3, 4]);
    assert_eq!(aggregator.sessions(), 0, "five of nine");
    aggregator.sign(data, &[5]);
    assert_eq!((aggregator.sessions(), aggregator.prover.running()), (1, 1));
    aggregator.at(1, 1, 799);
    assert_eq!(aggregator.prover.running(), 0, "the proof is there");
    assert_eq!((aggregator.published(), aggregator.new_payloads().len()), (vec![], 0));
    aggregator.at(1, 2, 0);
    assert_eq!(aggregator.published(), [(2, vec![0, 1, 2, 3, 4, 5])]);
    aggregator.at(1, 2, 300);
    assert_eq!(aggregator.new_payloads(), [[0, 1, 2, 3, 4, 5]], "it is not taken for a lone child");
    let counts = aggregator.counts(1);
    assert_eq!((counts.sessions, counts.early, counts.proved), (1, 1, 1), "{counts:?}");
}

#[test]
fn what_comes_after_the_early_start_is_added_at_the_boundary() {
    let mut aggregator = early(9, 1);
    let data = aggregator.data(1);
    aggregator.prover.costs(&[200]);
    aggregator.sign(data, &[0, 1, 2, 3, 4, 5]);
    aggregator.at(1, 1, 500);
    aggregator.sign(data, &[6, 7, 8]);
    aggregator.at(1, 2, 200);
    assert_eq!(
        aggregator.published(),
        [(2, vec![0, 1, 2, 3, 4, 5]), (2, vec![0, 1, 2, 3, 4, 5, 6, 7, 8])]
    );
    let made = aggregator.prover.made();
    assert_eq!((made[1].children, made[1].signatures), (1, 3), "the first proof is folded");
    assert_eq!(aggregator.new_payloads(), [[0, 1, 2, 3, 4, 5, 6, 7, 8]]);
    assert_eq!((aggregator.sessions(), aggregator.counts(1).sessions), (0, 1));
}

#[test]
fn while_the_early_proof_is_under_way_the_rest_gets_a_proof_of_its_own() {
    let mut aggregator =
        Aggregator::new(&Options { permits: 2, early_start: true, ..Options::default() });
    let data = aggregator.data(1);
    aggregator.prover.costs(&[1000, 100]);
    aggregator.sign(data, &[0, 1, 2, 3, 4, 5]);
    aggregator.sign(data, &[6, 7]);
    aggregator.at(1, 2, 300);
    assert_eq!(aggregator.published(), [(2, vec![6, 7]), (2, vec![0, 1, 2, 3, 4, 5])]);
    assert_eq!(aggregator.new_payloads(), [vec![0, 1, 2, 3, 4, 5], vec![6, 7]]);
    assert_eq!(aggregator.signed().len(), 0);
}

#[test]
fn with_three_subnets_the_smallest_has_to_be_two_thirds_in_as_well() {
    // Subnets of three, two and two.
    let mut aggregator = early(7, 3);
    let data = aggregator.data(1);
    aggregator.prover.costs(&[50]);
    aggregator.sign(data, &[0, 3, 6, 1, 4]);
    aggregator.sign(data, &[2]);
    assert_eq!(aggregator.sessions(), 0, "one of two is not two thirds");
    aggregator.sign(data, &[5]);
    assert_eq!(aggregator.sessions(), 1);
    aggregator.at(1, 2, 100);
    assert_eq!(aggregator.published(), [(2, vec![0, 1, 2, 3, 4, 5, 6])]);
}

#[test]
fn a_small_subnet_that_is_late_is_in_the_proof_of_the_boundary() {
    let mut aggregator = early(7, 3);
    let data = aggregator.data(1);
    aggregator.prover.costs(&[50]);
    aggregator.sign(data, &[0, 3, 6, 1, 4]);
    aggregator.at(1, 1, 700);
    aggregator.sign(data, &[2]);
    aggregator.at(1, 2, 100);
    assert_eq!(aggregator.published(), [(2, vec![0, 1, 2, 3, 4, 6])]);
}

#[test]
fn votes_of_other_slots_do_not_open_a_session_early() {
    let mut aggregator = early(9, 1);
    let old = aggregator.data(1);
    aggregator.at(2, 1, 0);
    aggregator.sign(old, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(aggregator.sessions(), 0);
}
