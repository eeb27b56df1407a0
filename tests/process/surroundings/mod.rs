//! A node and its surroundings: its log's reader, the disk, the clock, memory, and signals.

mod log;
mod output;
mod stall;
mod time;

use std::{
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::http;

/// For what does not depend on slots.
const PATIENCE: Duration = Duration::from_secs(60);
/// A node promises five seconds; the machine may be busy.
const STOPS_WITHIN: Duration = Duration::from_secs(12);

/// A node's process with a standard error of the test's choice. It ends with its handle.
struct Watched {
    process: Child,
    api: SocketAddr,
}

impl Watched {
    fn start(mut command: Command, stderr: impl Into<Stdio>, api: SocketAddr) -> Self {
        command.stdout(Stdio::null()).stderr(stderr);
        Self { process: command.spawn().expect("the binary runs"), api }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("it can be asked")
    }

    /// The clock's slot, as the world has walked it; none while it does not answer.
    fn slot(&self) -> Option<u64> {
        if std::net::TcpStream::connect(self.api).is_err() {
            return None;
        }
        let answer = http::get(self.api, "/quintet/v0/overview");
        (answer.status == 200).then(|| answer.json()["clock"]["slot"].as_u64().expect("a slot"))
    }

    /// Waits until the world has walked so far.
    fn wait_for(&mut self, slot: u64) {
        let begin = Instant::now();
        while self.slot().is_none_or(|now| now < slot) {
            let ended = self.ended();
            assert!(ended.is_none(), "it has ended: {ended:?}");
            assert!(begin.elapsed() < PATIENCE, "slot {slot} does not come: {:?}", self.slot());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("it runs");
    }

    /// Asks it to stop and waits for its end.
    fn stop(&mut self) -> ExitStatus {
        self.signal();
        let begin = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begin.elapsed() < STOPS_WITHIN, "SIGTERM is not answered");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
