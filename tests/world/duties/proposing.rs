//! Proposals that are made: built ahead, looked at again, built anew.

use quintet_components::{
    containers::AttestationData,
    duties::{DutyOutcome, MissReason},
    sync::DutyGate,
};
use quintet_systems::production::produce_attestation_data;

use crate::{
    duties::proposer::{Proposer, checkpoint, voters},
    support::prover::Ending,
};

const DONE: DutyOutcome = DutyOutcome::Done;

#[test]
fn a_block_is_built_in_the_slot_before_and_only_signed_and_merged_at_the_boundary() {
    let mut proposer = Proposer::new(&[3]);
    // Building takes 700 of the 800 milliseconds, the rest five.
    proposer.prover.costs(&[700, 5]);
    proposer.at(2, 3_999);
    assert!(proposer.blocks_signed().is_empty(), "nothing is signed ahead");
    assert_eq!(proposer.prover.running(), 0, "the block is ready");
    proposer.at(3, 10);
    assert_eq!(proposer.blocks_signed(), [3]);
    let times: Vec<u64> = proposer.proposed.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [5]);
    assert_eq!(proposer.head().slot, 3);
    assert_eq!(proposer.proposals(), [(3, DONE)]);
    assert_eq!(
        proposer
            .records()
            .iter()
            .find(|each| each.outcome == DONE && each.slot == 3)
            .map(|record| record.late_ms),
        Some(5)
    );
}

#[test]
fn when_the_head_moves_between_interval_4_and_the_boundary_the_block_stands_on_the_new_one() {
    let mut proposer = Proposer::new(&[3]);
    proposer.prover.costs(&[5]);
    let genesis = proposer.genesis();
    proposer.at(1, 100);
    let first = proposer.import(&genesis, 1);
    proposer.at(2, 3_500);
    proposer.import(&first, 2);
    let head = proposer.head();
    assert_eq!(head.slot, 2);
    proposer.at(3, 100);
    assert_eq!(proposer.blocks_signed(), [3], "the first block was never signed");
    let (time, block) = &proposer.proposed[0];
    assert_eq!((block.block.parent_root, *time), (head.root, 10), "built and signed anew");
}

#[test]
fn what_was_joined_for_a_block_that_came_to_nothing_serves_the_next_one() {
    let mut proposer = Proposer::new(&[3]);
    proposer.prover.costs(&[5]);
    let genesis = proposer.genesis();
    proposer.at(1, 100);
    let first = proposer.import(&genesis, 1);
    proposer.at(2, 900);
    let data = produce_attestation_data(proposer.node.world(), 2);
    proposer.receive(data, &[0, 1]);
    proposer.receive(data, &[2]);
    proposer.at(2, 3_900);
    let joins = proposer.prover.made().len();
    assert_eq!(joins, 1, "two payloads of one attestation");
    proposer.import(&first, 2);
    proposer.at(3, 100);
    let block = &proposer.proposed[0].1.block;
    assert_eq!(block.parent_root, proposer_parent(&mut Proposer::new(&[3])));
    assert_eq!(voters(block), [vec![0, 1, 2]]);
    assert_eq!(proposer.prover.made().len(), joins + 1, "only the proposer's own signature");
}

/// The root of slot 2's block in these tests.
fn proposer_parent(proposer: &mut Proposer) -> quintet_components::containers::Root {
    let genesis = proposer.genesis();
    proposer.at(1, 100);
    let first = proposer.import(&genesis, 1);
    proposer.at(2, 100);
    proposer.import(&first, 2);
    proposer.head().root
}

#[test]
fn a_node_whose_clock_was_fast_builds_on_what_is_older_than_the_slot() {
    let gate = DutyGate { closed: None, at_slot: 1_000, behind: 0 };
    let all = [0, 1, 2, 3];
    let mut proposer = Proposer::with(&all, move |app| _ = app.insert_resource(gate));
    proposer.at(2, 1_000);
    let old = proposer.head();
    proposer.jump(40, 900);
    let future = proposer.head();
    assert_eq!((old.slot, future.slot), (2, 40));
    // These votes are newer than all until slot 40, so the future block stays the head.
    let data = produce_attestation_data(proposer.node.world(), 40);
    proposer.receive(data, &[0, 1, 2]);
    proposer.at(40, 3_300);
    proposer.proposed.clear();
    proposer.voted.clear();
    proposer.jump(4, 0);
    proposer.at(6, 1_000);
    assert_eq!(proposer.head(), future);
    let proposed = proposer.proposed.iter().map(|(_, block)| &block.block);
    let parents: Vec<_> = proposed.map(|block| (block.slot, block.parent_root)).collect();
    assert_eq!(parents, [(5, old.root), (6, old.root)]);
    let slots: Vec<_> = proposer.voted.iter().map(|(slot, _)| *slot).collect();
    assert_eq!(slots, [4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6]);
    assert_eq!(produce_attestation_data(proposer.node.world(), 6).head, old);
}

#[test]
fn a_block_that_is_built_anew_takes_what_needs_no_proof() {
    let mut proposer = Proposer::new(&[3]);
    proposer.prover.costs(&[5]);
    let genesis = proposer.genesis();
    proposer.at(1, 100);
    let first = proposer.import(&genesis, 1);
    let data = |proposer: &mut Proposer| -> AttestationData {
        produce_attestation_data(proposer.node.world(), 2)
    };
    proposer.at(2, 3_300);
    // Both come too late for the block that is being built, and count at the boundary.
    let data = data(&mut proposer);
    proposer.receive(data, &[0]);
    proposer.receive(data, &[1, 2]);
    proposer.import(&first, 2);
    proposer.at(3, 100);
    assert_eq!(voters(&proposer.proposed[0].1.block), [vec![1, 2]], "the one with more voters");
    assert_eq!(proposer.prover.made().len(), 1, "only the proposer's own signature");
}

#[test]
fn late_attestations_that_do_not_move_the_head_hold_nothing_up_and_are_in_the_next_block() {
    let mut proposer = Proposer::new(&[2, 3]);
    proposer.prover.costs(&[5]);
    let genesis = proposer.genesis();
    proposer.at(1, 100);
    proposer.import(&genesis, 1);
    proposer.at(1, 3_500);
    let data = produce_attestation_data(proposer.node.world(), 1);
    proposer.receive(data, &[0, 1]);
    proposer.at(2, 100);
    assert_eq!(proposer.proposed.len(), 1);
    assert_eq!((proposer.proposed[0].0, voters(&proposer.proposed[0].1.block).len()), (5, 0));
    proposer.at(3, 100);
    assert_eq!(voters(&proposer.proposed[1].1.block), [vec![0, 1]]);
}

#[test]
fn a_proposer_of_two_slots_in_a_row_builds_the_second_on_the_first() {
    let mut proposer = Proposer::new(&[0, 1, 2, 3]);
    proposer.prover.costs(&[5]);
    proposer.at(6, 100);
    assert_eq!(proposer.blocks_signed(), [1, 2, 3, 4, 5, 6]);
    let blocks: Vec<_> = proposer.proposed.iter().map(|(_, block)| &block.block).collect();
    for pair in blocks.windows(2) {
        assert_eq!(pair[1].parent_root, checkpoint(pair[0]).root);
    }
    assert!(proposer.proposed.iter().all(|(time, _)| *time == 5));
}

#[test]
fn a_block_that_is_late_by_most_of_its_slot_is_what_the_next_one_stands_on() {
    let mut proposer = Proposer::new(&[1, 2]);
    // Slot 1: built at once, signed and merged 3.5 s after the boundary, when slot 2's is built.
    proposer.prover.costs(&[0, 3_500, 5]);
    proposer.at(2, 100);
    let times: Vec<u64> = proposer.proposed.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [3_500, 10], "the second was built anew");
    let [first, second] = [0, 1].map(|at| &proposer.proposed[at].1.block);
    assert_eq!(second.parent_root, checkpoint(first).root);
}

#[test]
fn a_clock_that_jumps_over_the_boundary_loses_no_proposal_of_the_slot_it_lands_in() {
    let mut proposer = Proposer::new(&[2, 3]);
    proposer.prover.costs(&[5]);
    proposer.at(2, 2_500);
    proposer.jump(3, 900);
    proposer.at(3, 1_000);
    let slots: Vec<_> =
        proposer.proposed.iter().map(|(time, block)| (block.block.slot, *time)).collect();
    assert_eq!(slots, [(2, 5), (3, 910)]);
}

#[test]
fn a_block_that_is_not_ready_at_the_boundary_goes_out_when_it_is() {
    let mut proposer = Proposer::new(&[3]);
    proposer.prover.costs(&[900, 5]);
    proposer.at(3, 300);
    let times: Vec<u64> = proposer.proposed.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [105]);
}

#[test]
fn when_joining_proofs_fails_the_block_is_built_of_what_is_ready() {
    let mut proposer = Proposer::new(&[3]);
    proposer.prover.costs(&[5]);
    let genesis = proposer.genesis();
    proposer.at(2, 100);
    proposer.import(&genesis, 2);
    let data = produce_attestation_data(proposer.node.world(), 2);
    proposer.receive(data, &[0]);
    proposer.receive(data, &[1, 2]);
    proposer.prover.endings(&[Ending::Error]);
    proposer.at(3, 100);
    assert_eq!(voters(&proposer.proposed[0].1.block), [vec![1, 2]]);
    assert_eq!(proposer.counts().missed_because(MissReason::ProofFailed), 0);
}

#[test]
fn a_proof_that_does_not_stop_when_the_head_moves_does_not_hold_the_new_block_up() {
    let mut proposer = Proposer::new(&[3]);
    let genesis = proposer.genesis();
    proposer.at(2, 100);
    // It has the one permit for ten seconds.
    proposer.prover.costs(&[10_000, 5]);
    proposer.prover.endings(&[Ending::Proof]);
    proposer.at(2, 3_500);
    proposer.import(&genesis, 2);
    proposer.at(3, 100);
    let times: Vec<u64> = proposer.proposed.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [10]);
    proposer.at(7, 3_000);
    assert_eq!(proposer.blocks_signed(), [3, 7], "what came of the other changes nothing");
}

#[test]
fn a_block_carries_no_more_than_its_proof_has_room_for() {
    let mut proposer = Proposer::new(&[3]);
    proposer.prover.costs(&[5]);
    // The proposer and three more.
    proposer.prover.limit_signers(4);
    proposer.at(1, 900);
    let early = produce_attestation_data(proposer.node.world(), 1);
    proposer.receive(early, &[0, 1]);
    proposer.at(2, 900);
    let late = produce_attestation_data(proposer.node.world(), 2);
    assert_eq!(early.head, late.head);
    proposer.receive(late, &[0, 1, 2]);
    proposer.at(3, 100);
    assert_eq!(
        voters(&proposer.proposed[0].1.block),
        [vec![0, 1]],
        "it is the first in the pool, and with it the other does not fit"
    );
}

#[test]
fn the_proposer_attests_too_and_its_attestation_is_in_the_next_block() {
    let mut proposer = Proposer::new(&[0, 1, 2, 3]);
    proposer.prover.costs(&[5]);
    proposer.node.set_aggregator(true);
    proposer.at(2, 100);
    assert!(proposer.voted.contains(&(1, 1)), "validator 1 proposed in slot 1");
    let votes = &proposer.proposed[1].1.block.body.attestations;
    let own = votes.iter().find(|vote| vote.data.slot == 1).expect("slot 1's attestations");
    assert!(own.aggregation_bits.contains(1));
}
