//! A start long after genesis or long before, and a clock that is set back.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;

use super::PATIENCE;
use crate::devnet::{
    network::{LAG_SLOTS, Network, Plan, assert_finalized_within, assert_safe},
    node::Node,
};

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Gives the network another genesis time.
fn begin_at(network: &Network, genesis_time: u64) {
    let path = network.folder().join("network/config.yaml");
    let text = fs::read_to_string(&path).expect("it is there");
    let lines: Vec<_> = text
        .lines()
        .map(|line| match line.split_once(": ") {
            Some(("GENESIS_TIME", _)) => format!("GENESIS_TIME: {genesis_time}"),
            _ => line.to_owned(),
        })
        .collect();
    fs::write(path, lines.join("\n")).expect("it is writable");
}

fn message_of<'a>(
    node: &Node,
    events: &'a [serde_json::Value],
    start: &str,
) -> &'a serde_json::Value {
    let found = events
        .iter()
        .find(|event| event["message"].as_str().is_some_and(|text| text.starts_with(start)));
    found.unwrap_or_else(|| panic!("no {start:?}:\n{}", node.tail()))
}

#[test]
fn a_start_a_week_after_genesis_says_so_in_one_line() {
    let network = Network::make("late", Plan { nodes: 1, ..Plan::default() });
    begin_at(&network, unix_seconds() - 7 * 86_400);
    for run in 0..2 {
        let mut node = network.run(&format!("run-{run}"), network.command(Some(0)));
        node.wait_for("slot ends");
        node.signal(Signal::TERM);
        assert!(node.wait().success(), "{}", node.tail());
        let events = node.events();
        let passed = message_of(&node, &events, "slots have passed before the start");
        assert!(passed["slots"].as_u64().is_some_and(|slots| slots >= 151_200), "{passed}");
        let start = passed["slot"].as_u64().expect("a slot");
        for event in &events {
            let message = event["message"].as_str().unwrap_or_default();
            let is_duty = message.starts_with("missed") || message.starts_with("not done");
            assert!(!is_duty || event["slot"].as_u64() >= Some(start), "{event}");
        }
        assert!(events.len() < 60, "{} lines:\n{}", events.len(), node.tail());
    }
}

#[test]
fn a_genesis_that_cannot_be_is_refused_with_the_reason() {
    let network = Network::make("impossible", Plan { nodes: 1, ..Plan::default() });
    let now = unix_seconds();
    for (genesis_time, reason) in [
        (0, "GENESIS_TIME is 0"),
        (now * 1000, "milliseconds"),
        (now + 400 * 86_400, "ahead of this machine's clock"),
        (now - 20 * 86_400, "at most 262144 slots"),
    ] {
        begin_at(&network, genesis_time);
        let mut command = network.command(Some(0));
        let output = command.stdout(Stdio::null()).output().expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{genesis_time}: {error}");
        assert!(error.contains("the node does not start") && error.contains(reason), "{error}");
    }
}

#[test]
fn a_genesis_ahead_is_counted_down() {
    let network = Network::make("ahead", Plan { nodes: 1, ..Plan::default() });
    begin_at(&network, unix_seconds() + 2 * 3_600 + 1_800);
    let mut node = network.start(0);
    let begin = Instant::now();
    while !node.log().contains("genesis is in 2 h") {
        assert!(node.runs_still() && begin.elapsed() < PATIENCE, "{}", node.tail());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Replaces the offset in one step.
fn set_offset(file: &Path, offset_ms: i64) {
    let next = file.with_extension("next");
    fs::write(&next, offset_ms.to_string()).expect("the folder is writable");
    fs::rename(&next, file).expect("the folder is writable");
}

#[test]
fn a_node_that_started_an_hour_fast_goes_on_when_its_clock_is_set_back() {
    let network = Network::make("fast", Plan::default());
    let offset = network.folder().join("offset");
    set_offset(&offset, 3_600_000);
    let flag = format!("--clock-offset-file={}", offset.display());
    let mut nodes: Vec<_> = (0..3).map(|index| network.start(index)).collect();
    nodes.push(network.start_with(3, &[&flag]));
    network.wait_for(4);
    assert!(nodes[3].slots().last().is_some_and(|line| line.slot > 890), "{}", nodes[3].tail());
    set_offset(&offset, 0);
    network.wait_for_end(20);
    assert_finalized_within(&nodes, 20, 2 * LAG_SLOTS);
    assert_safe(&nodes.iter().collect::<Vec<_>>());
    let events = nodes[3].events();
    let warned = message_of(&nodes[3], &events, "the clock was set back: it would be 59 min");
    assert_eq!(warned["level"], "WARN");
    // It walks every slot from there on, and no key signs for one of them twice.
    let slots: Vec<_> =
        nodes[3].slots().into_iter().map(|line| line.slot).filter(|slot| *slot < 890).collect();
    assert!(slots.first().is_some_and(|first| *first <= 6), "{slots:?}");
    assert!(slots.windows(2).all(|pair| pair[1] == pair[0] + 1), "{slots:?}");
    assert!(!nodes[3].log().contains("has signed another message"), "{}", nodes[3].tail());
}
