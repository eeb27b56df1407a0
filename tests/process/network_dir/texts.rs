//! Text as people have it: with byte order marks, in UTF-16, in pipes, in variables that are empty.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use quintet::network_dir::{
    ANNOTATED_VALIDATORS, CONFIG, KEYS, NODES, VALIDATOR_CONFIG, VALIDATORS,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::commands::succeeds;
use crate::{
    folder::Folder,
    launchers::process::{Place, Process, QUINTET},
};

/// For what is refused at once; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
const MANIFEST: &str = "hash-sig-keys/validator-keys-manifest.yaml";

fn network(name: &str, place: &Place) -> Folder {
    let folder = Folder::new(name);
    let ip = place.ip.to_string();
    let genesis = ["genesis", "--nodes", "1", "--xmss", "test", "--out", "net", "--ip", &ip];
    let genesis = [&genesis[..], &["--genesis-delay", "1"]].concat();
    succeeds(&folder, &genesis);
    folder
}

fn node(folder: &Folder, place: &Place) -> Command {
    let mut command = Command::new(QUINTET);
    command
        .current_dir(folder.path())
        .args(["node", "--network-dir", "net", "--node-id", "quintet_0", "--data-dir", "data"])
        .args(["--http-address", &place.ip.to_string(), "--api-port", &place.api.to_string()])
        .args(["--gossipsub-port", &place.quic.to_string()])
        .args(["--metrics-port", &place.metrics.to_string()])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// The error of a command that is refused. It may not wait for anything.
fn refusal(command: &mut Command, log: &Path) -> String {
    let file = fs::File::create(log).expect("writable");
    let mut child = command.stdout(Stdio::null()).stderr(file).spawn().expect("it starts");
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be asked") {
            break status;
        }
        if begin.elapsed() > PATIENCE {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            panic!("it waits: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let text = fs::read_to_string(log).expect("it is text");
    assert!(matches!(status.code(), Some(1 | 2)), "{status}: {text}");
    text
}

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Files that a node reads as text, and what else is written into them at first.
const FILES: [&str; 6] =
    [CONFIG, ANNOTATED_VALIDATORS, VALIDATORS, VALIDATOR_CONFIG, NODES, MANIFEST];

#[test]
fn a_byte_order_mark_is_read_over_in_every_file() {
    let place = Place::new();
    let folder = network("bom", &place);
    let net = folder.join("net");
    let mark = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("it is text");
        // Behind a comment a parser may take it for one; at the head of a key it cannot.
        let bare: Vec<_> =
            text.lines().skip_while(|line| line.starts_with('#') || line.is_empty()).collect();
        fs::write(&path, format!("\u{feff}{}\r\n", bare.join("\r\n"))).expect("writable");
    };
    FILES.iter().for_each(|name| mark(net.join(name)));
    mark(net.join("quintet_0.key"));
    fs::write(folder.join("node.toml"), "\u{feff}is-aggregator = false\r\n").expect("writable");
    fs::write(folder.join("token"), "\u{feff}0123456789abcdef\r\n").expect("writable");
    succeeds(&folder, &["keys", "verify", "--network-dir", "net"]);
    let mut command = node(&folder, &place);
    command.args(["--config", "node.toml", "--admin-token-file", "token"]);
    command.args(["--node-key", "net/quintet_0.key"]);
    let mut process = Process::start(&mut command, folder.join("log"));
    let overview = process.wait(place.api(), "/quintet/v0/overview").json();
    assert_eq!(overview["node"]["validators"], serde_json::json!([0]));
    assert_eq!(overview["node"]["is_aggregator"], false, "as the settings file says");
}

#[test]
fn utf_16_is_called_so_with_the_file() {
    let place = Place::new();
    let folder = network("utf-16", &place);
    let files = FILES.map(|name| format!("net/{name}")).into_iter();
    for name in files.chain(["net/quintet_0.key".into(), "node.toml".into(), "token".into()]) {
        let path = folder.join(&name);
        let before = fs::read(&path);
        let text = before.as_ref().map_or("api-port = 1".into(), |b| String::from_utf8_lossy(b));
        fs::write(&path, utf16(&text)).expect("writable");
        let mut command = node(&folder, &place);
        command.args(["--node-key", "net/quintet_0.key"]);
        match name.as_str() {
            "node.toml" => _ = command.args(["--config", "node.toml"]),
            "token" => _ = command.args(["--admin-token-file", "token"]),
            _ => {}
        }
        let text = refusal(&mut command, &folder.join("log"));
        assert!(text.contains(&name) && text.contains("UTF-16"), "{name}: {text}");
        match before {
            Ok(bytes) => fs::write(&path, bytes).expect("writable"),
            Err(_) => fs::remove_file(&path).expect("it is there"),
        }
    }
}

#[test]
fn a_pipe_and_a_folder_are_refused_at_once_where_a_file_is_expected() {
    let place = Place::new();
    let folder = network("pipes", &place);
    let pipe = folder.join("pipe");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &pipe, FileType::Fifo, mode, 0).expect("a FIFO can be made");
    fs::create_dir(folder.join("dir")).expect("writable");
    let flags = [
        "--genesis",
        "--validators",
        "--validator-config",
        "--bootnodes",
        "--node-key",
        "--config",
        "--admin-token-file",
    ];
    for wrong in ["pipe", "dir"] {
        for flag in flags {
            let mut command = node(&folder, &place);
            let text = refusal(command.args([flag, wrong]), &folder.join("log"));
            assert!(text.contains(wrong) && text.contains("a file is needed"), "{flag}: {text}");
        }
        let import = ["import", "--network-dir", "net", "--data-dir", "data", wrong];
        let export = ["export", "--force", "--network-dir", "net", "--data-dir", "data", wrong];
        let inspect = ["inspect", wrong];
        let wrongs: [&[&str]; 3] = [&import, &export, &inspect];
        // A folder of keys may be looked at.
        for arguments in wrongs.into_iter().filter(|words| wrong == "pipe" || words[0] != "inspect")
        {
            let mut command = Command::new(QUINTET);
            command.current_dir(folder.path()).arg("keys").args(arguments);
            let text = refusal(&mut command, &folder.join("log"));
            assert!(text.contains(wrong), "{arguments:?}: {text}");
        }
    }
    // In the place of a key.
    let secret = folder.join("net").join(KEYS).join("validator_0_attester_key_sk.ssz");
    fs::remove_file(&secret).expect("it is there");
    fs::rename(&pipe, &secret).expect("it is there");
    let text = refusal(&mut node(&folder, &place), &folder.join("log"));
    assert!(text.contains("validator_0_attester_key_sk.ssz"), "{text}");
}

/// The variables that a compose file sets with `${X:-}`.
const VARIABLES: [&str; 21] = [
    "NODE_KEY",
    "API_PORT",
    "METRICS_PORT",
    "GOSSIPSUB_PORT",
    "CHECKPOINT_SYNC_URL",
    "IS_AGGREGATOR",
    "ARCHIVE",
    "CONFIG",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "CORS_ORIGINS",
    "ADMIN_TOKEN",
    "ADMIN_TOKEN_FILE",
    "AGGREGATE_SUBNET_IDS",
    "ATTESTATION_COMMITTEE_COUNT",
    "FORK_DIGEST",
    "BOOTNODES",
    "SIGNING_MARK_DIR",
    "XMSS",
    "PROOF_SYSTEM",
    "VALIDATORS",
];

#[test]
fn variables_that_are_set_and_empty_count_as_unset() {
    let place = Place::new();
    let folder = network("empty-variables", &place);
    let mut command = node(&folder, &place);
    for name in VARIABLES {
        command.env(format!("QUINTET_{name}"), "");
    }
    let mut process = Process::start(&mut command, folder.join("log"));
    let overview = process.wait(place.api(), "/quintet/v0/overview").json();
    assert_eq!(overview["node"]["name"], "quintet_0");
    assert_eq!(overview["node"]["is_aggregator"], true, "as the files say");
    drop(process);

    let mut genesis = Command::new(QUINTET);
    genesis.current_dir(folder.path()).env("QUINTET_KEY_CACHE", "").env("QUINTET_PROOF_SYSTEM", "");
    // One that is empty is no folder: the keys would go to the working directory.
    genesis.env("XDG_CACHE_HOME", "").env("HOME", folder.join("home"));
    genesis.args(["genesis", "--nodes", "1", "--xmss", "test", "--seed", "3", "--out", "other"]);
    assert!(genesis.stderr(Stdio::null()).status().expect("it runs").success());
    assert!(folder.join("home/.cache/quintet/keys").is_dir() && !folder.join("quintet").exists());
}

#[test]
fn a_variable_that_is_refused_is_named() {
    let place = Place::new();
    let folder = network("refused-variables", &place);
    for (name, value) in [
        ("API_PORT", "70000"),
        ("LISTEN_ADDRESS", "here"),
        ("IS_AGGREGATOR", "perhaps"),
        ("AGGREGATE_SUBNET_IDS", "x"),
        ("AGGREGATE_SUBNET_IDS", "7"),
        ("ATTESTATION_COMMITTEE_COUNT", "0"),
        ("XMSS", "full"),
        ("PROOF_SYSTEM", "nope"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("CORS_ORIGINS", "somewhere"),
        ("ADMIN_TOKEN", "short"),
        ("NODE_KEY", "missing.key"),
        ("CHECKPOINT_SYNC_URL", "127.0.0.1:5052"),
        ("FORK_DIGEST", "a/b"),
        ("BOOTNODES", "no-such-file.yaml"),
    ] {
        let variable = format!("QUINTET_{name}");
        let mut command = Command::new(QUINTET);
        command
            .current_dir(folder.path())
            .args(["node", "--network-dir", "net", "--node-id", "quintet_0", "--data-dir", "data"])
            .env(&variable, value);
        let text = refusal(&mut command, &folder.join("log"));
        assert!(text.contains(&variable), "{name}: {text}");
        // A flag counts before the variable, and is what is wrong then.
        if name == "API_PORT" {
            let text = refusal(command.args(["--api-port", "x"]), &folder.join("log"));
            assert!(!text.contains(&variable) && text.contains("--api-port"), "{text}");
        }
    }
    let mut command = node(&folder, &place);
    command.env("QUINTET_FORK_DIGEST", OsStr::from_bytes(b"\xff"));
    let text = refusal(&mut command, &folder.join("log"));
    assert!(text.contains("QUINTET_FORK_DIGEST"), "{text}");
}
