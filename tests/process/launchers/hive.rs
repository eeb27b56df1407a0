//! `assets/hive/quintet.sh`, as hive's `lean` simulator starts it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

use crate::{
    folder::Folder,
    launchers::process::{self, Place, Process},
    support::http::{exchange, get, request},
};

/// The script with the files of a network where the simulator puts them.
fn script(folder: &Folder, place: &Place) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(process::asset("hive/quintet.sh"))
        .env("QUINTET_BIN", process::QUINTET)
        .env("LEAN_RUNTIME_ASSET_ROOT", folder.join("runtime"))
        .env("QUINTET_DATA_DIR", folder.join("data"))
        .env("QUINTET_LISTEN_ADDRESS", place.ip.to_string())
        .env("QUINTET_HTTP_ADDRESS", place.ip.to_string())
        .env("QUINTET_GOSSIPSUB_PORT", place.quic.to_string())
        .env("QUINTET_API_PORT", place.api.to_string())
        .env("QUINTET_METRICS_PORT", place.metrics.to_string())
        .env("HIVE_LEAN_DEVNET_LABEL", "devnet5")
        .env("HIVE_CHECK_LIVE_PORT", "5052");
    command
}

/// The simulator's files: an address that is left open, and the key as `node.key`.
fn runtime(folder: &Folder) {
    let files = folder.join("runtime");
    let ip = process::network(&files);
    fs::copy(files.join("quintet_0.key"), files.join("node.key")).expect("the node has a key");
    let path = files.join("validator-config.yaml");
    let config = fs::read_to_string(&path).expect("it was made");
    fs::write(&path, config.replace(&ip.to_string(), "__HIVE_LOCAL_IP__"))
        .expect("it can be written");
}

fn fails(folder: &Folder, change: impl FnOnce(&mut Command)) -> String {
    let mut command = script(folder, &Place::new());
    change(&mut command);
    let Output { status, stderr, .. } = command.output().expect("bash runs");
    assert_eq!(status.code(), Some(1));
    String::from_utf8_lossy(&stderr).into_owned()
}

#[test]
fn the_simulators_variables_reach_the_node() {
    let (folder, place) = (Folder::new("hive"), Place::new());
    runtime(&folder);
    let key = "1111111111111111111111111111111111111111111111111111111111111111";
    let mut node = Process::start(
        script(&folder, &place)
            .env("HIVE_NODE_ID", "quintet_0")
            .env("HIVE_BOOTNODES", "none")
            .env("HIVE_IS_AGGREGATOR", "1")
            .env("HIVE_AGGREGATE_SUBNET_IDS", "0,1")
            .env("HIVE_ATTESTATION_COMMITTEE_COUNT", "2")
            .env("HIVE_CLIENT_PRIVATE_KEY", format!("0x{key}"))
            .env("HIVE_LEAN_FORK_DIGEST", "12345678")
            .env("HIVE_LEAN_TEST_DRIVER", "1"),
        folder.join("log"),
    );
    let health = node.wait(place.api(), "/lean/v0/health");
    assert_eq!(health.json(), json!({"status": "healthy", "service": "lean-rpc-api"}));

    let overview = node.wait(place.api(), "/quintet/v0/overview").json();
    let told = &overview["node"];
    assert_eq!(told["name"], "quintet_0");
    assert_eq!(told["validators"], json!([0]));
    assert_eq!(told["is_aggregator"], true);
    assert_eq!(told["committee_count"], 2);
    assert_eq!(told["subnets"], json!([0, 1]));
    assert_eq!(told["peer_id"], PEER_ID_OF_ONES, "the key of the variable, not of the file");
    assert_eq!(mode(&folder.join("data/hive/node.key")), 0o600);

    // The driver is there, and knows bad input from good.
    let driver = "/lean/v0/test_driver/fork_choice";
    let step = exchange(place.api(), &request("POST", &format!("{driver}/step"), &[], b"{}"));
    assert_eq!(step.status, 400, "{}", step.error());
    assert_eq!(get(place.api(), &format!("{driver}/snapshot")).status, 409);
}

/// The peer id of the secp256k1 secret whose every byte is 0x11.
const PEER_ID_OF_ONES: &str = "16Uiu2HAmHzBkRq62mG95vsjKMuYQBezZCtjPXYWUoyVxMxi71aB3";

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).expect("it was written").permissions().mode() & 0o777
}

#[test]
fn what_is_not_set_comes_from_the_files() {
    let (folder, place) = (Folder::new("hive-files"), Place::new());
    runtime(&folder);
    let mut node = Process::start(
        script(&folder, &place)
            .env("HIVE_NODE_ID", "quintet_1")
            .env_remove("HIVE_LEAN_DEVNET_LABEL"),
        folder.join("log"),
    );
    assert_eq!(node.wait(place.api(), "/v0/health").status, 200);
    let overview = node.wait(place.api(), "/quintet/v0/overview").json();
    assert_eq!(overview["node"]["validators"], json!([1]));
    assert_eq!(overview["node"]["committee_count"], 1);
    assert_eq!(
        get(place.api(), "/lean/v0/test_driver/fork_choice/snapshot").status,
        404,
        "no driver"
    );
    assert_eq!(node.wait(place.metrics(), "/metrics").status, 200);
}

#[test]
fn a_checkpoint_is_asked_of_the_node_that_the_simulator_names() {
    let (folder, [first, second]) =
        (Folder::new("hive-checkpoint"), [(); 2].map(|()| Place::new()));
    runtime(&folder);
    let mut source = Process::start(
        script(&folder, &first).env("HIVE_NODE_ID", "quintet_0").env("HIVE_IS_AGGREGATOR", "0"),
        folder.join("log-0"),
    );
    assert_eq!(source.wait(first.api(), "/v0/health").status, 200);
    let overview = source.wait(first.api(), "/quintet/v0/overview").json();
    assert_eq!(overview["node"]["is_aggregator"], false, "whatever validator-config.yaml says");
    let mut node = Process::start(
        script(&folder, &second)
            .env("HIVE_NODE_ID", "quintet_1")
            .env("QUINTET_DATA_DIR", folder.join("data-1"))
            .env("HIVE_CHECKPOINT_SYNC_URL", format!("http://{}", first.api())),
        folder.join("log-1"),
    );
    assert_eq!(node.wait(second.api(), "/v0/health").status, 200);
    let log = node.log();
    let address = first.api().to_string();
    assert!(
        log.lines().any(|line| line.contains("asking for") && line.contains(&address)),
        "{log}"
    );
    assert!(log.contains("the network has finalized nothing yet"), "it was answered: {log}");
}

#[test]
fn a_start_that_cannot_work_says_why() {
    let folder = Folder::new("hive-wrong");
    let said = fails(&folder, |_| {});
    assert!(said.contains("no config.yaml in"), "{said}");
    let said = fails(&folder, |command| _ = command.env("HIVE_LEAN_DEVNET_LABEL", "devnet4"));
    assert!(said.contains("HIVE_LEAN_DEVNET_LABEL is devnet4"), "{said}");
    runtime(&folder);
    let said = fails(&folder, |command| _ = command.env("HIVE_IS_AGGREGATOR", "perhaps"));
    assert!(said.contains("HIVE_IS_AGGREGATOR is perhaps"), "{said}");
}
