//! A peer without any validator's keys uses what others have signed, over real connections.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use libp2p::PeerId as LibPeerId;
use quintet_components::{
    attestations::{AttestationsByData, New},
    containers::{AttestationData, Checkpoint, Root, SignedAggregatedAttestation},
    sync::WaitingAttestations,
};
use quintet_plugins::network::codec::{snappy, topic::Topic};
use quintet_systems::verification::{SignatureCheck, SignatureVerifier};
use ssz::Encode;
use tree_hash::TreeHash;

use crate::{
    quic::raw::{RawPeer, gossip},
    support::{
        chain::{aggregate, attested_by},
        mocked::{Twist, Twisted},
        networked::{Blockchain, Networked, run_until},
        node::Setup,
    },
};

const DIGEST: &str = "12345678";

/// Counts the proofs that are checked.
#[derive(Clone, Default)]
struct Checks(Arc<AtomicUsize>);

impl Twist for Checks {
    fn before_check(&self, _keys: usize) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct RejectAll;

impl SignatureVerifier for RejectAll {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        vec![false; checks.len()]
    }
}

/// An aggregator at slot 1 with the block of slot 1, and a raw peer that it listens to.
fn node_and_peer(setup: impl FnOnce(Setup) -> Setup) -> (Networked, RawPeer, AttestationData) {
    let chain = Blockchain::grow(8, 1, 8);
    let setup = setup(Setup::new(chain.anchor.clone()).accepting_signatures());
    let mut node = Networked::with(1, setup, &[], None);
    // The network follows a change of the role.
    node.turn_to(0);
    node.node.set_aggregator(true);
    node.turn_to(1);
    node.import(chain.up_to(1));
    let peer = RawPeer::start(Some(gossip(false)));
    peer.connect(&node.local.address());
    let name: LibPeerId = node.local.peer.0.parse().expect("a peer id");
    for topic in [Topic::Aggregation, Topic::Attestation(0)] {
        peer.wait_subscribed(name, &topic.text(DIGEST));
    }
    run_until([&mut node], "connects", |[node]| node.peers() == 1);
    let genesis = Checkpoint { root: chain.anchor.block.tree_hash_root(), slot: 0 };
    let head = Checkpoint { root: chain.at(1).0, slot: 1 };
    (node, peer, AttestationData { slot: 1, head, target: genesis, source: genesis })
}

fn publish(peer: &RawPeer, aggregate: &SignedAggregatedAttestation) {
    peer.publish(&Topic::Aggregation.text(DIGEST), snappy::compress(&aggregate.as_ssz_bytes()));
}

#[test]
fn sub_aggregates_of_a_public_one_are_ignored_unchecked() {
    let checks = Checks::default();
    let proofs = Arc::new(Twisted(checks.clone()));
    let (mut node, peer, data) = node_and_peer(|setup| Setup { proofs, ..setup });
    let before = checks.0.load(Ordering::Relaxed);
    publish(&peer, &aggregate(data, &[0, 1, 2, 3, 4, 5]));
    run_until([&mut node], "the public one", |[node]| node.counters.aggregates.accepted.get() == 1);
    for first in 0..5 {
        publish(&peer, &aggregate(data, &[first]));
        publish(&peer, &aggregate(data, &[first, first + 1]));
    }
    run_until([&mut node], "its parts", |[node]| node.counters.aggregates.ignored.get() == 10);
    assert_eq!(checks.0.load(Ordering::Relaxed) - before, 1);
    let index = node.node.world().resource::<AttestationsByData>();
    let payloads = index.members::<New>().flat_map(|attestation| index.payloads(attestation));
    assert_eq!(payloads.count(), 1);
    assert_eq!(node.counters.aggregates.rejected.get(), 0);
}

#[test]
fn unsigned_attestations_for_unknown_blocks_are_not_held_and_cost_their_sender() {
    let (mut node, peer, data) =
        node_and_peer(|setup| Setup { signatures: Some(Arc::new(RejectAll)), ..setup });
    let topic = Topic::Attestation(0).text(DIGEST);
    for byte in 1..=20 {
        let head = Checkpoint { root: Root::repeat_byte(byte), slot: 1 };
        let forged = attested_by(AttestationData { head, ..data }, u64::from(byte) % 8);
        peer.publish(&topic, snappy::compress(&forged.as_ssz_bytes()));
    }
    run_until([&mut node], "banned", |[node]| node.counters.banned.get() == 1);
    assert!(node.node.world().resource::<WaitingAttestations>().is_empty());
}
