//! A node whose clock steps. Its process is real; its clock is the system's with an offset that a
//! file has, so that the other nodes' clocks stay right.

use std::{fs, path::Path};

use crate::devnet::network::{LAG_SLOTS, Network, Plan, assert_finalized_within, assert_safe};

/// Replaces the offset in one step.
fn set_offset(file: &Path, offset_ms: i64) {
    let next = file.with_extension("next");
    fs::write(&next, offset_ms.to_string()).expect("the folder is writable");
    fs::rename(&next, file).expect("the folder is writable");
}

#[test]
fn a_clock_that_steps_back_two_seconds_and_forward_ten_harms_nothing() {
    let network = Network::make("clock", Plan::default());
    let offset = network.folder().join("offset");
    set_offset(&offset, 0);
    let flag = format!("--clock-offset-file={}", offset.display());
    let mut nodes: Vec<_> = (0..3).map(|index| network.start(index)).collect();
    nodes.push(network.start_with(3, &[&flag]));

    network.wait_for(6);
    set_offset(&offset, -2_000);
    network.wait_for_end(9);
    // Three right clocks of four are enough.
    assert_finalized_within(&nodes[..3], 9, 2 * LAG_SLOTS);
    set_offset(&offset, 8_000);
    network.wait_for_end(13);
    assert_finalized_within(&nodes[..3], 13, 2 * LAG_SLOTS);
    set_offset(&offset, 0);
    // How soon finality is back depends on which slots may be justified.
    network.wait_for_end(26);
    assert_finalized_within(&nodes, 26, 2 * LAG_SLOTS);
    assert_safe(&nodes.iter().collect::<Vec<_>>());

    // Every slot was walked, none twice.
    let slots: Vec<_> = nodes[3].slots().iter().map(|line| line.slot).collect();
    assert_eq!(slots, (0..=26).collect::<Vec<_>>());
    for node in &mut nodes {
        assert!(node.runs_still(), "{}", node.tail());
    }
}
