//! The settings of HTTP, from the command line and the environment to the answers.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    folder::Folder,
    launchers::process::{self, PATIENCE, Place, Process, QUINTET},
    support::http::{exchange, request},
};

const ADMIN: &str = "/lean/v0/admin/aggregator";

fn node(folder: &Folder, place: &Place) -> Command {
    let mut command = Command::new(QUINTET);
    command
        .args(["--log-format", "json", "node", "--node-id", "quintet_1"])
        .arg("--network-dir")
        .arg(folder.join("network"))
        .arg("--data-dir")
        .arg(folder.join("data"))
        .args(["--http-address", &place.ip.to_string(), "--listen-address", &place.ip.to_string()])
        .args(["--gossipsub-port", &place.quic.to_string()])
        .args(["--api-port", &place.api.to_string()])
        .args(["--metrics-port", &place.metrics.to_string()]);
    command
}

fn enable(header: &str) -> Vec<u8> {
    request("POST", ADMIN, &["content-type: application/json", header], b"{\"enabled\":true}")
}

#[test]
fn a_token_from_a_file_or_the_environment_guards_the_role_and_its_change_is_logged() {
    let (folder, place) = (Folder::new("admin-token"), Place::new());
    process::network(&folder.join("network"));
    let file = folder.join("token");
    fs::write(&file, "from-the-file-0123\n").expect("the folder can be written");
    for (token, is_file) in [("from-the-file-0123", true), ("from-the-variable-0123", false)] {
        let mut command = node(&folder, &place);
        if is_file {
            command.arg("--admin-token-file").arg(&file);
        } else {
            command.env("QUINTET_ADMIN_TOKEN", token);
        }
        let mut node = Process::start(&mut command, folder.join("log"));
        assert_eq!(node.wait(place.api(), "/v0/health").status, 200);
        assert_eq!(exchange(place.api(), &enable("x: y")).status, 401);
        let header = format!("authorization: Bearer {token}");
        let answer = exchange(place.api(), &enable(&header));
        assert_eq!(answer.json(), json!({ "is_aggregator": true, "previous": false }));
        // The log is written by a thread of its own.
        let told = |line: &&str| line.contains("aggregator role") && line.contains("true");
        let begin = Instant::now();
        while node.log().lines().filter(told).count() == 0 && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = node.log();
        assert_eq!(log.lines().filter(told).count(), 1, "{log}");
        assert!(!log.contains(token), "{log}");
    }
}

#[test]
fn the_proof_system_is_announced() {
    let (folder, place) = (Folder::new("proof-system"), Place::new());
    process::network(&folder.join("network"));
    let mut command = node(&folder, &place);
    command.args(["--proof-system", "multisig"]);
    let mut node = Process::start(&mut command, folder.join("log"));
    let identity = node.wait(place.api(), "/lean/v0/node/identity").json();
    assert_eq!(identity["proof_system"], "multisig");
    let agent = identity["version"].as_str().expect("a text");
    assert!(agent.starts_with("quintet/") && agent.ends_with("/multisig"), "{agent}");
    let overview = node.wait(place.api(), "/quintet/v0/overview").json();
    assert_eq!(overview["node"]["proof_system"], "multisig");
    assert_eq!(overview["node"]["agent"], agent);
}

#[test]
fn pages_of_the_named_origins_may_read_the_answers() {
    let (folder, place) = (Folder::new("cors"), Place::new());
    process::network(&folder.join("network"));
    let mut command = node(&folder, &place);
    command.args(["--cors-origins", "http://page.example,https://other.example"]);
    let mut node = Process::start(&mut command, folder.join("log"));
    assert_eq!(node.wait(place.api(), "/v0/health").status, 200);
    let allowed = |origin: &str| {
        let header = format!("origin: {origin}");
        let answer = exchange(place.api(), &request("GET", "/v0/health", &[&header], b""));
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    for origin in ["http://page.example", "https://other.example"] {
        assert_eq!(allowed(origin).as_deref(), Some(origin));
    }
    assert_eq!(allowed("http://third.example"), None);
}
