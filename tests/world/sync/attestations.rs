//! Attestations and aggregates that name a block which has not come yet.

use std::sync::Arc;

use quintet_components::{
    chain::Finalized,
    containers::{AttestationData, Checkpoint, Root},
    messages::{InputId, Verdict},
    rejection::RejectionReason,
    sync::WaitingAttestations,
};

use crate::{
    support::chain::{aggregate, attested_by},
    sync::{
        ledger::{Chain, VALIDATORS},
        world::SyncWorld,
    },
};

/// A node at slot 12 that lacks the chain's last block, and an attestation to that block.
fn before_the_last_block() -> (SyncWorld, Arc<Chain>, AttestationData) {
    let chain = Arc::new(Chain::voted(12));
    let mut world = SyncWorld::at_slot(&chain, 12);
    for link in &chain.links[..11] {
        world.gossip(&link.block);
    }
    world.settle();
    let source = world.node.world().resource::<Finalized>().0;
    let head = chain.tip();
    (world, chain, AttestationData { slot: 12, head, target: head, source })
}

fn waiting(world: &mut SyncWorld) -> usize {
    world.node.world().resource::<WaitingAttestations>().len()
}

fn reason(world: &mut SyncWorld, id: InputId) -> Option<RejectionReason> {
    match world.node.verdict(id) {
        Verdict::Rejected(rejection) => Some(rejection.reason),
        _ => None,
    }
}

#[test]
fn an_attestation_and_an_aggregate_wait_for_their_block() {
    let (mut world, chain, data) = before_the_last_block();
    let single = world.node.offer_attestation(attested_by(data, 1));
    let joined = world.node.offer_aggregate(aggregate(data, &[1, 2]));
    world.run_ms(1_500);
    assert_eq!(waiting(&mut world), 2);
    world.gossip(&chain.at(12).block);
    world.settle();
    world.settle();
    assert_eq!(world.node.verdict(single), Verdict::Accepted);
    assert_eq!(world.node.verdict(joined), Verdict::Accepted);
    let counts = world.counts();
    assert_eq!(
        (counts.attestations_held, counts.attestations_released, counts.attestations_expired),
        (2, 2, 0)
    );
}

#[test]
fn an_attestation_whose_block_does_not_come_is_judged_as_ever_after_two_slots() {
    let (mut world, _, data) = before_the_last_block();
    let unknown = Checkpoint { root: Root::repeat_byte(9), slot: 12 };
    let head =
        world.node.offer_attestation(attested_by(AttestationData { head: unknown, ..data }, 1));
    let source = AttestationData { source: Checkpoint { slot: 3, ..unknown }, ..data };
    let source = world.node.offer_aggregate(aggregate(source, &[1]));
    world.run_ms(7_900);
    assert_eq!(waiting(&mut world), 2);
    world.run_ms(200);
    assert_eq!(waiting(&mut world), 0);
    assert_eq!(reason(&mut world, head), Some(RejectionReason::UnknownTargetBlock));
    assert_eq!(reason(&mut world, source), Some(RejectionReason::UnknownSourceBlock));
    assert_eq!(world.counts().attestations_expired, 2);
}

#[test]
fn what_is_wrong_in_itself_does_not_wait() {
    let (mut world, _, data) = before_the_last_block();
    let known = world.head();
    let data = AttestationData { slot: 99, head: known, target: known, ..data };
    let id = world.node.offer_attestation(attested_by(data, 1));
    world.update();
    assert_eq!(waiting(&mut world), 0);
    assert_eq!(reason(&mut world, id), Some(RejectionReason::AttestationTooFarInFuture));
}

/// Its sender has keys, as all here: the limit is one place for each validator and slot.
#[test]
fn a_flood_of_attestations_for_unknown_blocks_has_a_place_for_each_validator() {
    let (mut world, _, data) = before_the_last_block();
    let unknown = |byte| AttestationData {
        head: Checkpoint { root: Root::repeat_byte(byte), slot: 12 },
        ..data
    };
    let mut votes = Vec::new();
    let mut aggregates = Vec::new();
    for round in 0..30 {
        for byte in 0..50 {
            votes
                .push(world.node.offer_attestation(attested_by(unknown(byte), round % VALIDATORS)));
        }
        for byte in 0..20 {
            let joined = aggregate(unknown(byte), &[round % VALIDATORS]);
            aggregates.push(world.node.offer_aggregate(joined));
        }
        world.update();
    }
    world.settle();
    assert_eq!(waiting(&mut world), 2 * usize::try_from(VALIDATORS).expect("few"));
    let (vote, joined) = (votes.pop().expect("many"), aggregates.pop().expect("many"));
    // Who found no place is judged at once.
    for id in [vote, joined] {
        assert!(matches!(world.node.verdict(id), Verdict::Ignored(_)));
    }
    world.run_slots(3);
    assert_eq!(waiting(&mut world), 0);
}
