//! Sessions take entries from the pools and put some back.

use std::sync::Arc;

use crate::support::{
    chain,
    mocked::{Aggregate, Twist, Twisted},
    node::{Setup, TestNode},
};
use bevy_ecs::{message::Messages, prelude::*};
use quintet_components::{
    aggregation::{AggregationHistory, AggregationSession, SkipReason},
    attestations::{New, Phase, Signed},
    clock::first_interval,
    containers::AttestationData,
    messages::Verdict,
    network::NetworkCommand,
};
use quintet_prover::{CancelToken, ProveError};
use quintet_systems::{pool, production::produce_attestation_data};

/// The end of proving.
#[derive(Clone, Copy)]
enum Proving {
    Succeeds,
    Fails,
    Panics,
}

/// Placeholder proofs whose making ends as a test wants it.
struct Proofs(Proving);

impl Twist for Proofs {
    fn before_aggregate(&self, _: &Aggregate<'_>, _: &CancelToken) -> Result<(), ProveError> {
        match self.0 {
            Proving::Succeeds => Ok(()),
            Proving::Fails => Err(ProveError::InvalidInput("as the test wants it".into())),
            Proving::Panics => panic!("as the test wants it"),
        }
    }
}

/// An aggregator at interval 1 of slot 1, and the attestation to give there.
fn aggregator(proving: Proving) -> (TestNode, AttestationData) {
    let mut setup = Setup::new(chain::genesis(8)).accepting_signatures();
    setup.proofs = Arc::new(Twisted(Proofs(proving)));
    let mut node = TestNode::new(setup);
    node.set_aggregator(true);
    node.tick_to(first_interval(1) + 1, false);
    let data = produce_attestation_data(node.world(), 1);
    (node, data)
}

fn sign(node: &mut TestNode, data: AttestationData, validators: &[u64]) {
    for validator in validators {
        assert_eq!(node.attestation(chain::attested_by(data, *validator)), Verdict::Accepted);
    }
}

/// The validators of each new payload, and those with signatures that nothing absorbed.
fn pools(node: &mut TestNode) -> (Vec<Vec<u64>>, Vec<u64>) {
    let world = node.world();
    let new = pool::members::<New>(world)
        .into_iter()
        .flat_map(|vote| pool::payloads(world, vote, Phase::New))
        .map(|(_, payload)| payload.participants.indices().collect())
        .collect();
    let signed = pool::members::<Signed>(world)
        .into_iter()
        .flat_map(|vote| pool::signatures(world, vote))
        .map(|(_, signature)| signature.validator_index)
        .collect();
    (new, signed)
}

fn open_sessions(node: &mut TestNode) -> usize {
    let world = node.world();
    world.query::<&AggregationSession>().iter(world).count()
}

#[test]
fn proofs_absorb_children_and_signatures() {
    let (mut node, data) = aggregator(Proving::Succeeds);
    assert_eq!(node.aggregate(chain::aggregate(data, &[0, 1])), Verdict::Accepted);
    assert_eq!(node.aggregate(chain::aggregate(data, &[1, 2])), Verdict::Accepted);
    sign(&mut node, data, &[2, 5]);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!(pools(&mut node), (vec![vec![0, 1, 2, 5]], vec![]));
}

#[test]
fn one_fresh_signature_is_enough_and_one_child_is_not() {
    let (mut node, data) = aggregator(Proving::Succeeds);
    sign(&mut node, data, &[3]);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!(pools(&mut node), (vec![vec![3]], vec![]));

    let (mut node, data) = aggregator(Proving::Succeeds);
    assert_eq!(node.aggregate(chain::aggregate(data, &[0, 1])), Verdict::Accepted);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!(pools(&mut node), (vec![], vec![]), "as leanSpec has it");
}

#[test]
fn a_failed_proof_loses_none_of_its_inputs() {
    let (mut node, data) = aggregator(Proving::Fails);
    assert_eq!(node.aggregate(chain::aggregate(data, &[0, 1])), Verdict::Accepted);
    sign(&mut node, data, &[2, 5]);
    let before = pools(&mut node);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!(pools(&mut node), before);
    assert_eq!(open_sessions(&mut node), 0);
}

#[test]
fn a_panic_in_the_prover_ends_the_session_and_not_the_node() {
    let (mut node, data) = aggregator(Proving::Panics);
    sign(&mut node, data, &[2, 5]);
    let before = pools(&mut node);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!((pools(&mut node), open_sessions(&mut node)), (before, 0));
    node.tick_to(first_interval(2), false);
    assert_eq!(node.time(), first_interval(2), "the node goes on");
}

#[test]
fn a_late_wake_still_aggregates_the_slot() {
    let (mut node, data) = aggregator(Proving::Succeeds);
    sign(&mut node, data, &[0, 1, 2, 3, 4, 5]);
    // From interval 1 to 4 in one update: aggregated at 2, seen by the safe target at 3, counted
    // at 4.
    node.tick_to(first_interval(1) + 4, false);
    assert_eq!(pools(&mut node), (vec![], vec![]));
    let world = node.world();
    let known = pool::members::<quintet_components::attestations::Known>(world)
        .into_iter()
        .flat_map(|vote| pool::payloads(world, vote, Phase::Known))
        .map(|(_, payload)| payload.participants.count())
        .collect::<Vec<_>>();
    assert_eq!(known, [6]);
}

#[test]
fn without_the_role_nothing_is_kept_or_made() {
    let (mut node, data) = aggregator(Proving::Succeeds);
    node.set_aggregator(false);
    sign(&mut node, data, &[0, 1]);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!((pools(&mut node), open_sessions(&mut node)), ((vec![], vec![]), 0));
}

#[test]
fn without_any_attestations_a_session_opens_and_ends_with_nothing() {
    let (mut node, _) = aggregator(Proving::Panics);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!((pools(&mut node), open_sessions(&mut node)), ((vec![], vec![]), 0));
    let history = node.world().resource::<AggregationHistory>();
    let counts = history.of(1).expect("the slot had a session");
    assert_eq!((counts.sessions, counts.groups, counts.prepared), (1, 0, 0));
}

#[test]
fn two_overlapping_children_become_one_proof() {
    let (mut node, data) = aggregator(Proving::Succeeds);
    assert_eq!(node.aggregate(chain::aggregate(data, &[0, 1, 2])), Verdict::Accepted);
    assert_eq!(node.aggregate(chain::aggregate(data, &[2, 3])), Verdict::Accepted);
    node.tick_to(first_interval(1) + 2, false);
    assert_eq!(pools(&mut node), (vec![vec![0, 1, 2, 3]], vec![]));
}

#[test]
fn a_child_within_another_is_no_reason_for_a_proof() {
    let (mut node, data) = aggregator(Proving::Panics);
    assert_eq!(node.aggregate(chain::aggregate(data, &[1, 2])), Verdict::Accepted);
    assert_eq!(node.aggregate(chain::aggregate(data, &[0, 1, 2])), Verdict::Accepted);
    node.tick_to(first_interval(1) + 2, false);
    let history = node.world().resource::<AggregationHistory>();
    let counts = history.of(1).expect("the slot had a session");
    assert_eq!((counts.prepared, counts.skipped.get(&SkipReason::LoneProof)), (0, Some(&1)));
}

#[test]
fn a_change_of_the_role_subscribes_and_unsubscribes() {
    let (mut node, _) = aggregator(Proving::Succeeds);
    let commands = |node: &mut TestNode| -> Vec<NetworkCommand> {
        node.update();
        node.world().resource_mut::<Messages<NetworkCommand>>().drain().collect()
    };
    assert_eq!(commands(&mut node), [], "nothing changes");
    node.set_aggregator(false);
    assert_eq!(commands(&mut node), [NetworkCommand::Subscribe([].into())]);
    node.set_aggregator(true);
    assert_eq!(commands(&mut node), [NetworkCommand::Subscribe([0].into())]);
    assert_eq!(commands(&mut node), []);
}
