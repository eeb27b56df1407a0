//! The protocol's rules of 2026, each by its reason's name.

use quintet_components::{
    clock::{CurrentInterval, first_interval},
    constants::HISTORICAL_ROOTS_LIMIT,
    containers::{
        AggregatedAttestations, AttestationData, Block, Checkpoint, JustificationVotes, Root,
        RootList, State,
    },
    messages::Verdict,
    rejection::RejectionReason,
};
use quintet_systems::{
    admission::validate_attestation,
    transition::{is_justifiable_after, process_attestations, process_slots},
};
use ssz::Decode;
use tree_hash::TreeHash;

use crate::{
    admission::{Gate, reason},
    support::chain::{aggregate, aggregated, attested_by, body, build_on, genesis, signed},
};

#[test]
fn block_slot_gap_too_large() {
    let mut gate = Gate::new();
    let slot = HISTORICAL_ROOTS_LIMIT as u64 + 1;
    gate.node.world().resource_mut::<CurrentInterval>().count = first_interval(slot);
    let parent_root = gate.genesis().root;
    let proposer_index = slot % super::VALIDATORS;
    let block = Block { slot, proposer_index, parent_root, ..Block::default() };
    let id = gate.block_from("peer", block.clone());
    assert_eq!(reason(gate.verdict(id)), Some(RejectionReason::BlockSlotGapTooLarge));
    // One slot less is the transition's to judge.
    let slot = slot - 1;
    let proposer_index = slot % super::VALIDATORS;
    let id = gate.block_from("peer", Block { slot, proposer_index, ..block });
    assert_ne!(reason(gate.verdict(id)), Some(RejectionReason::BlockSlotGapTooLarge));
}

#[test]
fn block_too_far_in_future() {
    let mut gate = Gate::new();
    gate.node.tick_to(9, false);
    let (next, _) = build_on(&gate.anchor.state, 2, vec![]).expect("valid");
    let (far, _) = build_on(&gate.anchor.state, 3, vec![]).expect("valid");
    let verdict = gate.node.block(signed(far));
    assert_eq!(reason(Some(verdict)), Some(RejectionReason::BlockTooFarInFuture));
    assert_eq!(gate.node.block(signed(next)), Verdict::Accepted);
}

/// A chain that finalizes slot 1, and a block of slot 1 beside it.
fn finalized() -> (Gate, Checkpoint, Vec<Checkpoint>) {
    let mut gate = Gate::new();
    gate.node.tick_to(first_interval(6), false);
    let rival = {
        let data = gate.attestation(0, gate.genesis());
        let votes = vec![aggregated(data, &[0])];
        let (block, _) = build_on(&gate.anchor.state, 1, votes).expect("valid");
        let root = block.tree_hash_root();
        assert_eq!(gate.node.block(signed(block)), Verdict::Accepted);
        Checkpoint { root, slot: 1 }
    };
    let everyone: Vec<u64> = (0..super::VALIDATORS).collect();
    let mut state = State::clone(&gate.anchor.state);
    let mut chain = vec![gate.genesis()];
    for slot in 1..=4 {
        let (parent, source) = (chain[chain.len() - 1], chain[chain.len().saturating_sub(2)]);
        let data = AttestationData { slot, head: parent, target: parent, source };
        let votes = if slot == 1 { vec![] } else { vec![aggregated(data, &everyone)] };
        let (block, post) = build_on(&state, slot, votes).expect("valid");
        chain.push(Checkpoint { root: block.tree_hash_root(), slot });
        assert_eq!(gate.node.block(signed(block)), Verdict::Accepted);
        state = post;
    }
    (gate, rival, chain)
}

#[test]
fn head_not_descendant_of_finalized() {
    let (mut gate, rival, chain) = finalized();
    let finalized = gate.node.world().resource::<quintet_components::chain::Finalized>().0;
    assert!(finalized.slot >= 1 && chain.contains(&finalized), "{finalized:?}");
    let expected = Some(RejectionReason::HeadNotDescendantOfFinalized);
    let data = gate.attestation(6, rival);
    let id = gate.attestation_from("peer", attested_by(data, 1));
    assert_eq!(reason(gate.verdict(id)), expected);
    let id = gate.aggregate_from("peer", aggregate(data, &[1]));
    assert_eq!(reason(gate.verdict(id)), expected);
    // The finalized block itself is one of its descendants here.
    let data = gate.attestation(6, finalized);
    let tree = gate.node.world().resource();
    assert_eq!(validate_attestation(&data, tree, finalized, 30), Ok(()));
}

#[test]
fn no_slot_before_the_finalized_one_is_justifiable() {
    for finalized in [1u64, 5, 100, u64::MAX] {
        assert!((0..finalized.min(200)).all(|slot| !is_justifiable_after(slot, finalized)));
    }
    assert!(is_justifiable_after(5, 5) && !is_justifiable_after(0, u64::MAX));
}

fn state() -> State {
    let mut state = State::clone(&genesis(4).state);
    process_slots(&mut state, 1).expect("later");
    state
}

#[test]
fn zero_hash_justification_root() {
    let mut state = state();
    state.justifications_roots = RootList::new(vec![Root::ZERO]).expect("one");
    let refused = process_attestations(&mut state, &AggregatedAttestations::default());
    let reason = refused.expect_err("malformed").reason;
    assert_eq!(reason, RejectionReason::ZeroHashJustificationRoot);
}

#[test]
fn justification_votes_length_mismatch() {
    let mut state = state();
    state.justifications_roots = RootList::new(vec![Root::repeat_byte(1)]).expect("one");
    state.justifications_validators = JustificationVotes::default();
    let refused = process_attestations(&mut state, &AggregatedAttestations::default());
    let reason = refused.expect_err("malformed").reason;
    assert_eq!(reason, RejectionReason::JustificationVotesLengthMismatch);
}

/// A tally for a target that the chain does not have is dropped when finality advances.
#[test]
fn a_pending_tally_off_the_chain_is_dropped_and_refuses_no_block() {
    let everyone: Vec<u64> = (0..4).collect();
    let anchor = genesis(4);
    let mut chain = vec![Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 }];
    let mut state = State::clone(&anchor.state);
    let stray = Root::repeat_byte(0xfe);
    for slot in 1..=4 {
        let (parent, source) = (chain[chain.len() - 1], chain[chain.len().saturating_sub(2)]);
        let data = AttestationData { slot, head: parent, target: parent, source };
        let votes = if slot == 1 { vec![] } else { vec![aggregated(data, &everyone)] };
        if slot == 3 {
            // Nothing finalizes before this block; the tally is there when it does.
            let mut bits = JustificationVotes::default();
            bits.replace_from(0, [(vec![1u64], 4)]).expect("room");
            state.justifications_roots = RootList::new(vec![stray]).expect("one");
            state.justifications_validators = bits;
            state.latest_block_header.state_root = Root::ZERO;
            chain.pop();
            let mut header = state.latest_block_header;
            header.state_root = state.tree_hash_root();
            chain.push(Checkpoint { root: header.tree_hash_root(), slot: 2 });
            let source = chain[1];
            let data = AttestationData { slot, head: chain[2], target: chain[2], source };
            let mut post = state.clone();
            process_slots(&mut post, slot).expect("later");
            let block = Block {
                slot,
                proposer_index: slot % 4,
                parent_root: chain[2].root,
                state_root: Root::ZERO,
                body: body(vec![aggregated(data, &everyone)]),
            };
            quintet_systems::transition::process_block(&mut post, &block).expect("not refused");
            assert_eq!(post.latest_finalized.slot, 1, "finality has advanced");
            assert!(post.justifications_roots.iter().all(|root| *root != stray));
            return;
        }
        let (block, post) = build_on(&state, slot, votes).expect("valid");
        chain.push(Checkpoint { root: block.tree_hash_root(), slot });
        state = post;
    }
}

#[test]
fn a_first_offset_of_zero_in_a_list_of_lists_is_refused() {
    assert!(AggregatedAttestations::from_ssz_bytes(&[0, 0, 0, 0]).is_err());
    assert!(AggregatedAttestations::from_ssz_bytes(&[0; 64]).is_err());
    assert!(AggregatedAttestations::from_ssz_bytes(&[]).is_ok(), "an empty list has no offset");
}

/// Provers in use cannot seal two of one slot, so that we build none; others may.
#[test]
fn both_attestation_data_of_one_slot_are_accepted_on_import() {
    let mut gate = Gate::new();
    gate.node.tick_to(10, false);
    let one = gate.import(1);
    let (first, state) = build_on(&gate.anchor.state, 1, vec![]).expect("valid");
    assert_eq!(first.tree_hash_root(), one.root);
    let both = [one, gate.genesis()]
        .map(|head| aggregated(AttestationData { slot: 1, ..gate.attestation(1, head) }, &[0, 1]));
    let (block, _) = build_on(&state, 2, both.to_vec()).expect("valid");
    assert_eq!(gate.node.block(signed(block)), Verdict::Accepted);
}
