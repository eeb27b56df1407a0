//! Attestations and aggregates that name an unknown block.

use std::sync::Arc;

use quintet_components::{
    containers::{AttestationData, Checkpoint, Root},
    messages::{IgnoreReason, Verdict},
    rejection::RejectionReason,
    sync::WaitingAttestations,
};
use quintet_systems::verification::{SignatureCheck, SignatureVerifier};
use tree_hash::TreeHash;

use crate::{
    admission::{Gate, ignored, reason},
    support::{
        chain::{aggregate, attested_by, build_on, signed},
        node::Setup,
    },
};

struct RejectAll;

impl SignatureVerifier for RejectAll {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        vec![false; checks.len()]
    }
}

fn waiting_room(setup: Setup) -> Setup {
    setup.with(|app| _ = app.init_resource::<WaitingAttestations>())
}

fn waiting(gate: &mut Gate) -> usize {
    gate.node.world().resource::<WaitingAttestations>().len()
}

fn unknown(gate: &Gate, byte: u8) -> AttestationData {
    gate.attestation(1, Checkpoint { root: Root::repeat_byte(byte), slot: 1 })
}

#[test]
fn who_has_no_keys_fills_no_place() {
    let mut gate =
        Gate::with(|setup| waiting_room(Setup { signatures: Some(Arc::new(RejectAll)), ..setup }));
    gate.node.tick_to(6, false);
    for byte in 1..100 {
        let data = unknown(&gate, byte);
        let single = gate.attestation_from("keyless", attested_by(data, u64::from(byte) % 8));
        let mut joined = aggregate(data, &[u64::from(byte) % 8]);
        joined.proof.proof =
            quintet_components::containers::ProofBytes::new(vec![byte; 40]).expect("short");
        let joined = gate.aggregate_from("keyless", joined);
        assert_eq!(reason(gate.verdict(single)), Some(RejectionReason::InvalidSignature));
        assert_eq!(reason(gate.verdict(joined)), Some(RejectionReason::InvalidSignature));
    }
    assert_eq!(waiting(&mut gate), 0);
}

#[test]
fn a_validator_has_one_place_for_a_slot() {
    let mut gate = Gate::with(|setup| waiting_room(setup.accepting_signatures()));
    gate.node.tick_to(6, false);
    for byte in 1..50 {
        let data = unknown(&gate, byte);
        let id = gate.attestation_from("peer", attested_by(data, 3));
        let verdict = gate.verdict(id);
        assert_eq!(verdict.is_none(), byte == 1, "{verdict:?}");
        let id = gate.aggregate_from("peer", aggregate(data, &[3]));
        let verdict = gate.verdict(id);
        assert_eq!(verdict.is_none(), byte == 1, "{verdict:?}");
    }
    assert_eq!(waiting(&mut gate), 2);
    // Another validator finds its place.
    let data = unknown(&gate, 1);
    let id = gate.attestation_from("peer", attested_by(data, 4));
    assert_eq!(gate.verdict(id), None);
    let id = gate.aggregate_from("peer", aggregate(data, &[3, 4]));
    assert_eq!(gate.verdict(id), None);
    // The part that the last one covers made room.
    assert_eq!(waiting(&mut gate), 3);
}

/// An attestation for a block that is known needs no place.
#[test]
fn what_waits_keeps_no_other_attestation_of_its_validator_out() {
    let mut gate = Gate::with(|setup| waiting_room(setup.accepting_signatures()));
    gate.node.tick_to(6, false);
    let data = unknown(&gate, 1);
    let id = gate.attestation_from("peer", attested_by(data, 3));
    assert_eq!(gate.verdict(id), None);
    let known = gate.attestation(1, gate.genesis());
    let id = gate.attestation_from("peer", attested_by(known, 3));
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
}

#[test]
fn what_waited_is_in_its_pool_as_soon_as_its_block_is_imported() {
    let mut gate = Gate::with(|setup| waiting_room(setup.accepting_signatures()));
    gate.node.set_aggregator(true);
    gate.node.tick_to(5, false);
    let (block, _) = build_on(&gate.anchor.state, 1, vec![]).expect("valid");
    let head = Checkpoint { root: block.tree_hash_root(), slot: 1 };
    let data = gate.attestation(1, head);
    let single = gate.attestation_from("peer", attested_by(data, 3));
    let joined = gate.aggregate_from("peer", aggregate(data, &[1, 2]));
    assert_eq!((gate.verdict(single), gate.verdict(joined)), (None, None));
    assert_eq!(gate.node.block(signed(block)), Verdict::Accepted);
    assert_eq!(gate.verdict(single), Some(Verdict::Accepted));
    assert_eq!(gate.verdict(joined), Some(Verdict::Accepted));
    let again = gate.attestation_from("peer", attested_by(data, 3));
    assert_eq!(gate.verdict(again), Some(ignored(IgnoreReason::KnownAttestation)));
    let [signed, new, _] = quintet_systems::pool::pool_sizes(gate.node.world());
    assert_eq!((signed, new), (1, 1));
}
