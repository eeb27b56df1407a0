//! Nodes that end, and nodes that come late.

use crate::devnet::network::{LAG_SLOTS, Network, Plan, assert_finalized_within, assert_safe};

#[test]
fn a_node_that_was_killed_rejoins_and_finalizes() {
    let network = Network::make("restart", Plan::default());
    let mut nodes = network.start_all(4);
    network.wait_for(6);
    nodes[3].kill();
    network.wait_for(10);
    // Three of four are more than two thirds.
    assert_finalized_within(&nodes[..3], 9, 2 * LAG_SLOTS);
    nodes[3] = network.start(3);
    network.wait_for_end(16);
    assert_finalized_within(&nodes, 16, LAG_SLOTS);
    assert_safe(&nodes.iter().collect::<Vec<_>>());
    let resumed = nodes[3].events().iter().filter(|event| event["message"] == "listening").count();
    assert_eq!(resumed, 2);
    assert_eq!(nodes[3].slots().last().map(|line| line.peers), Some(3));
}

#[test]
fn a_node_without_validators_follows_the_chain_from_genesis() {
    let network = Network::make("observer", Plan::default());
    let nodes = network.start_all(4);
    network.wait_for(4);
    let observer = network.run("observer", network.command(None));
    network.wait_for_end(10);
    let mut all = nodes;
    all.push(observer);
    assert_finalized_within(&all, 10, LAG_SLOTS);
    assert_safe(&all.iter().collect::<Vec<_>>());
    let observer = all.last().expect("it was added");
    assert!(observer.events().iter().any(|event| {
        event["message"].as_str().is_some_and(|message| message.contains("the node is an observer"))
    }));
}

#[test]
fn a_late_observer_begins_at_a_checkpoint_and_follows() {
    let network = Network::make("checkpoint", Plan::default());
    let mut all = network.start_all(4);
    network.wait_for(9);
    let mut command = network.command(None);
    command.args(["--checkpoint-sync-url", &format!("http://{}:5051", network.ip())]);
    all.push(network.run("observer", command));
    network.wait_for_end(15);
    assert_finalized_within(&all, 15, LAG_SLOTS);
    assert_safe(&all.iter().collect::<Vec<_>>());
    let observer = all.last().expect("it was added");
    // Its chain begins at what the others had finalized.
    let first = observer.slots().into_iter().next().expect("it tells of slots");
    assert!(first.slot >= 4 && first.finalized >= 4, "{first:?}\n{}", observer.tail());
}
