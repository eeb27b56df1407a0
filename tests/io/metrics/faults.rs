//! Metrics of faults.

use std::sync::Arc;

use quintet_components::{
    containers::{
        AttestationData, Checkpoint, MultiMessageAggregate, ProofBytes, Root, Signature,
        SignedAggregatedAttestation, SignedBlock, SingleMessageAggregate, Slot, State,
        ValidatorIndex,
    },
    duties::{MissReason, SignError, SignRequest, Signer, Signing},
    messages::Verdict,
    sync::DutyGate,
};
use quintet_plugins::MetricsPlugin;
use tree_hash::TreeHash;

use crate::{
    metrics::network::{network, run},
    support::{
        chain,
        node::{Setup, TestNode},
        scrape::Scrape,
    },
};

fn measured(setup: Setup) -> TestNode {
    TestNode::new(setup.with(|app| _ = app.add_plugins(MetricsPlugin::default())))
}

/// A node at genesis with four validators, and an attestation to genesis.
fn node() -> (TestNode, AttestationData) {
    let anchor = chain::genesis(4);
    let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    let data = AttestationData { slot: 1, head: genesis, target: genesis, source: genesis };
    let mut node = measured(Setup::new(anchor));
    node.tick_to(6, false);
    (node, data)
}

/// The metrics that are zero in a scenario without a fault.
pub fn faults() -> Vec<Scrape> {
    vec![invalid_attestations(), reorganisation(), no_signatures()]
}

fn invalid_attestations() -> Scrape {
    let (mut node, data) = node();
    let rejected = |verdict| assert!(matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
    rejected(node.attestation(chain::attested_by(data, 1)));
    let proof = ProofBytes::new(vec![1, 2, 3]).expect("short");
    let proof = SingleMessageAggregate { participants: chain::bits(&[1, 2]), proof };
    rejected(node.aggregate(SignedAggregatedAttestation { data, proof }));
    let unknown = Checkpoint { root: Root::repeat_byte(9), slot: 1 };
    rejected(node.attestation(chain::attested_by(AttestationData { head: unknown, ..data }, 1)));
    let (block, _) = chain::build_on(&chain::genesis(4).state, 1, Vec::new()).expect("valid");
    let proof = ProofBytes::new(vec![1, 2, 3]).expect("short");
    rejected(node.block(SignedBlock { block, proof: MultiMessageAggregate { proof } }));
    Scrape::of(&node.app)
}

#[test]
fn invalid_attestations_aggregates_and_blocks_are_counted() {
    let scrape = invalid_attestations();
    assert_eq!(scrape.value("lean_pq_sig_attestation_signatures_invalid_total"), 1.0);
    assert_eq!(scrape.value("lean_pq_sig_attestation_signatures_valid_total"), 0.0);
    assert_eq!(scrape.value("lean_pq_sig_attestation_verification_time_seconds"), 1.0);
    assert_eq!(scrape.value("lean_pq_sig_aggregated_signatures_invalid_total"), 1.0);
    assert_eq!(scrape.value("lean_pq_sig_aggregated_signatures_verification_time_seconds"), 1.0);
    // The one that names an unknown block; the other two passed up to their signatures.
    assert_eq!(scrape.value("lean_attestations_invalid_total"), 1.0);
    assert_eq!(scrape.value("lean_attestations_valid_total"), 2.0);
    assert_eq!(scrape.value("lean_attestation_validation_time_seconds"), 3.0);
    assert_eq!(scrape.value("quintet_block_proof_verification_seconds"), 1.0);
    assert_eq!(scrape.value("lean_state_transition_time_seconds"), 0.0);
    assert_eq!(scrape.labelled("quintet_inputs_total", &[("verdict", "rejected")]), 4.0);
    let refused = |reason| scrape.labelled("quintet_refusals_total", &[("reason", reason)]);
    assert_eq!(refused("INVALID_SIGNATURE"), 2.0);
    assert_eq!(refused("UNKNOWN_HEAD_BLOCK"), 1.0);
    assert_eq!(refused("INVALID_BLOCK_PROOF"), 1.0);
}

/// Two blocks, and then an attestation of everybody to another one on genesis.
fn reorganisation() -> Scrape {
    let anchor = chain::genesis(4);
    let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
    let on = |state: &State, slot: Slot| chain::build_on(state, slot, Vec::new()).expect("valid");
    let (first, state) = on(&anchor.state, 1);
    let (second, _) = on(&state, 2);
    let (other, _) = on(&anchor.state, 3);
    let head = Checkpoint { root: other.tree_hash_root(), slot: 3 };
    let data = AttestationData { slot: 3, head, target: head, source: genesis };

    let mut node = measured(Setup::new(anchor).accepting_signatures());
    node.tick_to(17, false);
    let _ = node.block(chain::signed(first));
    let _ = node.block(chain::signed(second));
    let _ = node.block(chain::signed(other));
    let _ = node.aggregate(chain::aggregate(data, &[0, 1, 2]));
    node.tick_to(19, false);
    let scrape = Scrape::of(&node.app);
    assert_eq!(scrape.value("lean_head_slot"), 3.0);
    // Once, whether it is the attestation that moves the head or, before it, the larger root.
    assert_eq!(scrape.value("lean_fork_choice_reorgs_total"), 1.0);
    assert_eq!(scrape.sum("lean_fork_choice_reorg_depth"), 2.0);
    scrape
}

#[test]
fn a_reorganisation_is_counted_with_its_depth() {
    let scrape = reorganisation();
    assert_eq!(scrape.value("lean_fork_choice_reorg_depth"), 1.0);
    assert_eq!(scrape.value("quintet_fork_choice_reorg_depth"), 1.0);
    assert_eq!(scrape.value("lean_gossip_signatures"), 0.0);
    assert_eq!(scrape.value("lean_latest_new_aggregated_payloads"), 0.0);
    assert_eq!(scrape.value("lean_latest_known_aggregated_payloads"), 1.0);
}

/// Signs nothing.
struct Nothing;

impl Signer for Nothing {
    fn validators(&self) -> Vec<ValidatorIndex> {
        vec![0]
    }

    fn sign(&self, request: &SignRequest) -> Result<Signature, SignError> {
        Err(SignError::UnknownKey { index: request.index, role: request.role })
    }
}

fn no_signatures() -> Scrape {
    let mut nodes = network();
    nodes[0].insert_resource(Signing(Arc::new(Nothing)));
    run(&mut nodes, 0, 5, |_| false);
    Scrape::of(&nodes[0])
}

#[test]
fn a_block_without_a_signature_is_counted_as_not_built() {
    let scrape = no_signatures();
    // Validator 0 proposes in slot 4.
    assert_eq!(scrape.value("lean_block_building_failures_total"), 1.0);
    assert_eq!(scrape.value("lean_block_building_success_total"), 0.0);
    assert_eq!(scrape.value("lean_pq_sig_attestation_signatures_total"), 0.0);
    let missed = |duty| {
        let labels = [("duty", duty), ("reason", "not_signed")];
        scrape.labelled("quintet_duties_missed_total", &labels)
    };
    assert_eq!((missed("propose"), missed("attest")), (1.0, 6.0));
}

#[test]
fn a_node_that_is_not_synced_skips_its_slots() {
    let (mut node, _) = node();
    node.set_aggregator(true);
    let gate = DutyGate { closed: Some(MissReason::Syncing), at_slot: 2, behind: 0 };
    node.world().insert_resource(gate);
    node.tick_to(13, false);
    let skipped = [("reason", "not_synced")];
    let scrape = Scrape::of(&node.app);
    assert_eq!(scrape.labelled("lean_aggregator_skipped_total", &skipped), 1.0);
}
