//! Blocks that come before their time.

use quintet_components::{
    chain::Head,
    containers::{Block, Root},
    messages::{IgnoreReason, Verdict},
    rejection::RejectionReason,
};
use quintet_systems::fork_choice::early::{
    EarlyBlocks, MAX_EARLY_BLOCKS, MAX_EARLY_PER_PROPOSER, MAX_EARLY_PER_SOURCE,
};

use crate::{
    admission::{Gate, ignored, reason},
    support::chain::{build_on, signed},
};

/// A block on genesis; another number, another block.
fn block(gate: &Gate, slot: u64, number: u8) -> Block {
    let (mut block, _) = build_on(&gate.anchor.state, slot, vec![]).expect("valid");
    if number > 0 {
        block.state_root = Root::repeat_byte(number);
    }
    block
}

fn waiting(gate: &mut Gate) -> usize {
    gate.node.world().resource::<EarlyBlocks>().len()
}

#[test]
fn a_block_of_a_slot_after_the_next_is_refused_whoever_sends_it() {
    let mut gate = Gate::new();
    gate.node.tick_to(5, false);
    let far = block(&gate, 3, 0);
    let id = gate.block_from("peer", far.clone());
    let verdict = gate.verdict(id);
    assert_eq!(reason(verdict), Some(RejectionReason::BlockTooFarInFuture));
    let verdict = gate.node.block(signed(far));
    assert_eq!(reason(Some(verdict)), Some(RejectionReason::BlockTooFarInFuture));
    assert_eq!(waiting(&mut gate), 0);
}

#[test]
fn a_peers_block_is_not_imported_before_an_interval_before_its_slot() {
    let mut gate = Gate::new();
    gate.node.tick_to(5, false);
    let early = block(&gate, 2, 0);
    let id = gate.block_from("peer", early.clone());
    for interval in 6..9 {
        assert_eq!(gate.verdict(id), None, "no verdict, so that nothing is forwarded");
        assert!(!gate.knows(&early));
        gate.node.tick_to(interval, false);
    }
    assert_eq!(waiting(&mut gate), 1);
    gate.node.tick_to(9, false);
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
    assert!(gate.knows(&early));
    assert_eq!(gate.node.world().resource::<Head>().0.slot, 2);
    assert_eq!(waiting(&mut gate), 0);
}

#[test]
fn a_block_an_interval_before_its_slot_is_imported_at_once() {
    let mut gate = Gate::new();
    gate.node.tick_to(4, false);
    let timely = block(&gate, 1, 0);
    let id = gate.block_from("peer", timely);
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
}

/// It is judged as if it had just come: here its state root is wrong.
#[test]
fn an_early_block_is_judged_when_its_time_has_come() {
    let mut gate = Gate::new();
    gate.node.tick_to(5, false);
    let wrong = block(&gate, 2, 7);
    let id = gate.block_from("peer", wrong);
    assert_eq!(gate.verdict(id), None);
    gate.node.tick_to(9, false);
    let verdict = gate.verdict(id);
    assert_eq!(reason(verdict), Some(RejectionReason::StateRootMismatch));
}

#[test]
fn a_source_has_few_places_for_early_blocks_and_another_keeps_its_own() {
    let mut gate = Gate::new();
    gate.node.tick_to(5, false);
    for number in 1..=MAX_EARLY_PER_PROPOSER {
        let early = block(&gate, 2, u8::try_from(number).expect("few"));
        let id = gate.block_from("many", early);
        assert_eq!(gate.verdict(id), None);
    }
    let one_more = block(&gate, 2, 99);
    let id = gate.block_from("many", one_more);
    assert_eq!(gate.verdict(id), Some(ignored(IgnoreReason::SenderFull)));
    let honest = block(&gate, 2, 0);
    let id = gate.block_from("honest", honest.clone());
    assert_eq!(gate.verdict(id), None);
    // The same block again, from whomever, is known.
    let again = gate.block_from("other", honest.clone());
    assert_eq!(gate.verdict(again), Some(ignored(IgnoreReason::KnownBlock)));
    gate.node.tick_to(9, false);
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
    assert!(gate.knows(&honest));
}

#[test]
fn a_full_room_takes_from_the_source_with_most() {
    const { assert!(MAX_EARLY_PER_PROPOSER <= MAX_EARLY_PER_SOURCE) };
    let mut gate = Gate::new();
    gate.node.tick_to(5, false);
    let mut first = Vec::new();
    for number in 0..MAX_EARLY_BLOCKS {
        let early = block(&gate, 2, u8::try_from(number + 1).expect("few"));
        let peer = format!("peer {}", number / MAX_EARLY_PER_PROPOSER);
        first.push(gate.block_from(&peer, early));
        gate.node.update();
    }
    assert_eq!(waiting(&mut gate), MAX_EARLY_BLOCKS);
    let honest = block(&gate, 2, 0);
    let id = gate.block_from("honest", honest);
    assert_eq!(gate.verdict(id), None, "it has a place");
    assert_eq!(waiting(&mut gate), MAX_EARLY_BLOCKS);
    let lost = first.into_iter().filter_map(|id| gate.node.verdict_now(id));
    assert_eq!(lost.collect::<Vec<_>>(), [ignored(IgnoreReason::Early)]);
    gate.node.tick_to(9, false);
    assert_eq!(gate.verdict(id), Some(Verdict::Accepted));
}
