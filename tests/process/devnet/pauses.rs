//! Nodes whose processes are stopped for a while.

use crate::devnet::{
    network::{LAG_SLOTS, Network, Plan, assert_finalized_within, assert_safe, slot_of},
    node::{Node, SlotLine},
};

#[test]
fn the_only_aggregator_comes_back_after_six_slots() {
    let network = Network::make("aggregator", Plan::default());
    let nodes = network.start_all(4);
    network.wait_for(6);
    nodes[0].pause();
    network.wait_for(12);
    let others = slot_of(&nodes[1..], 11);
    nodes[0].resume();
    // Nobody aggregated meanwhile: what was justified last is as old as the pause, or older.
    assert!(others.iter().all(|line| line.justified < 7), "{others:?}");
    // With finality that far behind only some slots can be justified, and two such in a row are
    // needed: 15 and 19.
    network.wait_for_end(26);
    assert_finalized_within(&nodes, 26, 2 * LAG_SLOTS);
    assert_safe(&nodes.iter().collect::<Vec<_>>());
}

/// The phase decides how far behind finality is before it catches up:
/// `tests/world/sync/partitions.rs` has all of them.
#[test]
fn finality_comes_back_within_six_slots_of_a_stall() {
    let network = Network::make("stall", Plan::default());
    let nodes = network.start_all(4);
    let (paused, others) = (&nodes[2..], &nodes[..2]);
    network.wait_for(7);
    paused.iter().for_each(Node::pause);
    network.wait_for(15);
    let before = slot_of(others, 14);
    paused.iter().for_each(Node::resume);
    // Two of four are no two thirds.
    assert!(before.iter().all(|line| line.finalized < 7), "{before:?}");
    network.wait_for_end(21);
    assert_finalized_within(&nodes, 21, LAG_SLOTS);
    let first = |line: &SlotLine| line.slot >= 15 && line.finalized >= 15;
    for node in &nodes {
        let recovered = node.slots().into_iter().find(first).expect("slot 21 is far enough");
        assert!(recovered.slot <= 21, "{}: {recovered:?}", node.name());
    }
    assert_safe(&nodes.iter().collect::<Vec<_>>());
}
