//! Blocks that no honest proposer signs.

use quintet_components::{
    constants::HISTORICAL_ROOTS_LIMIT,
    containers::{
        AggregatedAttestation, AttestationData, Block, Checkpoint, MultiMessageAggregate,
        ProofBytes, Root, SignedBlock, State,
    },
    messages::Verdict,
    rejection::RejectionReason as Reason,
};

use crate::{
    bad_input::world::{Fixture, Stillness, VALIDATORS},
    support::chain::{aggregated, body, build_on, signed},
};

/// A block on slot 4's with these attestations, valid but for them and the state root.
fn with_attestations(fixture: &Fixture, votes: Vec<AggregatedAttestation>) -> Block {
    Block { body: body(votes), ..next(fixture, 5) }
}

/// An empty block on slot 4's. Its state root is right when the slot is 5.
fn next(fixture: &Fixture, slot: u64) -> Block {
    let (block, _) = build_on(parent(fixture), 5, vec![]).expect("a valid block");
    Block { slot, proposer_index: slot % VALIDATORS, ..block }
}

fn parent(fixture: &Fixture) -> &State {
    &fixture.states[3]
}

fn refuse(fixture: &mut Fixture, name: &str, reason: Reason, block: Block) {
    fixture.refuses(name, reason, |node| node.block(signed(block)));
}

#[test]
fn the_block_that_the_others_are_made_from_is_taken() {
    let mut fixture = Fixture::new();
    let block = next(&fixture, 5);
    assert_eq!(fixture.node.block(signed(block)), Verdict::Accepted);
}

#[test]
fn absurd_slots_are_refused() {
    let mut fixture = Fixture::new();
    for slot in [7, HISTORICAL_ROOTS_LIMIT as u64 + 1, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX] {
        let block = next(&fixture, slot);
        let name = format!("slot {slot}");
        refuse(&mut fixture, &name, Reason::BlockTooFarInFuture, block);
    }
    for slot in 0..=4 {
        let block = next(&fixture, slot);
        let name = format!("slot {slot} on slot 4");
        refuse(&mut fixture, &name, Reason::BlockSlotNotInFuture, block);
    }
}

#[test]
fn wrong_headers_are_refused() {
    let mut fixture = Fixture::new();
    let valid = next(&fixture, 5);
    for (name, block, reason) in [
        (
            "unknown parent",
            Block { parent_root: Root::repeat_byte(3), ..valid.clone() },
            Reason::UnknownParentBlock,
        ),
        (
            "no parent",
            Block { parent_root: Root::ZERO, ..valid.clone() },
            Reason::UnknownParentBlock,
        ),
        ("another's slot", Block { proposer_index: 2, ..valid.clone() }, Reason::WrongProposer),
        (
            "a proposer outside the registry",
            Block { proposer_index: VALIDATORS, ..valid.clone() },
            Reason::ProposerIndexOutOfRange,
        ),
        (
            "proposer 2^64 - 1",
            Block { proposer_index: u64::MAX, ..valid.clone() },
            Reason::ProposerIndexOutOfRange,
        ),
        (
            "another state",
            Block { state_root: Root::repeat_byte(1), ..valid.clone() },
            Reason::StateRootMismatch,
        ),
    ] {
        refuse(&mut fixture, name, reason, block);
    }
    let proof = MultiMessageAggregate { proof: ProofBytes::default() };
    let forged = SignedBlock { block: valid, proof };
    fixture.refuses("no proof", Reason::InvalidBlockProof, |node| node.block(forged));
}

#[test]
fn attestations_outside_the_tracked_window_are_refused() {
    let mut fixture = Fixture::new();
    let [zero, one, _, four, _] = fixture.blocks;
    let at = |slot| Checkpoint { root: four.root, slot };
    // The block at slot 5 tracks slots up to 4.
    for slot in [5, 6, 1 << 18, 1 << 63, u64::MAX] {
        let source = AttestationData { slot: 4, head: four, target: four, source: at(slot) };
        let target = AttestationData { source: one, target: at(slot), ..source };
        let finalized = AttestationData { source: zero, ..target };
        for (name, data) in [("source", source), ("target", target), ("from genesis", finalized)] {
            let block = with_attestations(&fixture, vec![aggregated(data, &[0, 1, 2])]);
            let name = format!("{name} at slot {slot}");
            refuse(&mut fixture, &name, Reason::JustifiedSlotOutOfRange, block);
        }
    }
}

#[test]
fn empty_and_oversized_bits_are_refused() {
    let mut fixture = Fixture::new();
    let data = fixture.valid();
    for (name, indices, reason) in [
        ("no voter", &[][..], Reason::EmptyAggregationBits),
        ("one too many", &[0, VALIDATORS], Reason::ValidatorIndexOutOfRange),
        ("the last bit", &[4095], Reason::ValidatorIndexOutOfRange),
    ] {
        let block = with_attestations(&fixture, vec![aggregated(data, indices)]);
        refuse(&mut fixture, name, reason, block);
        // Where its signature stage is passed over, the transition refuses it too.
        let outcome = build_on(parent(&fixture), 5, vec![aggregated(data, indices)]);
        assert_eq!(outcome.map(drop).map_err(|rejection| rejection.reason), Err(reason), "{name}");
    }
}

#[test]
fn repeated_and_too_many_attestations_are_refused() {
    let mut fixture = Fixture::new();
    let data = fixture.valid();
    let twice = vec![aggregated(data, &[0]), aggregated(data, &[1])];
    let block = with_attestations(&fixture, twice);
    refuse(&mut fixture, "the same attestation twice", Reason::DuplicateAttestationData, block);
    let many = |count: u64| {
        (0..count).map(|slot| aggregated(AttestationData { slot, ..data }, &[0])).collect()
    };
    for count in [9, 100, 4096] {
        let block = with_attestations(&fixture, many(count));
        let name = format!("{count} attestations");
        refuse(&mut fixture, &name, Reason::TooManyAttestationData, block);
    }
    let (block, _) = build_on(parent(&fixture), 5, many(8)).expect("eight are allowed");
    assert_eq!(fixture.node.block(signed(block)), Verdict::Accepted);
}

#[test]
fn attestations_for_unknown_roots_count_for_nothing() {
    let fixture = Fixture::new();
    let valid = fixture.valid();
    let unknown = |checkpoint: Checkpoint| Checkpoint { root: Root::repeat_byte(9), ..checkpoint };
    let everyone: Vec<u64> = (0..VALIDATORS).collect();
    let justified = |data| {
        let votes = vec![aggregated(data, &everyone)];
        let (_, state) = build_on(parent(&fixture), 5, votes).expect("no refusal");
        (state.latest_justified, state.justifications_roots.len())
    };
    // In a block they are passed over and not refused; only gossip refuses them.
    let before = parent(&fixture).latest_justified;
    assert_eq!(justified(valid), (valid.target, 0));
    for data in [
        AttestationData { head: unknown(valid.head), ..valid },
        AttestationData { target: unknown(valid.target), ..valid },
        AttestationData { source: unknown(valid.source), ..valid },
        AttestationData { target: Checkpoint { root: Root::ZERO, slot: 3 }, ..valid },
        AttestationData { head: Checkpoint { slot: u64::MAX, ..valid.head }, ..valid },
    ] {
        assert_eq!(justified(data), (before, 0), "{data:?}");
    }
}

/// A refused parent takes its waiting children with it.
#[test]
fn a_chain_on_a_refused_block_is_refused() {
    let mut fixture = Fixture::new();
    let (first, state) = build_on(parent(&fixture), 5, vec![]).expect("valid");
    let first = Block { state_root: Root::repeat_byte(1), ..first };
    let (second, _) = build_on(&state, 6, vec![]).expect("valid");
    let second = Block { parent_root: tree_hash::TreeHash::tree_hash_root(&first), ..second };
    let before = Stillness::of(fixture.node.world());
    let ids = [first, second].map(|block| fixture.node.offer_block(signed(block)));
    let reasons = ids.map(|id| match fixture.node.verdict(id) {
        Verdict::Rejected(rejection) => rejection.reason,
        verdict => panic!("{verdict:?}"),
    });
    assert_eq!(reasons, [Reason::StateRootMismatch, Reason::UnknownParentBlock]);
    assert_eq!(Stillness::of(fixture.node.world()), before);
}
