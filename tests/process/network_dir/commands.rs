//! The commands, as processes.

use std::{
    process::{Command, Output},
    time::{SystemTime, UNIX_EPOCH},
};

use quintet::network_dir::{CONFIG, GenesisFile, KEYS};

use super::create::contents;
use crate::folder::Folder;

pub fn quintet(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quintet"))
        .args(arguments)
        .env("QUINTET_KEY_CACHE", folder.join("cache"))
        .current_dir(folder.path())
        .output()
        .expect("the binary runs")
}

pub fn succeeds(folder: &Folder, arguments: &[&str]) -> String {
    let output = quintet(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("it is text")
}

fn fails(folder: &Folder, arguments: &[&str]) -> String {
    let output = quintet(folder, arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("it is text")
}

const GENESIS: [&str; 11] = [
    "genesis",
    "--nodes",
    "2",
    "--validators-per-node",
    "2",
    "--xmss",
    "test",
    "--seed",
    "3",
    "--base-port",
    "9100",
];

#[test]
fn genesis_refuses_more_validators_than_a_block_can_justify_with() {
    let folder = Folder::new("command-crowd");
    let crowd = ["genesis", "--nodes", "2", "--validators", "308", "--xmss", "production"];
    let text = fails(&folder, &[&crowd[..], &["--out", "a"]].concat());
    assert!(text.contains("308 validators are too many for the proof system multisig"), "{text}");
    assert!(text.contains("at most 307 validators, or"), "{text}");
    assert!(!folder.join("a").exists(), "nothing is made");
}

#[test]
fn genesis_twice_with_a_seed_gives_the_same_bytes() {
    let folder = Folder::new("command-genesis");
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    let time = since.as_secs() + 60;
    for out in ["a", "b"] {
        let more = ["--genesis-time", &time.to_string(), "--out", out];
        let text = succeeds(&folder, &[&GENESIS[..], &more].concat());
        let told = format!("2 nodes, 4 validators (test), genesis at {time}");
        assert!(text.contains(&told), "{text}");
    }
    assert!(contents(&folder.join("a")) == contents(&folder.join("b")));
    let genesis = GenesisFile::read(&folder.join("a").join(CONFIG)).expect("it is good");
    assert_eq!((genesis.genesis_time, genesis.validators.len()), (time, 4));

    let text = fails(&folder, &[&GENESIS[..], &["--out", "a"]].concat());
    assert!(text.contains("a/config.yaml exists") && text.contains("--force"), "{text}");
    succeeds(&folder, &[&GENESIS[..], &["--out", "a", "--force"]].concat());
}

#[test]
fn genesis_refuses_what_no_node_would_start_with() {
    let folder = Folder::new("command-useless");
    let largest = u64::MAX.to_string();
    for (flags, word) in [
        (["--genesis-time", "0"], "GENESIS_TIME is 0"),
        (["--genesis-time", "1"], "this one is over"),
        (["--genesis-time", "1795000000000"], "milliseconds"),
        (["--genesis-time", &largest], "milliseconds"),
        (["--genesis-delay", "99999999999"], "milliseconds"),
        (["--genesis-delay", &largest], "milliseconds"),
        (["--ip", "0.0.0.0"], "0.0.0.0"),
        (["--ip", "224.0.0.1"], "no machine has it"),
        (["--ip", "255.255.255.255"], "no machine has it"),
        (["--validators-per-node", "0"], "0"),
        (["--committees", "0"], "0"),
    ] {
        let text =
            fails(&folder, &[&["genesis", "--xmss", "test"][..], &flags, &["--out", "a"]].concat());
        assert!(text.contains(word) && !text.contains("panicked"), "{flags:?}: {text}");
        assert!(!folder.join("a").exists(), "{flags:?}: nothing is made");
    }
}

#[test]
fn a_network_that_is_not_complete_leaves_nothing_in_the_way() {
    let folder = Folder::new("command-partial");
    // A folder in the place of a node's key.
    let key = folder.join("net/quintet_0.key");
    std::fs::create_dir_all(key.join("deep")).expect("writable");
    let text = fails(&folder, &[&GENESIS[..], &["--out", "net"]].concat());
    assert!(text.contains("quintet_0.key"), "{text}");
    std::fs::remove_dir_all(&key).expect("it is there");
    succeeds(&folder, &[&GENESIS[..], &["--out", "net"]].concat());
}

#[test]
fn a_folder_without_keys_is_called_so() {
    let folder = Folder::new("command-no-keys");
    std::fs::create_dir(folder.join("empty")).expect("writable");
    let text = fails(&folder, &["keys", "inspect", "empty"]);
    assert!(text.contains("empty") && text.contains("no key files"), "{text}");
}

#[test]
fn verify_accepts_good_keys_and_names_bad_ones() {
    let folder = Folder::new("command-verify");
    succeeds(&folder, &[&GENESIS[..], &["--out", "net"]].concat());
    // The keys' manifest names the preset.
    let verify = ["keys", "verify", "--network-dir", "net"];
    assert!(succeeds(&folder, &verify).contains("4 validators are good"));
    let own = [&verify[..], &["--node", "quintet_1"]].concat();
    assert!(succeeds(&folder, &own).contains("2 validators are good"));
    let text = fails(&folder, &[&verify[..], &["--node", "other"]].concat());
    assert!(text.contains("quintet_0, quintet_1"), "{text}");
    let text = fails(&folder, &[&verify[..], &["--xmss", "short"]].concat());
    assert!(text.contains("2^8") && text.contains("2^18"), "{text}");

    let keys = folder.join("net").join(KEYS);
    let [attester, proposer] =
        ["attester", "proposer"].map(|role| keys.join(format!("validator_2_{role}_key_sk.ssz")));
    std::fs::rename(&attester, keys.join("held")).expect("it is there");
    std::fs::rename(&proposer, &attester).expect("it is there");
    std::fs::rename(keys.join("held"), &proposer).expect("it is there");
    let text = fails(&folder, &verify);
    assert!(text.contains("validator_2_attester_key_sk.ssz") && text.contains("swapped"), "{text}");
}

#[test]
fn keys_are_generated_and_inspected() {
    let folder = Folder::new("command-keys");
    let generate = [
        "keys",
        "generate",
        "--out",
        "keys",
        "--validators",
        "1",
        "--xmss",
        "test",
        "--active-epoch",
        "6",
        "--first-slot",
        "64",
    ];
    succeeds(&folder, &generate);
    assert!(fails(&folder, &generate).contains("--force"));
    let text = succeeds(&folder, &["keys", "inspect", "keys"]);
    assert_eq!(text.matches("secret key of preset test").count(), 2, "{text}");
    assert_eq!(text.matches(": public key 0x").count(), 2, "{text}");
    assert!(text.contains("slots 64 to 127, prepared for 64 to 95"), "{text}");
    // Two keys, each in a public file and from its secret one.
    let mut found: Vec<_> = text.split_whitespace().filter(|word| word.starts_with("0x")).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 2, "{text}");

    std::fs::write(folder.join("bad.ssz"), "no key").expect("the folder is writable");
    let text = fails(&folder, &["keys", "inspect", "bad.ssz"]);
    assert!(text.contains("bad.ssz"), "{text}");
}
