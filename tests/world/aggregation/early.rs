//! Sessions that open before interval 2.

use quintet_components::{
    aggregation::SkipReason,
    chain::{Head, States},
    containers::AttestationData,
    prover::ProverLimits,
};

use crate::{
    aggregation::aggregator::{Aggregator, Options},
    support::{chain, prover::Ending},
};

fn early(validators: u64, committees: u64) -> Aggregator {
    Aggregator::new(&Options { validators, committees, early_start: true, ..Options::default() })
}

#[test]
fn two_thirds_of_the_attestations_open_a_session_which_publishes_at_the_boundary() {
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
    aggregator.at(1, 2, 199);
    assert_eq!(aggregator.published(), [], "the early proof waits for the one that replaces it");
    aggregator.at(1, 2, 200);
    assert_eq!(aggregator.published(), [(2, vec![0, 1, 2, 3, 4, 5, 6, 7, 8])]);
    let counts = aggregator.counts(1);
    assert_eq!((counts.published, counts.superseded, counts.proved), (1, 1, 2), "{counts:?}");
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
fn attestations_of_other_slots_do_not_open_a_session_early() {
    let mut aggregator = early(9, 1);
    let old = aggregator.data(1);
    aggregator.at(2, 1, 0);
    aggregator.sign(old, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(aggregator.sessions(), 0);
}

/// An aggregator whose early proof of six is ready, and which adds three more at the boundary; the
/// proof of all takes so long.
fn extended(cost_ms: u64) -> Aggregator {
    let mut aggregator = early(9, 1);
    let data = aggregator.data(1);
    aggregator.prover.costs(&[200, cost_ms]);
    aggregator.sign(data, &[0, 1, 2, 3, 4, 5]);
    aggregator.at(1, 1, 500);
    aggregator.sign(data, &[6, 7, 8]);
    aggregator
}

const EARLY: [u64; 6] = [0, 1, 2, 3, 4, 5];
const ALL: [u64; 9] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn an_early_proof_goes_out_by_the_deadline_when_the_complete_one_misses_interval_3() {
    let mut aggregator = extended(900);
    aggregator.at(1, 2, 749);
    assert_eq!(aggregator.published(), []);
    aggregator.at(1, 2, 750);
    assert_eq!(aggregator.published(), [(2, EARLY.to_vec())]);
    aggregator.at(1, 3, 100);
    assert_eq!(aggregator.published(), [(2, EARLY.to_vec()), (3, ALL.to_vec())]);
    let counts = aggregator.counts(1);
    assert_eq!((counts.published, counts.superseded, counts.late), (2, 0, 1), "{counts:?}");
}

#[test]
fn an_early_proof_goes_out_at_once_when_the_complete_one_fails() {
    let mut aggregator = extended(300);
    aggregator.prover.endings(&[Ending::Error]);
    aggregator.at(1, 2, 300);
    assert_eq!(aggregator.published(), [(2, EARLY.to_vec())]);
    let counts = aggregator.counts(1);
    assert_eq!((counts.failed, counts.superseded, aggregator.sessions()), (1, 0, 0), "{counts:?}");
}

#[test]
fn a_node_that_wakes_too_late_for_interval_3_holds_no_early_proof_back() {
    let mut aggregator = extended(300);
    aggregator.wake_at(1, 3);
    assert_eq!(aggregator.published(), [(3, EARLY.to_vec())]);
    aggregator.at(1, 3, 400);
    assert_eq!(aggregator.published(), [(3, EARLY.to_vec()), (3, ALL.to_vec())]);
}

#[test]
fn an_early_proof_that_found_no_room_for_its_successor_goes_out_at_the_boundary() {
    let mut aggregator = extended(300);
    aggregator.node.world().resource_mut::<ProverLimits>().queue = 0;
    aggregator.at(1, 2, 0);
    assert_eq!(aggregator.published(), [(2, EARLY.to_vec())]);
    assert_eq!(aggregator.counts(1).skipped[&SkipReason::QueueFull], 1);
}

#[test]
fn attestations_that_come_together_open_a_session_as_if_they_came_one_by_one() {
    let mut aggregator = early(9, 1);
    let data = aggregator.data(1);
    aggregator.prover.costs(&[200]);
    aggregator.sign(data, &ALL);
    aggregator.at(1, 1, 300);
    let made = aggregator.prover.made();
    assert_eq!((made.len(), made[0].signatures), (1, 6), "those up to the sixth, which opens it");
}

#[test]
fn of_an_equivocating_validator_the_early_proof_has_what_came_before_it_opened() {
    let mut aggregator = early(9, 1);
    let parent = aggregator.node.world().resource::<Head>().0;
    let state = aggregator.node.world().resource::<States>().get(&parent.root).cloned();
    let (block, _) = chain::build_on(&state.expect("genesis is held"), 1, vec![]).expect("valid");
    aggregator.import(chain::signed(block));
    aggregator.at(2, 1, 0);
    let data = aggregator.data(2);
    let other = AttestationData { head: parent, ..data };
    assert_ne!(data, other);
    aggregator.prover.costs(&[200]);
    for validator in EARLY {
        aggregator.node.offer_attestation(chain::attested_by(data, validator));
    }
    aggregator.node.offer_attestation(chain::attested_by(other, 0));
    aggregator.update();
    aggregator.update();
    assert_eq!(aggregator.signed(), [EARLY.to_vec(), vec![0]]);
    aggregator.at(2, 1, 700);
    let made: Vec<_> = aggregator.prover.made().into_iter().map(|made| made.signatures).collect();
    assert_eq!(made, [6]);
}
