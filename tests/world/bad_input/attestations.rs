//! Attestations and aggregates that no honest validator sends.

use proptest::{prelude::*, sample::Index};
use quintet_components::{
    containers::{
        AttestationData, Checkpoint, ProofBytes, Root, Signature, SingleMessageAggregate,
    },
    messages::{IgnoreReason, Verdict},
    preset::SignaturePreset,
    rejection::RejectionReason as Reason,
};

use crate::{
    bad_input::world::{Fixture, NOW, Stillness, VALIDATORS},
    support::chain::{aggregate, attested_by, proof},
};

/// Attestations with one thing wrong, and what it is called.
fn refused_data(fixture: &Fixture) -> Vec<(&'static str, AttestationData, Reason)> {
    let valid = fixture.valid();
    let [zero, one, two, four, fork] = fixture.blocks;
    let unknown = |checkpoint: Checkpoint| Checkpoint { root: Root::repeat_byte(9), ..checkpoint };
    let at = |checkpoint: Checkpoint, slot| Checkpoint { slot, ..checkpoint };
    let max = u64::MAX;
    vec![
        (
            "slot 2^64 - 1",
            AttestationData { slot: max, ..valid },
            Reason::AttestationTooFarInFuture,
        ),
        (
            "slot 2^63",
            AttestationData { slot: 1 << 63, ..valid },
            Reason::AttestationTooFarInFuture,
        ),
        (
            "the slot after the next",
            AttestationData { slot: NOW + 2, ..valid },
            Reason::AttestationTooFarInFuture,
        ),
        (
            "slot before its head",
            AttestationData { slot: 3, ..valid },
            Reason::AttestationSlotBeforeHead,
        ),
        (
            "unknown source",
            AttestationData { source: unknown(one), ..valid },
            Reason::UnknownSourceBlock,
        ),
        (
            "unknown target",
            AttestationData { target: unknown(two), ..valid },
            Reason::UnknownTargetBlock,
        ),
        (
            "unknown head",
            AttestationData { head: unknown(four), ..valid },
            Reason::UnknownHeadBlock,
        ),
        (
            "zero roots",
            AttestationData { slot: NOW, ..AttestationData::default() },
            Reason::UnknownSourceBlock,
        ),
        (
            "source slot 2^64 - 1",
            AttestationData { source: at(one, max), ..valid },
            Reason::SourceAfterTarget,
        ),
        (
            "target slot 2^64 - 1",
            AttestationData { target: at(two, max), ..valid },
            Reason::HeadOlderThanTarget,
        ),
        (
            "head slot 2^64 - 1",
            AttestationData { head: at(four, max), ..valid },
            Reason::HeadSlotMismatch,
        ),
        (
            "every slot 2^64 - 1",
            AttestationData {
                slot: max,
                head: at(four, max),
                target: at(two, max),
                source: at(one, max),
            },
            Reason::SourceSlotMismatch,
        ),
        (
            "a source slot without a block",
            AttestationData { source: at(one, 0), ..valid },
            Reason::SourceSlotMismatch,
        ),
        (
            "a target slot without a block",
            AttestationData { target: at(two, 3), ..valid },
            Reason::TargetSlotMismatch,
        ),
        (
            "a source on another fork",
            AttestationData { source: fork, target: four, ..valid },
            Reason::SourceNotAncestorOfTarget,
        ),
        (
            "a target on another fork",
            AttestationData { target: fork, source: zero, ..valid },
            Reason::TargetNotAncestorOfHead,
        ),
    ]
}

#[test]
fn absurd_attestations_are_refused_with_their_reason_and_move_nothing() {
    let mut fixture = Fixture::new();
    for (name, data, reason) in refused_data(&fixture) {
        fixture.refuses(name, reason, |node| node.attestation(attested_by(data, 1)));
        fixture.refuses(name, reason, |node| node.aggregate(aggregate(data, &[0, 1])));
    }
}

#[test]
fn a_voter_outside_the_registry_is_refused() {
    let mut fixture = Fixture::new();
    let data = fixture.valid();
    for index in [VALIDATORS, 4095, 4096, 1 << 32, u64::MAX] {
        let name = format!("validator {index}");
        let reason = Reason::ValidatorNotInState;
        fixture.refuses(&name, reason, |node| node.attestation(attested_by(data, index)));
    }
    for indices in [&[VALIDATORS][..], &[0, 1, 4095]] {
        let name = format!("participants {indices:?}");
        let reason = Reason::ValidatorNotInState;
        fixture.refuses(&name, reason, |node| node.aggregate(aggregate(data, indices)));
    }
}

#[test]
fn an_aggregate_of_nobody_is_refused() {
    let mut fixture = Fixture::new();
    let data = fixture.valid();
    let reason = Reason::EmptyAggregationBits;
    fixture.refuses("no bits", reason, |node| node.aggregate(aggregate(data, &[])));
    // As many bits as can be, none of them set.
    let zeros = [&[0; 512][..], &[1]].concat();
    let participants = ssz::Decode::from_ssz_bytes(&zeros).expect("4096 bits");
    let mut nobody = aggregate(data, &[]);
    nobody.proof = SingleMessageAggregate { participants, proof: proof("nobody") };
    fixture.refuses("4096 zeros", reason, |node| node.aggregate(nobody));
}

#[test]
fn a_proof_that_does_not_verify_is_refused() {
    let mut fixture = Fixture::new();
    let mut forged = aggregate(fixture.valid(), &[0, 1]);
    forged.proof.proof = ProofBytes::default();
    fixture.refuses("no proof", Reason::InvalidSignature, |node| node.aggregate(forged));
}

#[test]
fn a_signature_of_another_network_is_refused() {
    let mut fixture = Fixture::new();
    for preset in [SignaturePreset::Production, SignaturePreset::Short] {
        let mut foreign = attested_by(fixture.valid(), 1);
        foreign.signature = Signature::placeholder(preset);
        fixture.refuses(preset.name(), Reason::DecodeError, |node| node.attestation(foreign));
    }
}

/// A checkpoint of known and unknown roots, right and absurd slots.
fn checkpoint(blocks: [Checkpoint; 5]) -> impl Strategy<Value = Checkpoint> {
    let root = prop_oneof![
        6 => any::<Index>().prop_map(move |which| which.get(&blocks).root),
        1 => Just(Root::ZERO),
        1 => any::<[u8; 32]>().prop_map(Root::from),
    ];
    let slot = prop_oneof![6 => 0u64..8, 1 => Just(u64::MAX), 1 => any::<u64>()];
    let free = (root, slot).prop_map(|(root, slot)| Checkpoint { root, slot });
    prop_oneof![1 => free, 4 => any::<Index>().prop_map(move |which| *which.get(&blocks))]
}

/// Whatever the attestation, it is judged; a refused one moved nothing.
#[test]
fn any_attestation_is_judged_and_a_refused_one_moves_nothing() {
    let mut fixture = Fixture::new();
    let blocks = fixture.blocks;
    let slot = prop_oneof![8 => 0u64..8, 1 => Just(u64::MAX), 1 => any::<u64>()];
    let data = (slot, checkpoint(blocks), checkpoint(blocks), checkpoint(blocks))
        .prop_map(|(slot, head, target, source)| AttestationData { slot, head, target, source });
    let indices = prop::collection::btree_set(prop_oneof![3 => 0u64..5, 1 => 0u64..4096], 0..4);
    let strategy = (data, indices, any::<bool>());
    let node = std::cell::RefCell::new(&mut fixture.node);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1024)
    });
    let accepted = std::cell::Cell::new(0);
    let result = runner.run(&strategy, |(data, indices, single)| {
        let mut node = node.borrow_mut();
        let mut voters: Vec<u64> = indices.into_iter().collect();
        let before = Stillness::of(node.world());
        let verdict = if single {
            voters.resize(1, u64::MAX);
            node.attestation(attested_by(data, voters[0]))
        } else {
            node.aggregate(aggregate(data, &voters))
        };
        match verdict {
            Verdict::Rejected(_) => prop_assert_eq!(Stillness::of(node.world()), before),
            Verdict::Accepted => {
                prop_assert!(!voters.is_empty());
                prop_assert!(voters.iter().all(|voter| *voter < VALIDATORS));
                accepted.set(accepted.get() + 1);
            }
            Verdict::Ignored(
                IgnoreReason::KnownAttestation
                | IgnoreReason::AddsNoVoter
                | IgnoreReason::Equivocation,
            ) => prop_assert_eq!(Stillness::of(node.world()), before),
            Verdict::Ignored(why) => prop_assert!(false, "ignored: {why}"),
        }
        Ok(())
    });
    result.expect("every attestation");
    assert!(accepted.get() > 0, "a node that refuses everything would pass");
}
