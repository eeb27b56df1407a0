//! `quintet devnet`: processes that start, pause and end together.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{devnet::node::quintet, folder::Folder, own_ip::own_ip};

/// For what takes a few slots.
const PATIENCE: Duration = Duration::from_secs(90);

fn devnet(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = quintet();
    command
        .args(["devnet", "--xmss", "test", "--ip", &own_ip().to_string(), "--data-dir"])
        .arg(folder.join("devnet"))
        .args(arguments)
        .env("QUINTET_KEY_CACHE", folder.join("keys"));
    command
}

fn text(output: &Output) -> String {
    format!(
        "{}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn it_ends_well_when_every_node_has_finalized() {
    let folder = Folder::new("devnet-ends");
    let report = folder.join("report.md");
    let output = devnet(&folder, &["--slots", "11", "--pause", "3@3+2", "--report"])
        .arg(&report)
        .output()
        .expect("the binary runs");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("every node finalized"), "{said}");
    // A line a slot and node, with the pause.
    let line = |slot: &str, node: &str| {
        said.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.first() == Some(&slot) && words.get(1) == Some(&node))
            .unwrap_or_else(|| panic!("no slot {slot} of {node}: {said}"))
    };
    assert_eq!(line("3", "quintet_3")[2], "paused");
    // A busy node may be silent when it is asked, and is listed all the same.
    let [role, head] = line("10", "quintet_0")[2..4] else { panic!("{said}") };
    assert!(matches!(role, "aggregates" | "silent") && head == "10", "{said}");
    assert_eq!(line("10", "quintet_1")[6], "3", "three peers: {said}");
    let finalized: u64 = line("10", "quintet_3")[5].parse().expect("a slot");
    assert!(finalized >= 6, "{said}");
    let report = fs::read_to_string(report).expect("it is written");
    assert!(said.contains(&report), "{said}");
    let value = |measure: &str| {
        let row = report.lines().find_map(|line| line.strip_prefix(&format!("| {measure} | ")));
        row.unwrap_or_else(|| panic!("no {measure:?}: {report}")).trim_end_matches(" |").to_owned()
    };
    assert_eq!(value("nodes, validators, slots"), "4, 4 (test), 11");
    assert_eq!(value("pauses"), "quintet_3 in 3..5");
    assert_eq!(value("slots without a block, outside"), "0");
    // Nobody proposes for quintet_3 in slot 3, unless it is stopped a moment too late.
    assert!(matches!(&*value("slots without a block, in pauses"), "0" | "1"), "{report}");
    for measured in [
        "block published after its slot began, in calm slots",
        "the same in pauses and the six slots after",
        "block seen by another node after that, in calm slots",
    ] {
        assert!(value(measured).starts_with("mean "), "{report}");
    }
    assert_eq!(value("resident at the end").matches("MiB").count(), 4, "{report}");
    assert_eq!(value("part of one core on average").matches('%').count(), 4, "{report}");
    // The network's folder is as launchers have it, and each node has its log.
    for file in ["network/config.yaml", "network/nodes.yaml", "logs/quintet_3.log"] {
        assert!(folder.join("devnet").join(file).exists(), "{file}");
    }
}

#[test]
fn it_fails_when_a_node_does_not_finalize() {
    let folder = Folder::new("devnet-fails");
    let arguments = ["--nodes", "2", "--slots", "6", "--pause", "quintet_1@1+9"];
    let output = devnet(&folder, &arguments).output().expect("the binary runs");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is to finalize slot 2"), "{said}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let folder = Folder::new("devnet-refuses");
    for (arguments, reason) in [
        (["--pause", "4@1+1"], "there is no node 4"),
        (["--pause", "1@1"], "NODE@SLOT+COUNT"),
        (["--committees", "5"], "5 committees"),
        (["--report", "x"], "--slots"),
        (["--nodes=64", "--validators-per-node=64"], "proof system multisig"),
    ] {
        let output = devnet(&folder, &arguments).output().expect("the binary runs");
        let said = text(&output);
        assert!(!output.status.success() && said.contains(reason), "{arguments:?}: {said}");
    }
}

/// The processes that this one has started.
fn children(process: &Child) -> Vec<u32> {
    let id = process.id();
    let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Waits for all nodes to be there.
fn wait_for_children(process: &Child, count: usize) -> Vec<u32> {
    let begin = Instant::now();
    loop {
        let found = children(process);
        if found.len() == count {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Returns true if a process runs. One that has ended may still wait for its parent.
fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn wait_until_none_runs(ids: &[u32]) {
    let begin = Instant::now();
    while ids.iter().any(|id| runs(*id)) {
        assert!(begin.elapsed() < PATIENCE, "{ids:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_log(log: &Path, text: &str) {
    let begin = Instant::now();
    while !fs::read_to_string(log).unwrap_or_default().contains(text) {
        assert!(begin.elapsed() < PATIENCE, "{} has no {text:?}", log.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_signal_stops_the_nodes_in_order_also_a_paused_one() {
    let folder = Folder::new("devnet-signal");
    let mut command = devnet(&folder, &["--nodes", "2", "--pause", "1@0+100"]);
    let mut process =
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let nodes = wait_for_children(&process, 2);
    wait_for_log(&folder.join("devnet/logs/quintet_0.log"), "slot ends");
    kill_process(Pid::from_child(&process), Signal::INT).expect("it runs");
    let status = process.wait().expect("it ends");
    let mut error = String::new();
    process.stderr.take().expect("it is a pipe").read_to_string(&mut error).expect("text");
    assert!(status.success(), "{status}: {error}");
    assert!(nodes.iter().all(|node| !runs(*node)));
}

#[test]
fn nodes_end_with_a_devnet_that_is_killed_also_a_paused_one() {
    let folder = Folder::new("devnet-killed");
    let mut command = devnet(&folder, &["--nodes", "2", "--pause", "1@0+100"]);
    let mut process =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    let nodes = wait_for_children(&process, 2);
    wait_for_log(&folder.join("devnet/logs/quintet_0.log"), "slot ends");
    process.kill().expect("it runs");
    process.wait().expect("it ends");
    wait_until_none_runs(&nodes);
}
