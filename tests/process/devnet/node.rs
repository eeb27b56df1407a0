//! A node's process and its log.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// For what does not depend on slots.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary.
pub fn quintet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quintet"));
    command.stdin(Stdio::null());
    command
}

/// A node's line about a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotLine {
    pub slot: u64,
    pub head: u64,
    pub justified: u64,
    pub finalized: u64,
    pub finalized_root: String,
    pub peers: u64,
    pub missed: u64,
}

impl SlotLine {
    fn read(line: &Value) -> Option<Self> {
        if line["message"] != "slot ends" {
            return None;
        }
        let number = |name: &str| line[name].as_u64();
        Some(Self {
            slot: number("slot")?,
            head: number("head")?,
            justified: number("justified")?,
            finalized: number("finalized")?,
            finalized_root: line["finalized_root"].as_str()?.to_owned(),
            peers: number("peers")?,
            missed: number("missed")?,
        })
    }
}

/// A node's process; it ends with its handle. A node that is started again adds to its log.
pub struct Node {
    name: String,
    process: Child,
    log: PathBuf,
}

impl Node {
    pub fn run(name: &str, folder: &Path, mut command: Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log).expect("writable");
        let process = command.stdout(Stdio::null()).stderr(file).spawn().expect("the binary runs");
        Self { name: name.to_owned(), process, log }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the node logs")
    }

    /// The end of the log, for a message.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The log's events.
    pub fn events(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Every slot's line, of all runs.
    pub fn slots(&self) -> Vec<SlotLine> {
        self.runs().concat()
    }

    /// Every slot's line, by the process that wrote it.
    pub fn runs(&self) -> Vec<Vec<SlotLine>> {
        let mut runs = vec![Vec::new()];
        for event in self.events() {
            if event["message"] == "network" {
                runs.push(Vec::new());
            }
            runs.last_mut().expect("there is one").extend(SlotLine::read(&event));
        }
        runs
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it runs");
    }

    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Ends it without a warning.
    pub fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it can be waited for");
    }

    /// Returns true if it still runs.
    pub fn runs_still(&mut self) -> bool {
        self.process.try_wait().expect("it can be asked").is_none()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_at_most(PATIENCE)
    }

    pub fn wait_at_most(&mut self, patience: Duration) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("it can be asked") {
                return status;
            }
            assert!(begin.elapsed() < patience, "it does not end:\n{}", self.tail());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the log has this event.
    pub fn wait_for(&mut self, message: &str) {
        let begin = Instant::now();
        while !self.events().iter().any(|event| event["message"] == message) {
            let ended = self.process.try_wait().expect("it can be asked");
            let waits = ended.is_none() && begin.elapsed() < PATIENCE;
            assert!(waits, "no {message:?}, {ended:?}:\n{}", self.tail());
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
