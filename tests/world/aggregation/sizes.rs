//! The capacity of a block is known before a proof is made.

use quintet_components::aggregation::SkipReason;
use quintet_prover::CancelToken;
use quintet_systems::production::{BlockInputs, build_block};

use crate::aggregation::aggregator::{Aggregator, Options};

fn aggregator(signers: usize) -> Aggregator {
    let aggregator = Aggregator::new(&Options { validators: 16, ..Options::default() });
    aggregator.prover.limit_signers(signers);
    aggregator.prover.costs(&[1]);
    aggregator
}

#[test]
fn more_signatures_than_a_proof_may_hold_are_spread_over_several() {
    // The proposer takes one of the six.
    let mut aggregator = aggregator(6);
    let data = aggregator.data(1);
    aggregator.sign(data, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    aggregator.at(1, 2, 10);
    assert_eq!(aggregator.new_payloads(), [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8, 9], vec![10, 11]]);
    let counts = aggregator.counts(1);
    assert_eq!((counts.groups, counts.prepared, counts.proved), (1, 3, 3), "{counts:?}");
    assert_eq!(aggregator.signed().len(), 0);
}

#[test]
fn a_proof_that_has_no_room_beside_others_is_left_and_stays_in_the_pool() {
    let mut aggregator = aggregator(6);
    let data = aggregator.data(1);
    aggregator.receive(data, &[0, 1, 2, 3]);
    aggregator.receive(data, &[6, 7, 8]);
    aggregator.sign(data, &[4]);
    aggregator.at(1, 2, 10);
    assert_eq!(aggregator.new_payloads(), [vec![6, 7, 8], vec![0, 1, 2, 3, 4]]);
    assert_eq!(aggregator.counts(1).skipped[&SkipReason::TooLarge], 1);
}

#[test]
fn a_job_that_needs_more_than_the_prover_has_is_refused_beforehand() {
    let mut aggregator = Aggregator::new(&Options { memory_bytes: 1024, ..Options::default() });
    let data = aggregator.data(1);
    aggregator.sign(data, &[0, 1]);
    aggregator.at(1, 2, 10);
    let counts = aggregator.counts(1);
    assert_eq!((counts.prepared, counts.skipped[&SkipReason::TooLarge]), (0, 1));
    assert_eq!(aggregator.signed(), [[0, 1]]);
}

#[test]
fn a_block_leaves_out_what_its_proof_has_no_room_for() {
    let mut aggregator = aggregator(8);
    aggregator.node.set_aggregator(false);
    let votes: Vec<_> = (1..=3).map(|slot| aggregator.data(slot)).collect();
    aggregator.at(3, 1, 0);
    for (data, signers) in votes.iter().zip([&[0, 1, 2, 3][..], &[4, 5, 6, 7], &[8, 9, 10]]) {
        aggregator.receive(*data, signers);
    }
    aggregator.at(3, 4, 0);
    let inputs = BlockInputs::on_head(aggregator.node.world(), 4, 4).expect("it is the proposer");
    assert_eq!(inputs.candidates.len(), 3);
    let proofs = aggregator.prover.proofs();
    let built = build_block(&inputs, &proofs, &CancelToken::default()).expect("it is built");
    let carried: Vec<Vec<u64>> = built
        .block
        .body
        .attestations
        .iter()
        .map(|each| each.aggregation_bits.indices().collect())
        .collect();
    assert_eq!(carried, [vec![0, 1, 2, 3], vec![8, 9, 10]]);
}
