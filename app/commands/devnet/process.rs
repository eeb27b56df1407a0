//! A node's process.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use quintet::network_dir::PlannedNode;
use rustix::process::{Pid, Signal, kill_process};

use super::{Failure, folder::Devnet};
use crate::cli::DevnetArgs;

/// Lines of a log that are shown when its node has ended.
const LAST_LINES: usize = 12;

/// A node's process. It ends with its handle.
#[derive(Debug)]
pub(super) struct NodeProcess {
    pub(super) name: String,
    log: PathBuf,
    child: Child,
    is_paused: bool,
}

impl NodeProcess {
    /// Starts the node, in a process group of its own: a terminal's Ctrl-C is the devnet's alone,
    /// which then stops its nodes in order.
    pub(super) fn start(
        devnet: &Devnet,
        node: &PlannedNode,
        log_level: &str,
        arguments: &DevnetArgs,
    ) -> Result<Self, Failure> {
        let log = devnet.log(&node.name);
        let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        // Variables of the devnet are not meant for its nodes.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUINTET_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["--log-level", log_level, "--log-format", "json"])
            .args(["node", "--network-dir"])
            .arg(devnet.network())
            .args(["--node-id", &node.name, "--data-dir"])
            .arg(devnet.data(&node.name))
            .args(["--http-address", &devnet.ip.to_string()])
            .args(["--end-with-parent", &std::process::id().to_string()])
            .args(["--proof-system", &arguments.proof_system])
            .args(arguments.prover_threads.map(|threads| format!("--prover-threads={threads}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", node.name))?;
        Ok(Self { name: node.name.clone(), log, child, is_paused: false })
    }

    /// The process's id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Returns true while it is paused.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Stops the process for a while, or lets it go on.
    pub(super) fn set_paused(&mut self, paused: bool) -> io::Result<()> {
        if self.is_paused != paused {
            self.signal(if paused { Signal::STOP } else { Signal::CONT })?;
            self.is_paused = paused;
        }
        Ok(())
    }

    /// Asks it to end.
    pub(super) fn stop(&mut self) {
        // It may have ended in the meantime.
        let _ = self.set_paused(false);
        let _ = self.signal(Signal::TERM);
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// The end of its log.
    pub(super) fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(LAST_LINES).collect();
        let lines: Vec<_> = lines.into_iter().rev().collect();
        format!("{}:\n{}", self.log.display(), lines.join("\n"))
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
