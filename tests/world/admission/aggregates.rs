//! Aggregates that say nothing new.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quintet_components::{
    chain::Head,
    containers::{AttestationData, ProofBytes},
    messages::{IgnoreReason, Verdict},
    rejection::RejectionReason,
};
use quintet_systems::admission::aggregates::MAX_PENDING_AGGREGATES_PER_PEER;

use crate::{
    admission::{Gate, ignored, reason},
    support::{
        chain::aggregate,
        mocked::{Twist, Twisted},
        node::Setup,
    },
};

/// Counts the proofs that are checked.
#[derive(Clone, Default)]
struct Checks(Arc<AtomicUsize>);

impl Twist for Checks {
    fn before_check(&self, _keys: usize) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A node at slot 1, interval 1, with a block of slot 1, and the count of checked aggregates.
fn gate() -> (Gate, impl FnMut() -> usize) {
    gate_with(|setup| setup)
}

fn gate_with(change: impl FnOnce(Setup) -> Setup) -> (Gate, impl FnMut() -> usize) {
    let checks = Checks::default();
    let proofs = Arc::new(Twisted(checks.clone()));
    let mut gate = Gate::with(|setup| change(Setup { proofs, ..setup.accepting_signatures() }));
    gate.node.tick_to(6, false);
    gate.import(1);
    let counted = checks.0.load(Ordering::Relaxed);
    (gate, move || checks.0.load(Ordering::Relaxed) - counted)
}

fn on_head(gate: &mut Gate) -> AttestationData {
    let head = gate.node.world().resource::<Head>().0;
    gate.attestation(1, head)
}

#[test]
fn an_aggregate_that_adds_no_voter_is_ignored_before_its_proof_is_checked() {
    let (mut gate, mut checks) = gate();
    let data = on_head(&mut gate);
    let id = gate.aggregate_from("peer", aggregate(data, &[0, 1, 2]));
    assert_eq!((gate.verdict(id), checks()), (Some(Verdict::Accepted), 1));
    for part in [&[0, 1][..], &[2], &[0, 1, 2]] {
        let id = gate.aggregate_from("peer", aggregate(data, part));
        assert_eq!(gate.verdict(id), Some(ignored(IgnoreReason::AddsNoVoter)));
    }
    // What counts already is known as well.
    gate.node.tick_to(9, false);
    let id = gate.aggregate_from("peer", aggregate(data, &[1, 2]));
    assert_eq!(gate.verdict(id), Some(ignored(IgnoreReason::AddsNoVoter)));
    assert_eq!(checks(), 1);
    let id = gate.aggregate_from("peer", aggregate(data, &[2, 3]));
    assert_eq!((gate.verdict(id), checks()), (Some(Verdict::Accepted), 2));
}

#[test]
fn sub_aggregates_wait_for_the_one_under_way_and_are_not_checked() {
    let (mut gate, mut checks) = gate();
    let data = on_head(&mut gate);
    let whole = gate.aggregate_from("peer", aggregate(data, &[0, 1, 2, 3]));
    let parts: Vec<_> =
        (0..4).map(|index| gate.aggregate_from("peer", aggregate(data, &[index]))).collect();
    assert_eq!(gate.verdict(whole), Some(Verdict::Accepted));
    for part in parts {
        assert_eq!(gate.verdict(part), Some(ignored(IgnoreReason::AddsNoVoter)));
    }
    assert_eq!(checks(), 1);
}

/// Else anybody could have an honest aggregate ignored by sending a worthless one first.
#[test]
fn an_invalid_aggregate_under_way_keeps_no_valid_one_out() {
    let (mut gate, _) = gate();
    let data = on_head(&mut gate);
    let mut invalid = aggregate(data, &[0, 1, 2, 3]);
    invalid.proof.proof = ProofBytes::new(vec![1; 40]).expect("short");
    let invalid = gate.aggregate_from("liar", invalid);
    let honest = gate.aggregate_from("honest", aggregate(data, &[0, 1, 2]));
    assert_eq!(reason(gate.verdict(invalid)), Some(RejectionReason::InvalidSignature));
    assert_eq!(gate.verdict(honest), Some(Verdict::Accepted));
}

#[test]
fn a_peer_with_many_aggregates_waiting_holds_up_no_other() {
    // One task ends an update.
    let (mut gate, mut checks) = gate_with(|setup| setup.scrambled(0));
    let data = on_head(&mut gate);
    let mut invalid = aggregate(data, &[0, 1, 2, 3]);
    invalid.proof.proof = ProofBytes::new(vec![1; 40]).expect("short");
    let flood: Vec<_> = (0..64).map(|_| gate.aggregate_from("liar", invalid.clone())).collect();
    gate.node.update();
    let more: Vec<_> = (0..10).map(|_| gate.aggregate_from("liar", invalid.clone())).collect();
    let honest = gate.aggregate_from("honest", aggregate(data, &[4]));
    for _ in 0..6 {
        gate.node.update();
    }
    assert!(checks() < 10, "its turn comes after one of the other's");
    assert_eq!(gate.node.verdict_now(honest), Some(Verdict::Accepted));
    gate.node.settle();
    let full = more.into_iter().filter_map(|id| gate.node.verdict_now(id));
    assert!(full.filter(|verdict| *verdict == ignored(IgnoreReason::SenderFull)).count() > 5);
    let judged = flood.into_iter().filter_map(|id| gate.node.verdict_now(id)).count();
    assert_eq!(judged, MAX_PENDING_AGGREGATES_PER_PEER);
}
