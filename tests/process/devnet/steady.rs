//! Networks without trouble.

use crate::devnet::network::{
    LAG_SLOTS, Network, Plan, assert_finalized_within, assert_safe, slot_of,
};

/// From here on finality follows the head.
const FIRST_FINALIZED: u64 = LAG_SLOTS + 1;

#[test]
fn four_nodes_finalize_at_most_three_slots_behind_over_forty_slots() {
    let network = Network::make("steady", Plan::default());
    let nodes = network.start_all(4);
    network.wait_for_end(40);
    for slot in FIRST_FINALIZED..=40 {
        assert_finalized_within(&nodes, slot, LAG_SLOTS);
    }
    assert_safe(&nodes.iter().collect::<Vec<_>>());
    for (node, line) in nodes.iter().zip(slot_of(&nodes, 40)) {
        assert_eq!((line.head, line.missed, line.peers), (40, 0, 3), "{}", node.name());
    }
}

#[test]
fn the_one_of_four_that_does_not_aggregate_follows() {
    let network = Network::make("role", Plan::default());
    let aggregates = |index: usize| format!("--is-aggregator={}", index != 3);
    let nodes: Vec<_> =
        (0..4).map(|index| network.start_with(index, &[&aggregates(index)])).collect();
    network.wait_for_end(10);
    for slot in FIRST_FINALIZED..=10 {
        assert_finalized_within(&nodes, slot, LAG_SLOTS);
    }
    assert_safe(&nodes.iter().collect::<Vec<_>>());
    for (index, node) in nodes.iter().enumerate() {
        let event = node.events().into_iter().find(|event| event["message"] == "listening");
        assert_eq!(event.expect("it listens")["is_aggregator"], index != 3);
    }
}

#[test]
fn two_subnets_with_an_aggregator_each_finalize() {
    let network = Network::make("subnets", Plan { committees: 2, ..Plan::default() });
    let nodes = network.start_all(4);
    network.wait_for_end(12);
    for slot in FIRST_FINALIZED..=12 {
        assert_finalized_within(&nodes, slot, LAG_SLOTS);
    }
    assert_safe(&nodes.iter().collect::<Vec<_>>());
    assert!(slot_of(&nodes, 12).iter().all(|line| line.missed == 0));
}

#[test]
fn nodes_that_start_long_before_genesis_begin_with_it() {
    let network = Network::make("future", Plan { genesis_delay: 24, ..Plan::default() });
    let mut nodes = network.start_all(4);
    for node in &mut nodes {
        node.wait_for("listening");
        assert!(node.slots().is_empty(), "{}", node.tail());
    }
    network.wait_for(0);
    assert!(nodes.iter_mut().all(|node| node.runs_still() && node.slots().is_empty()));
    network.wait_for_end(8);
    for slot in FIRST_FINALIZED..=8 {
        assert_finalized_within(&nodes, slot, LAG_SLOTS);
    }
    for line in slot_of(&nodes, 8) {
        assert_eq!((line.head, line.missed), (8, 0), "{line:?}");
    }
}
