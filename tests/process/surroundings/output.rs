//! Commands whose output cannot be written.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Read},
    process::{Command, Output, Stdio},
};

use super::Watched;
use crate::{
    devnet::{
        network::{Network, Plan},
        node::quintet,
    },
    folder::Folder,
    own_ip::own_ip,
};

/// The code of a command whose reader has gone.
const READER_GONE: i32 = 141;

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("it is there")
}

/// Standard output that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn genesis(folder: &Folder, out: &str) -> Command {
    let mut command = quintet();
    command.current_dir(folder.path()).env("QUINTET_KEY_CACHE", folder.join("keys"));
    command.args(["genesis", "--nodes", "1", "--xmss", "test", "--seed", "3", "--out", out]);
    command
}

fn on(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = quintet();
    command.current_dir(folder.path()).args(arguments);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The command in a shell that first does this.
fn in_shell(before: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        value.map(|value| shell.env(name, value));
    }
    shell
}

/// Every command that writes to standard output.
fn commands(folder: &Folder) -> Vec<Command> {
    let made = genesis(folder, "network").output().expect("the binary runs");
    assert!(made.status.success(), "{}", stderr(&made));
    let mut devnet = on(
        folder,
        &["devnet", "--nodes", "1", "--slots", "1", "--xmss", "test", "--data-dir", "devnet"],
    );
    devnet.args(["--ip", &own_ip().to_string()]);
    devnet.env("QUINTET_KEY_CACHE", folder.join("keys"));
    vec![
        genesis(folder, "another"),
        on(folder, &["keys", "verify", "--network-dir", "network"]),
        on(folder, &["keys", "inspect", "network/hash-sig-keys"]),
        on(folder, &["keys", "generate", "--validators", "1", "--xmss", "test", "--out", "made"]),
        on(folder, &["--help"]),
        on(folder, &["--version"]),
        devnet,
    ]
}

#[test]
fn output_that_cannot_be_written_ends_a_command_with_the_reason() {
    let folder = Folder::new("output-full");
    for mut command in commands(&folder) {
        let output = command.stdout(full()).output().expect("the binary runs");
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {error}");
        assert!(error.contains("standard output cannot be written: No space left"), "{error}");
        assert!(!error.contains("panicked"), "{error}");
    }
    // What the command was for is done.
    assert!(folder.join("another/config.yaml").exists());
}

#[test]
fn a_reader_that_has_gone_ends_a_command_quietly() {
    let folder = Folder::new("output-closed");
    for mut command in commands(&folder) {
        let output = command.stdout(closed()).output().expect("the binary runs");
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(READER_GONE), "{command:?}: {error}");
        for word in ["panicked", "standard output", "failed", "pipe"] {
            assert!(!error.contains(word), "{command:?}: {error}");
        }
    }
}

#[test]
fn a_command_without_standard_output_does_its_work() {
    let folder = Folder::new("output-none");
    for command in commands(&folder) {
        let output = in_shell("exec >&-", &command).output().expect("the shell runs");
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", stderr(&output));
        let error = stderr(&output);
        assert!(!error.contains("panicked"), "{command:?}: {error}");
    }
    assert!(folder.join("another/config.yaml").exists());
}

#[test]
fn a_command_without_standard_streams_ends_with_its_code() {
    let folder = Folder::new("output-no-streams");
    let fails = on(&folder, &["keys", "verify", "--network-dir", "nowhere"]);
    let status = in_shell("exec <&- >&- 2>&-", &fails).status().expect("the shell runs");
    assert_eq!(status.code(), Some(1));
    let works = genesis(&folder, "network");
    let status = in_shell("exec <&- >&- 2>&-", &works).status().expect("the shell runs");
    assert_eq!(status.code(), Some(0));
    assert!(folder.join("network/config.yaml").exists());
}

#[test]
fn a_node_without_standard_streams_goes_on() {
    let network =
        Network::make("no-streams", Plan { nodes: 1, genesis_delay: 2, ..Plan::default() });
    let command = in_shell("exec <&- >&- 2>&-", &network.command(Some(0)));
    let mut node = Watched::start(command, Stdio::null(), (network.ip(), 5051).into());
    node.wait_for(3);
    let status = node.stop();
    assert!(status.success(), "{status}");
}

#[test]
fn a_limit_of_memory_that_is_too_low_is_named() {
    let network = Network::make("memory", Plan { nodes: 1, genesis_delay: 60, ..Plan::default() });
    for kib in [100_000, 300_000] {
        let command = network.command(Some(0));
        let output = in_shell(&format!("ulimit -v {kib}"), &command).output();
        let output = output.expect("the shell runs");
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{error}");
        let last = error.trim_end().lines().last().unwrap_or_default();
        assert!(last.contains("no more memory") && last.contains("ulimit -v"), "{error}");
    }
}

#[test]
fn errors_that_cannot_be_written_end_a_command_with_its_code() {
    let folder = Folder::new("output-stderr");
    for stderr in [Stdio::from(full()), closed()] {
        let mut command = on(&folder, &["keys", "verify", "--network-dir", "nowhere"]);
        let status = command.stderr(stderr).status().expect("the binary runs");
        assert_eq!(status.code(), Some(1));
    }
    let mut command = on(&folder, &["keys", "no-such-command"]);
    let status = command.stderr(full()).status().expect("the binary runs");
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_devnet_whose_reader_goes_stops_its_nodes_in_order() {
    let folder = Folder::new("output-devnet");
    let mut command =
        on(&folder, &["devnet", "--nodes", "2", "--xmss", "test", "--data-dir", "devnet"]);
    let mut process = command
        .args(["--ip", &own_ip().to_string()])
        .env("QUINTET_KEY_CACHE", folder.join("keys"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(process.stdout.take().expect("a pipe"));
    let mut line = String::new();
    // The first slot's line: the nodes run.
    while !line.contains("quintet_0") || line.contains("API") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("text") > 0, "it has ended");
    }
    drop(lines);
    let status = process.wait().expect("it ends");
    let mut error = String::new();
    process.stderr.take().expect("a pipe").read_to_string(&mut error).expect("text");
    assert_eq!(status.code(), Some(READER_GONE), "{error}");
    for node in ["quintet_0", "quintet_1"] {
        let log = fs::read_to_string(folder.join(format!("devnet/logs/{node}.log")));
        let log = log.expect("it logs");
        assert!(log.contains("the node has stopped, as it was asked to"), "{log}");
    }
}
