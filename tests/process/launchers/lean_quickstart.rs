//! `assets/lean-quickstart/quintet-cmd.sh`, as lean-quickstart's `spin-node.sh` sources it.

use std::{path::Path, process::Command};

use serde_json::json;

use crate::{
    folder::Folder,
    launchers::process::{self, Place, Process},
};

/// Sources the script with spin-node's variables, and runs what follows.
fn sourced(folder: &Folder, place: &Place, then: &str) -> Command {
    let script = process::asset("lean-quickstart/quintet-cmd.sh");
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("source '{}'\n{then}", script.display())])
        .env("scriptDir", folder.path())
        .env("QUINTET_BIN", process::QUINTET)
        .env("QUINTET_HTTP_ADDRESS", place.ip.to_string())
        .env("item", "quintet_0")
        .env("configDir", folder.join("genesis"))
        .env("dataDir", folder.join("data"))
        .env("quicPort", place.quic.to_string())
        .env("metricsPort", place.metrics.to_string())
        .env("apiPort", place.api.to_string())
        .env("privKeyPath", "quintet_0.key")
        .env("validatorConfig", "genesis_bootnode")
        .env("isAggregator", "true")
        .env("aggregateSubnetIds", "0,1")
        .env("attestationCommitteeCount", "2");
    command
}

fn text(command: &mut Command) -> String {
    let output = command.output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The node that a command line starts is the one that the variables describe.
fn check(mut node: Process, place: &Place, data: &Path) {
    assert_eq!(node.wait(place.api(), "/v0/health").status, 200);
    let overview = node.wait(place.api(), "/quintet/v0/overview").json();
    let told = &overview["node"];
    assert_eq!(told["name"], "quintet_0");
    assert_eq!(told["is_aggregator"], true);
    assert_eq!(told["committee_count"], 2);
    assert_eq!(told["subnets"], json!([0, 1]));
    assert_eq!(told["validators"], json!([0]));
    assert_eq!(node.wait(place.metrics(), "/metrics").status, 200);
    assert!(data.join("chain").is_dir(), "its chain is in {}", data.display());
}

#[test]
fn the_binary_command_starts_the_node() {
    let (folder, place) = (Folder::new("quickstart"), Place::new());
    process::network(&folder.join("genesis"));
    let mut command = sourced(&folder, &place, "eval \"exec $node_binary\"");
    let node = Process::start(&mut command, folder.join("log"));
    check(node, &place, &folder.join("data/quintet_0"));
}

#[test]
fn the_docker_command_starts_the_same_node() {
    let (folder, place) = (Folder::new("quickstart-docker"), Place::new());
    process::network(&folder.join("genesis"));
    // What docker run would do: the entrypoint is the binary, the folders are mounted.
    let run = "set -- $node_docker; shift; \
        for word; do shift; word=${word/#\\/config/$configDir}; word=${word/#\\/data/$dataDir}; set -- \"$@\" \"$word\"; done; \
        exec \"$QUINTET_BIN\" \"$@\"";
    let node = Process::start(&mut sourced(&folder, &place, run), folder.join("log"));
    check(node, &place, &folder.join("data/node"));
}

#[test]
fn the_variables_that_may_be_missing_are_left_out() {
    let (folder, place) = (Folder::new("quickstart-bare"), Place::new());
    let both = "printf '%s\\n' \"$node_setup\" \"$node_binary\" \"$node_docker\"";
    let full =
        text(sourced(&folder, &place, both).env("checkpoint_sync_url", "http://127.0.0.1:1"));
    assert!(full.starts_with("docker\n"), "{full}");
    let flags = [
        "--is-aggregator",
        "--aggregate-subnet-ids 0,1",
        "--attestation-committee-count 2",
        "--checkpoint-sync-url http://127.0.0.1:1",
    ];
    for flag in flags {
        assert_eq!(full.matches(flag).count(), 2, "{flag} in {full}");
    }
    let mut bare = sourced(&folder, &place, both);
    for name in [
        "isAggregator",
        "aggregateSubnetIds",
        "attestationCommitteeCount",
        "privKeyPath",
        "apiPort",
    ] {
        bare.env_remove(name);
    }
    let bare = text(bare.env("httpPort", "77"));
    for flag in flags {
        let name = flag.split(' ').next().unwrap_or(flag);
        assert!(!bare.contains(name), "{name} in {bare}");
    }
    assert_eq!(bare.matches("quintet_0.key").count(), 2, "{bare}");
    assert_eq!(bare.matches("--api-port 77 ").count(), 2, "{bare}");
    // The Ansible roles read these lines as text.
    let script = std::fs::read_to_string(process::asset("lean-quickstart/quintet-cmd.sh"))
        .expect("it is there");
    let image =
        script.lines().find_map(|line| line.strip_prefix("node_docker=\"")).expect("a line");
    assert!(image.split(' ').next().is_some_and(|word| word.split(':').count() == 2), "{image}");
    assert!(script.contains("\nnode_setup=\"docker\"\n"));
}
