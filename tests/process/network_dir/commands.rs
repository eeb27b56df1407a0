//! The commands, as processes.

use std::process::{Command, Output};

use quintet::network_dir::{CONFIG, GenesisFile, KEYS};

use super::create::contents;
use crate::folder::Folder;

fn quintet(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quintet"))
        .args(arguments)
        .env("QUINTET_KEY_CACHE", folder.join("cache"))
        .current_dir(folder.path())
        .output()
        .expect("the binary runs")
}

fn succeeds(folder: &Folder, arguments: &[&str]) -> String {
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

const GENESIS: [&str; 13] = [
    "genesis",
    "--nodes",
    "2",
    "--validators-per-node",
    "2",
    "--xmss",
    "test",
    "--seed",
    "3",
    "--genesis-time",
    "1700000000",
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
    for out in ["a", "b"] {
        let text = succeeds(&folder, &[&GENESIS[..], &["--out", out]].concat());
        assert!(text.contains("2 nodes, 4 validators (test), genesis at 1700000000"), "{text}");
    }
    assert!(contents(&folder.join("a")) == contents(&folder.join("b")));
    let genesis = GenesisFile::read(&folder.join("a").join(CONFIG)).expect("it is good");
    assert_eq!((genesis.genesis_time, genesis.validators.len()), (1_700_000_000, 4));

    let text = fails(&folder, &[&GENESIS[..], &["--out", "a"]].concat());
    assert!(text.contains("a/config.yaml exists") && text.contains("--force"), "{text}");
    succeeds(&folder, &[&GENESIS[..], &["--out", "a", "--force"]].concat());
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
