//! Proposals that are missed, and why.

use quintet_components::{
    duties::{Duty, DutyOutcome, MissReason},
    sync::DutyGate,
};

use crate::{duties::proposer::Proposer, support::prover::Ending};

const fn missed(reason: MissReason) -> DutyOutcome {
    DutyOutcome::Missed(reason)
}

#[test]
fn a_block_that_is_not_ready_in_its_slot_is_missed_and_never_signed() {
    let mut proposer = Proposer::new(&[3]);
    proposer.prover.costs(&[100_000, 5]);
    proposer.at(3, 3_999);
    assert_eq!(proposer.proposals(), []);
    proposer.at(4, 0);
    assert_eq!(proposer.proposals(), [(3, missed(MissReason::NotReady))]);
    assert_eq!(proposer.records().last().map(|record| record.late_ms), Some(4_000));
    proposer.at(60, 0);
    assert!(!proposer.blocks_signed().contains(&3));
    assert_eq!(proposer.counts().missed_for(Duty::Propose, MissReason::NotReady), 1);
    assert!(proposer.proposed.iter().all(|(_, block)| block.block.slot != 3));
}

#[test]
fn a_proposer_signs_once_when_what_comes_after_it_fails() {
    for (ending, reason) in
        [(Ending::Error, MissReason::ProofFailed), (Ending::Panic, MissReason::Panicked)]
    {
        let mut proposer = Proposer::new(&[3]);
        proposer.prover.costs(&[5]);
        proposer.prover.endings(&[Ending::Proof, ending]);
        proposer.at(4, 100);
        assert_eq!(proposer.proposals(), [(3, missed(reason))]);
        assert_eq!(proposer.blocks_signed(), [3], "not once more");
        assert_eq!(proposer.proposed.len(), 0);
        proposer.at(7, 100);
        assert_eq!(proposer.proposals()[1..], [(7, DutyOutcome::Done)]);
    }
}

#[test]
fn a_slot_that_is_over_before_it_is_walked_is_late_and_what_was_built_for_it_is_dropped() {
    let gate = DutyGate { closed: None, at_slot: 1_000, behind: 0 };
    let mut proposer = Proposer::with(&[3], move |app| _ = app.insert_resource(gate));
    proposer.prover.costs(&[5]);
    proposer.at(2, 3_500);
    proposer.jump(5, 100);
    proposer.at(6, 0);
    assert_eq!(proposer.proposals(), [(3, missed(MissReason::Late))]);
    assert!(proposer.blocks_signed().is_empty());
    assert_eq!(proposer.counts().missed_for(Duty::Attest, MissReason::Late), 2, "slots 3 and 4");
}

#[test]
fn nothing_is_proposed_while_sync_holds_duties_back_and_the_reason_is_counted() {
    for reason in [MissReason::Syncing, MissReason::Alone] {
        let gate = DutyGate { closed: Some(reason), at_slot: 1_000, behind: 0 };
        let mut proposer = Proposer::with(&[3], move |app| _ = app.insert_resource(gate));
        proposer.at(3, 3_000);
        assert_eq!(proposer.proposals(), [(3, missed(reason))]);
        let counts = proposer.counts();
        assert_eq!(counts.missed_for(Duty::Propose, reason), 1);
        assert_eq!(counts.missed_for(Duty::Attest, reason), 4);
        assert_eq!((counts.proposed, counts.attested, counts.failed()), (0, 0, 0));
        assert_eq!(proposer.prover.made(), []);
    }
}

#[test]
fn a_gate_that_closes_between_building_and_the_boundary_keeps_the_block_in() {
    let open = DutyGate { closed: None, at_slot: 1_000, behind: 0 };
    let mut proposer = Proposer::with(&[3], move |app| _ = app.insert_resource(open));
    proposer.at(2, 3_900);
    let closed = DutyGate { closed: Some(MissReason::Syncing), ..open };
    proposer.node.world().insert_resource(closed);
    proposer.at(3, 3_000);
    assert_eq!((proposer.blocks_signed(), proposer.proposed.len()), (vec![], 0));
    assert_eq!(proposer.proposals(), [(3, missed(MissReason::Syncing))]);
}

#[test]
fn a_proposal_waits_for_sync_until_attestations_are_due() {
    let open = DutyGate { closed: None, at_slot: 1_000, behind: 0 };
    let closed = DutyGate { closed: Some(MissReason::Syncing), ..open };
    for (opens_ms, outcome) in
        [(700, DutyOutcome::Done), (801, DutyOutcome::Missed(MissReason::Syncing))]
    {
        let mut proposer = Proposer::with(&[3], move |app| _ = app.insert_resource(closed));
        proposer.at(3, opens_ms - 1);
        assert_eq!(proposer.proposed.len(), 0);
        proposer.node.world().insert_resource(open);
        proposer.at(3, opens_ms);
        assert_eq!(proposer.proposals(), [(3, outcome)], "{opens_ms} ms");
        proposer.at(4, 0);
        let is_done = outcome == DutyOutcome::Done;
        assert_eq!(proposer.proposed.len(), usize::from(is_done));
        assert_eq!(proposer.blocks_signed().len(), usize::from(is_done));
    }
}

#[test]
fn the_head_that_sync_brought_is_built_upon() {
    let closed = DutyGate { closed: Some(MissReason::Syncing), at_slot: 1_000, behind: 0 };
    let mut proposer = Proposer::with(&[3], move |app| _ = app.insert_resource(closed));
    proposer.at(3, 100);
    let genesis = proposer.genesis();
    proposer.import(&genesis, 2);
    let head = proposer.head();
    assert_eq!(head.slot, 2);
    proposer.node.world().insert_resource(DutyGate { closed: None, at_slot: 1_000, behind: 0 });
    proposer.at(3, 200);
    assert_eq!(proposer.proposals(), [(3, DutyOutcome::Done)]);
    assert_eq!(proposer.proposed[0].1.block.parent_root, head.root);
}
