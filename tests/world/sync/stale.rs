//! Messages that are too old, and messages that were seen before, are not forwarded.

use quintet_components::{
    attestations::Signed,
    containers::{AttestationData, Signature},
    messages::{IgnoreReason, Verdict},
    preset::SignaturePreset,
};
use quintet_systems::pool;

use crate::{
    support::chain::attested_by,
    sync::{
        ledger::{Chain, VALIDATORS},
        world::SyncWorld,
    },
};

#[test]
fn a_block_before_the_finalized_slot_whose_parent_is_unknown_is_ignored_and_not_asked_for() {
    let chain = Chain::voted(20);
    let mut world = SyncWorld::at_slot(&chain, 20);
    for link in &chain.links {
        world.gossip(&link.block);
        world.settle();
    }
    assert!(world.finalized().slot >= 15, "{:?}", world.finalized());
    let fork = chain.up_to(5).grow([7, 9], 0);
    let id = world.gossip(&fork.at(9).block);
    assert!(matches!(world.node.verdict(id), Verdict::Ignored(_)));
    assert_eq!(world.counts().roots_asked, 0);
}

#[test]
fn a_validator_that_signs_one_attestation_again_has_nothing_new_to_say() {
    let chain = Chain::genesis().grow(1..=3, VALIDATORS);
    let mut world = SyncWorld::at_slot(&chain, 3);
    world.node.set_aggregator(true);
    for link in &chain.links {
        world.gossip(&link.block);
        world.settle();
    }
    let at = |slot| chain.at(slot).checkpoint();
    let data = AttestationData { slot: 3, head: at(3), target: at(3), source: at(2) };
    assert_eq!(world.node.attestation(attested_by(data, 1)), Verdict::Accepted);
    let mut again = attested_by(data, 1);
    again.signature = other_signature();
    assert_eq!(world.node.attestation(again), Verdict::Ignored(IgnoreReason::KnownAttestation));
    assert_eq!(world.node.attestation(attested_by(data, 2)), Verdict::Accepted);
    // Another attestation of the same validator is another matter.
    let other = AttestationData { head: at(2), target: at(2), ..data };
    assert_eq!(world.node.attestation(attested_by(other, 1)), Verdict::Accepted);
    let world = world.node.world();
    let counts: Vec<usize> = pool::members::<Signed>(world)
        .into_iter()
        .map(|vote| pool::signatures(world, vote).count())
        .collect();
    assert_eq!(counts, [2, 1]);
}

/// A signature of the same shape with other bytes.
fn other_signature() -> Signature {
    let mut bytes = Signature::placeholder(SignaturePreset::Test).as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    Signature::new(bytes).expect("the same shape")
}
