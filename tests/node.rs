//! Nodes as an operator runs them: real processes, files, QUIC on loopback.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(dead_code, reason = "the support is shared")]

#[path = "support/folder.rs"]
mod folder;

use std::{
    fs::{self, File},
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// For what a node does within a few slots.
const PATIENCE: Duration = Duration::from_secs(90);

/// Two free UDP ports on loopback, one after the other.
fn free_ports() -> u16 {
    for _ in 0..64 {
        let first = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
        let port = first.local_addr().expect("it is bound").port();
        let next = port.checked_add(1).map(|next| UdpSocket::bind(("127.0.0.1", next)));
        if matches!(next, Some(Ok(_))) {
            return port;
        }
    }
    panic!("no two free ports in a row");
}

fn quintet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quintet"));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A node's process; it ends with its handle.
struct Node {
    process: Child,
    log: PathBuf,
}

impl Node {
    fn start(network: &Path, index: usize, run: usize) -> Self {
        let log = network.join(format!("node-{index}-{run}.log"));
        let file = File::create(&log).expect("the folder can be written");
        let process = quintet()
            .args(["node", "--network-dir"])
            .arg(network)
            .args(["--node-id", &format!("quintet_{index}"), "--data-dir"])
            .arg(network.join(format!("data-{index}")))
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Self { process, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the node logs")
    }

    /// The highest finalized slot that the log tells.
    fn finalized(&self) -> u64 {
        let told = |line: &str| {
            let (_, rest) = line.split_once("finalized=")?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let lines = self.log();
        lines.lines().filter(|line| line.contains("slot ends")).filter_map(told).max().unwrap_or(0)
    }

    /// Waits until the node has finalized this slot.
    fn wait_finalized(&mut self, slot: u64) {
        let begin = Instant::now();
        while self.finalized() < slot {
            let ended = self.process.try_wait().expect("it can be asked");
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "slot {slot} is not finalized, {ended:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks the node to stop, as a service manager would.
    fn stop(&mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).expect("it runs");
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("it can be asked") {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn two_nodes_with_each_other_as_bootnodes_finalize_stop_and_go_on() {
    let folder = folder::Folder::new("node");
    let network = folder.path().join("network");
    let made = quintet()
        .args(["genesis", "--nodes", "2", "--xmss", "test", "--genesis-delay", "3", "--out"])
        .arg(&network)
        .args(["--base-port", &free_ports().to_string()])
        .output()
        .expect("the binary runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let mut nodes = [0, 1].map(|index| Node::start(&network, index, 0));
    for node in &mut nodes {
        node.wait_finalized(1);
    }
    for node in &mut nodes {
        let status = node.stop();
        assert!(status.success(), "{status}: {}", node.log());
    }
    let before = nodes.each_ref().map(Node::finalized);
    drop(nodes);

    let mut nodes = [0, 1].map(|index| Node::start(&network, index, 1));
    for (node, before) in nodes.iter_mut().zip(before) {
        node.wait_finalized(before + 1);
        assert!(node.log().contains("resuming from"), "{}", node.log());
        assert!(node.stop().success());
    }
}

#[test]
fn a_node_without_its_files_says_which() {
    let folder = folder::Folder::new("node-missing");
    let output = quintet()
        .args(["node", "--network-dir"])
        .arg(folder.path().join("nowhere"))
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the node does not start") && error.contains("config.yaml"), "{error}");
}
