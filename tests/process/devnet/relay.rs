//! A node with validators carries its validators' subnets, whether it aggregates or not.

use crate::devnet::{
    network::{LAG_SLOTS, Network, Plan, assert_finalized_within, assert_safe},
    node::Node,
};

/// A node that is asked nothing of but its validator's duties, and calls these others.
fn start(network: &Network, index: usize, aggregates: bool, others: &str) -> Node {
    let aggregates = format!("--is-aggregator={aggregates}");
    network.start_with(index, &[&aggregates, "--bootnodes", others])
}

#[test]
fn a_star_finalizes_whose_middle_does_not_aggregate() {
    let network = Network::make("star", Plan { genesis_delay: 10, ..Plan::default() });
    let mut middle = start(&network, 0, false, "none");
    middle.wait_for("listening");
    let event = middle.events().into_iter().find(|event| event["message"] == "listening");
    let address = event.expect("just seen")["address"].as_str().expect("text").to_owned();
    // The others know the middle alone, and of these only the first aggregates: what the second and
    // the third attest gets to it through the middle or not at all.
    let mut nodes = vec![middle];
    nodes.extend((1..4).map(|index| start(&network, index, index == 1, &address)));
    network.wait_for_end(10);
    for slot in LAG_SLOTS + 1..=10 {
        assert_finalized_within(&nodes, slot, LAG_SLOTS);
    }
    assert_safe(&nodes.iter().collect::<Vec<_>>());
}
