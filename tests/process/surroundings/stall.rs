//! A world that stands still, and nodes that have not begun.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{PATIENCE, STOPS_WITHIN, Watched};
use crate::{
    devnet::network::{Network, Plan},
    own_ip::own_ip,
    support::http,
};

/// From here on whoever reads the file waits.
fn make_unreadable(file: &Path) {
    let pipe = file.with_extension("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    fs::rename(&pipe, file).expect("the folder is writable");
}

#[test]
fn a_world_that_stands_still_is_unhealthy_and_ends_when_it_is_asked_to() {
    let network =
        Network::make("stands-still", Plan { nodes: 1, genesis_delay: 2, ..Plan::default() });
    let offset = network.folder().join("offset");
    fs::write(&offset, "0").expect("the folder is writable");
    let mut command = network.command(Some(0));
    command.arg("--clock-offset-file").arg(&offset);
    let log = network.folder().join("node.log");
    let stderr = File::create(&log).expect("the folder is writable");
    let mut node = Watched::start(command, stderr, (network.ip(), 5051).into());
    node.wait_for(1);
    for path in ["/lean/v0/health", "/v0/health"] {
        let answer = http::get(node.api, path);
        assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("healthy")));
        assert!(answer.json().get("reason").is_none());
    }
    make_unreadable(&offset);
    let begin = Instant::now();
    while http::get(node.api, "/v0/health").status == 200 {
        assert!(begin.elapsed() < PATIENCE, "it stands still and says that it is healthy");
        thread::sleep(Duration::from_millis(100));
    }
    for path in ["/lean/v0/health", "/v0/health"] {
        let answer = http::get(node.api, path);
        let body = answer.json();
        assert_eq!((answer.status, body["status"].as_str()), (503, Some("unhealthy")), "{body}");
        let reason = body["reason"].as_str().expect("a reason");
        assert!(reason.contains("no interval has been walked for"), "{reason}");
    }
    assert_eq!(node.stop().code(), Some(1));
    let log = fs::read_to_string(log).expect("it logs");
    assert!(log.contains("the node has not stopped within 5s of being asked to"), "{log}");
}

#[test]
fn a_second_signal_ends_a_node_at_once() {
    let network = Network::make("forced", Plan { nodes: 1, ..Plan::default() });
    let offset = network.folder().join("offset");
    fs::write(&offset, "0").expect("the folder is writable");
    let mut command = network.command(Some(0));
    command.arg("--clock-offset-file").arg(&offset);
    let mut node = network.run("quintet_0", command);
    node.wait_for("listening");
    make_unreadable(&offset);
    // The world stands still from its next step on.
    thread::sleep(Duration::from_secs(1));
    node.signal(Signal::INT);
    thread::sleep(Duration::from_millis(700));
    node.signal(Signal::TERM);
    let status = node.wait_at_most(STOPS_WITHIN);
    assert_eq!(status.code(), Some(130), "{}", node.tail());
}

#[test]
fn a_signal_ends_a_node_that_has_not_begun() {
    let network = Network::make("not-begun", Plan { nodes: 1, ..Plan::default() });
    // It takes connections and answers nothing.
    let silent = TcpListener::bind((own_ip(), 0)).expect("a free port");
    let url = format!("http://{}", silent.local_addr().expect("it listens"));
    let mut command = network.command(Some(0));
    command.args(["--checkpoint-sync-url", &url]);
    let mut node = network.run("quintet_0", command);
    node.wait_for("asking for a checkpoint");
    node.signal(Signal::TERM);
    let status = node.wait_at_most(STOPS_WITHIN);
    assert!(status.success(), "{status}: {}", node.tail());
    node.wait_for("asked to stop before the node has started: it ends");
}
