//! `quintet node`: its settings, and how it ends.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    process::{Command, Output},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    devnet::{
        network::{Network, Plan},
        node::{Node, quintet},
    },
    folder::Folder,
};

/// A node promises three seconds; the machine may be busy.
const STOPS_WITHIN: Duration = Duration::from_secs(6);
/// For what takes a few slots.
const PATIENCE: Duration = Duration::from_secs(90);

fn finalized(node: &Node) -> u64 {
    node.slots().last().map_or(0, |line| line.finalized)
}

/// Waits until the node has finalized this slot.
fn wait_finalized(node: &mut Node, slot: u64) {
    let begin = std::time::Instant::now();
    while finalized(node) < slot {
        let waits = node.runs_still() && begin.elapsed() < PATIENCE;
        assert!(waits, "slot {slot} is not finalized:\n{}", node.tail());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn two_nodes_with_each_other_as_bootnodes_finalize_stop_and_go_on() {
    let network = Network::make("node", Plan { nodes: 2, genesis_delay: 4, ..Plan::default() });
    let mut nodes = network.start_all(2);
    nodes.iter_mut().for_each(|node| wait_finalized(node, 1));
    for node in &mut nodes {
        node.signal(Signal::TERM);
        assert!(node.wait().success(), "{}", node.tail());
    }
    let before: Vec<u64> = nodes.iter().map(finalized).collect();
    drop(nodes);

    let mut nodes = network.start_all(2);
    for (node, before) in nodes.iter_mut().zip(before) {
        wait_finalized(node, before + 1);
        assert!(node.log().contains("resuming from"), "{}", node.tail());
    }
}

#[test]
fn a_node_stops_in_order_when_it_is_asked_to() {
    let network = Network::make("stops", Plan::default());
    for (index, signal) in [Signal::INT, Signal::TERM].into_iter().enumerate() {
        let mut node = network.start(index);
        node.wait_for("listening");
        // In the middle of its work.
        network.wait_for(1);
        node.signal(signal);
        let status = node.wait_at_most(STOPS_WITHIN);
        assert!(status.success(), "{signal:?}: {status}\n{}", node.tail());
        // What it wrote is whole: it goes on from there.
        let mut again = network.run(&format!("again-{index}"), network.command(Some(index)));
        again.wait_for("listening");
        assert!(again.log().contains("resuming from"), "{}", again.tail());
    }
}

#[test]
fn a_signal_that_is_repeated_at_once_is_one() {
    let network = Network::make("repeated", Plan { nodes: 1, ..Plan::default() });
    let mut node = network.start(0);
    node.wait_for("listening");
    // Both are there when it goes on.
    node.pause();
    node.signal(Signal::INT);
    node.signal(Signal::TERM);
    node.resume();
    assert!(node.wait_at_most(STOPS_WITHIN).success(), "{}", node.tail());
}

#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    let network = Network::make("ignored", Plan { nodes: 1, ..Plan::default() });
    let plain = network.command(Some(0));
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(plain.get_program());
    command.args(plain.get_args());
    for (name, value) in plain.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let mut node = network.run("nohup", command);
    node.wait_for("listening");
    node.signal(Signal::HUP);
    network.wait_for(1);
    node.signal(Signal::TERM);
    assert!(node.wait_at_most(STOPS_WITHIN).success(), "{}", node.tail());
}

#[test]
fn a_signal_while_the_database_is_made_ends_the_node_in_order() {
    let network = Network::make("early-signal", Plan { nodes: 1, ..Plan::default() });
    for delay_ms in (40..160).step_by(4) {
        for left in ["data-0", "data-0.signing"] {
            // None at the first time.
            let _ = fs::remove_dir_all(network.folder().join(left));
        }
        let mut node = network.run(&format!("early-{delay_ms}"), network.command(Some(0)));
        std::thread::sleep(Duration::from_millis(delay_ms));
        node.signal(Signal::TERM);
        let status = node.wait_at_most(STOPS_WITHIN);
        // Before the handler is there, the signal itself ends the process.
        assert!(status.success() || status.signal() == Some(15), "{status}: {}", node.tail());
    }
}

#[test]
fn flags_count_before_the_environment_and_the_environment_before_the_file() {
    let network = Network::make("settings", Plan { nodes: 1, ..Plan::default() });
    let file = network.folder().join("node.toml");
    fs::write(&file, "gossipsub-port = 9101\nis-aggregator = false\n").expect("writable");
    let listens = |run: usize, flag: Option<&str>, variable: Option<&str>| {
        let mut command = network.command(Some(0));
        command
            .arg("--config")
            .arg(&file)
            .args(flag.map(|port| ["--gossipsub-port", port]).into_iter().flatten());
        command.envs(variable.map(|port| ("QUINTET_GOSSIPSUB_PORT", port)));
        let mut node = network.run(&format!("run-{run}"), command);
        node.wait_for("listening");
        let events = node.events();
        let event = events.iter().find(|event| event["message"] == "listening").expect("it does");
        // `validator-config.yaml` says that this node aggregates.
        assert_eq!(event["is_aggregator"], false);
        let address = event["address"].as_str().expect("it is text").to_owned();
        address.split('/').nth(4).expect("it has a port").to_owned()
    };
    assert_eq!(listens(0, None, None), "9101");
    assert_eq!(listens(1, None, Some("9102")), "9102");
    assert_eq!(listens(2, Some("9103"), Some("9102")), "9103");
}

fn fails(folder: &Folder, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } =
        quintet().args(arguments).current_dir(folder.path()).output().expect("the binary runs");
    let error = String::from_utf8(stderr).expect("it is text");
    assert!(matches!(status.code(), Some(1 | 2)), "{status}: {error}");
    error
}

#[test]
fn what_is_wrong_with_settings_is_said() {
    let folder = Folder::new("wrong");
    let error = fails(&folder, &["node", "--network-dir", "nowhere"]);
    assert!(error.contains("the node does not start") && error.contains("config.yaml"), "{error}");
    let error = fails(&folder, &["node"]);
    assert!(error.contains("--network-dir or --genesis"), "{error}");
    let error = fails(&folder, &["node", "--config", "no.toml"]);
    assert!(error.contains("no.toml"), "{error}");
    fs::write(folder.join("node.toml"), "data-dir = \"x\"\nhttp-prot = 1\n").expect("writable");
    let error = fails(&folder, &["node", "--config", "node.toml"]);
    assert!(error.contains("node.toml") && error.contains("line 2"), "{error}");
    assert!(error.contains("http-prot"), "{error}");
    for filter in ["inof", "quintet=loud"] {
        let error = fails(&folder, &["--log-level", filter, "node", "--network-dir", "nowhere"]);
        assert!(error.contains("log filter") && error.contains(filter), "{error}");
    }
    let error = fails(&folder, &["node", "--network-dir", ".", "--api-port", "70000"]);
    assert!(error.contains("--api-port"), "{error}");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_run() {
    let folder = Folder::new("report");
    fs::create_dir(folder.join("dir")).expect("writable");
    for report in ["dir", "missing/report.md", "dev/devnet.lock/report.md"] {
        let error = fails(
            &folder,
            &["devnet", "--data-dir", "dev", "--slots", "1", "--xmss", "test", "--report", report],
        );
        assert!(error.contains("--report") && error.contains(report), "{error}");
        assert!(!folder.join("dev/network").exists(), "no key was made");
    }
}

#[test]
fn the_log_is_text_or_an_object_a_line() {
    let network = Network::make("log", Plan { nodes: 1, ..Plan::default() });
    let mut node = network.start(0);
    node.wait_for("listening");
    for line in node.log().lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
    }
    node.kill();
    let mut command = network.command(Some(0));
    command.args(["--log-format", "text", "--log-level", "quintet::client=debug,warn"]);
    let mut node = network.run("text", command);
    let begin = std::time::Instant::now();
    while !node.log().contains("listening") {
        assert!(node.runs_still() && begin.elapsed() < PATIENCE, "{}", node.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    network.wait_for(1);
    let log = node.log();
    assert!(log.lines().all(|line| !line.starts_with('{')), "{log}");
    assert!(!log.contains("slot ends"), "{log}");
    assert!(!log.contains('\x1b'), "no colour in a file: {log}");
}
