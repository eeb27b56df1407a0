//! Attestations that blocks bring.

use std::sync::Arc;

use quintet_components::{
    aggregation::SkipReason,
    chain::{Head, States},
    containers::{AggregatedAttestation, SignedBlock, State},
    prover::{ProverKind, ProverStatus},
};

use crate::{
    aggregation::aggregator::{Aggregator, Options},
    support::chain,
};

fn aggregator() -> Aggregator {
    let aggregator = Aggregator::new(&Options { reaggregation: true, ..Options::default() });
    aggregator.prover.costs(&[20]);
    aggregator
}

fn head_state(aggregator: &mut Aggregator) -> Arc<State> {
    let world = aggregator.node.world();
    let head = world.resource::<Head>().0.root;
    Arc::clone(world.resource::<States>().get(&head).expect("the head's state is held"))
}

fn block(aggregator: &mut Aggregator, slot: u64, votes: Vec<AggregatedAttestation>) -> SignedBlock {
    let parent = head_state(aggregator);
    chain::signed(chain::build_on(&parent, slot, votes).expect("it is valid").0)
}

#[test]
fn an_imported_blocks_attestations_become_payloads_which_an_aggregator_publishes() {
    let mut aggregator = aggregator();
    let data = aggregator.data(1);
    aggregator.at(2, 0, 50);
    let block = block(&mut aggregator, 2, vec![chain::aggregated(data, &[0, 1, 2])]);
    aggregator.import(block);
    assert_eq!(aggregator.known_payloads(), [] as [Vec<u64>; 0]);
    aggregator.at(2, 0, 100);
    assert_eq!(aggregator.known_payloads(), [[0, 1, 2]]);
    assert_eq!(aggregator.published(), [(0, vec![0, 1, 2])]);
    let counts = aggregator.counts(2);
    assert_eq!((counts.prepared, counts.proved, counts.split), (1, 1, 1), "{counts:?}");
    let job = &aggregator.timeline()[0];
    assert_eq!(job.kind, ProverKind::Reaggregation);
    assert!(matches!(job.status, ProverStatus::Proved { .. }));
}

#[test]
fn without_the_role_they_serve_the_own_pool_only() {
    let mut aggregator = aggregator();
    aggregator.node.set_aggregator(false);
    let data = aggregator.data(1);
    aggregator.at(2, 0, 50);
    let block = block(&mut aggregator, 2, vec![chain::aggregated(data, &[0, 1, 2])]);
    aggregator.import(block);
    aggregator.at(2, 0, 100);
    assert_eq!(
        (aggregator.known_payloads(), aggregator.published()),
        (vec![vec![0, 1, 2]], vec![])
    );
}

#[test]
fn what_a_block_brings_is_folded_with_fresh_signatures() {
    let mut aggregator = aggregator();
    let data = aggregator.data(1);
    aggregator.at(2, 0, 50);
    let block = block(&mut aggregator, 2, vec![chain::aggregated(data, &[0, 1, 2])]);
    aggregator.import(block);
    aggregator.at(2, 1, 0);
    aggregator.sign(data, &[2, 3]);
    aggregator.at(2, 2, 100);
    assert_eq!(aggregator.published(), [(0, vec![0, 1, 2]), (2, vec![0, 1, 2, 3])]);
}

#[test]
fn at_most_four_attestations_are_taken_and_those_that_add_nothing_are_left() {
    let mut aggregator = aggregator();
    let votes: Vec<_> = (1..=6).map(|slot| aggregator.data(slot)).collect();
    aggregator.at(7, 0, 0);
    // The pool has all of the newest attestation already.
    aggregator.receive(votes[5], &[0, 1, 2]);
    let attestations = votes.iter().map(|data| chain::aggregated(*data, &[0, 1])).collect();
    let block = block(&mut aggregator, 7, attestations);
    aggregator.import(block);
    aggregator.at(7, 0, 100);
    let counts = aggregator.counts(7);
    assert_eq!(counts.split, 4, "{counts:?}");
    assert_eq!(counts.skipped[&SkipReason::NoGain], 1);
    assert_eq!(counts.skipped[&SkipReason::OverLimit], 1);
    // The newest four that gain: slots 2 to 5.
    assert_eq!(aggregator.known_payloads().len(), 4);
}

#[test]
fn a_block_that_comes_again_is_not_split_again() {
    let mut aggregator = aggregator();
    let data = aggregator.data(1);
    aggregator.at(2, 0, 50);
    let block = block(&mut aggregator, 2, vec![chain::aggregated(data, &[0, 1, 2])]);
    aggregator.import(block.clone());
    aggregator.at(2, 0, 100);
    let before = (aggregator.known_payloads(), aggregator.published(), aggregator.counts(2));
    aggregator.import(block);
    aggregator.at(2, 0, 200);
    assert_eq!(before, (aggregator.known_payloads(), aggregator.published(), aggregator.counts(2)));
}

#[test]
fn an_old_block_is_left_alone() {
    let mut aggregator = aggregator();
    let data = aggregator.data(1);
    let block = block(&mut aggregator, 2, vec![chain::aggregated(data, &[0, 1, 2])]);
    aggregator.at(5, 0, 50);
    aggregator.import(block);
    aggregator.at(5, 0, 200);
    assert_eq!(aggregator.known_payloads(), [] as [Vec<u64>; 0]);
    assert_eq!(aggregator.counts(5).skipped[&SkipReason::OldBlock], 1);
}
