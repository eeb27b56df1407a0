//! A network's folder, its nodes, and what holds of all of them.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    devnet::node::{Node, SlotLine, quintet},
    folder::Folder,
    own_ip::own_ip,
};

/// Seconds in a slot.
pub const SLOT_SECONDS: u64 = 4;
/// The distance of finality from the head in a network without trouble.
pub const LAG_SLOTS: u64 = 3;

/// The plan of a network.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub nodes: usize,
    pub committees: u64,
    /// Slot 0 is so many seconds after the folder is complete.
    pub genesis_delay: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { nodes: 4, committees: 1, genesis_delay: 6 }
    }
}

/// A network's folder, with keys of the test preset: a validator a node.
pub struct Network {
    folder: Folder,
    ip: Ipv4Addr,
    genesis_time: u64,
}

impl Network {
    pub fn make(name: &str, plan: Plan) -> Self {
        let folder = Folder::new(name);
        let ip = own_ip();
        let made = quintet()
            .args(["genesis", "--xmss", "test", "--out"])
            .arg(folder.join("network"))
            .args(["--nodes", &plan.nodes.to_string()])
            .args(["--committees", &plan.committees.to_string()])
            .args(["--genesis-delay", &plan.genesis_delay.to_string()])
            .args(["--ip", &ip.to_string()])
            .output()
            .expect("the binary runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let text = String::from_utf8(made.stdout).expect("it is text");
        let (_, time) = text.trim().rsplit_once(' ').expect("the genesis is last");
        let genesis_time = time.parse().expect("seconds");
        Self { folder, ip, genesis_time }
    }

    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn network(&self) -> PathBuf {
        self.folder.join("network")
    }

    /// The command that starts a node; without a number it observes.
    pub fn command(&self, index: Option<usize>) -> Command {
        let mut command = quintet();
        command.args(["--log-format", "json", "node", "--network-dir"]).arg(self.network());
        command.args(["--http-address", &self.ip.to_string()]);
        let data = match index {
            Some(index) => {
                command.args(["--node-id", &format!("quintet_{index}")]);
                format!("data-{index}")
            }
            None => {
                let ip = self.ip.to_string();
                command.args(["--listen-address", &ip, "--gossipsub-port", "9900"]);
                command.args(["--api-port", "9901", "--metrics-port", "9902"]);
                "data-observer".to_owned()
            }
        };
        command.arg("--data-dir").arg(self.folder.join(data));
        command
    }

    pub fn start(&self, index: usize) -> Node {
        self.start_with(index, &[])
    }

    pub fn start_with(&self, index: usize, flags: &[&str]) -> Node {
        let mut command = self.command(Some(index));
        command.args(flags);
        self.run(&format!("quintet_{index}"), command)
    }

    /// Runs a command of [`command`](Self::command).
    pub fn run(&self, name: &str, command: Command) -> Node {
        Node::run(name, self.folder.path(), command)
    }

    pub fn start_all(&self, nodes: usize) -> Vec<Node> {
        (0..nodes).map(|index| self.start(index)).collect()
    }

    /// Waits for a slot's start.
    pub fn wait_for(&self, slot: u64) {
        let at = UNIX_EPOCH + Duration::from_secs(self.genesis_time + slot * SLOT_SECONDS);
        if let Ok(left) = at.duration_since(SystemTime::now()) {
            std::thread::sleep(left);
        }
    }

    /// Waits until all nodes have ended a slot, whether well or not.
    pub fn wait_for_end(&self, slot: u64) {
        self.wait_for(slot + 1);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// No two nodes, and no node at two times, finalized different blocks of one slot; nor did a node
/// take back what it had finalized.
pub fn assert_safe(nodes: &[&Node]) {
    let mut roots = BTreeMap::new();
    for node in nodes {
        let lines = node.slots();
        for line in &lines {
            let known = roots.entry(line.finalized).or_insert_with(|| line.finalized_root.clone());
            assert_eq!(*known, line.finalized_root, "{}: {line:?}", node.name());
        }
        for run in node.runs() {
            assert!(run.is_sorted_by_key(|line| line.finalized), "{}: {run:?}", node.name());
        }
    }
}

/// The nodes' lines of a slot.
pub fn slot_of<'a>(nodes: impl IntoIterator<Item = &'a Node>, slot: u64) -> Vec<SlotLine> {
    let line = |node: &Node| {
        let lines = node.slots();
        let found = lines.iter().rev().find(|line| line.slot == slot).cloned();
        found.unwrap_or_else(|| panic!("{} has no slot {slot}:\n{}", node.name(), node.tail()))
    };
    nodes.into_iter().map(line).collect()
}

/// At a slot's end, every node has finalized at most so many slots before.
pub fn assert_finalized_within(nodes: &[Node], slot: u64, lag: u64) {
    for (node, line) in nodes.iter().zip(slot_of(nodes, slot)) {
        assert!(line.finalized + lag >= slot, "{}: {line:?}\n{}", node.name(), node.tail());
    }
}
