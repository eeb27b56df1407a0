//! Files that contradict each other or themselves: refused by every command that reads them, with
//! both places.

use std::{fs, process::Output};

use quintet::network_dir::{
    ANNOTATED_VALIDATORS, CONFIG, KEYS, NODES, VALIDATOR_CONFIG, VALIDATORS,
};

use super::commands::{quintet, succeeds};
use crate::folder::Folder;

/// A network of two nodes with a validator each.
fn network(name: &str) -> Folder {
    let folder = Folder::new(name);
    let genesis = ["genesis", "--nodes", "2", "--xmss", "test", "--seed", "3", "--out", "net"];
    succeeds(&folder, &[&genesis[..], &["--genesis-time", "1700000000"]].concat());
    folder
}

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.join("net").join(name)).expect("it was made")
}

fn write(folder: &Folder, name: &str, text: &str) {
    fs::write(folder.join("net").join(name), text).expect("it is writable");
}

fn change(folder: &Folder, name: &str, from: &str, to: &str) {
    let text = read(folder, name);
    assert!(text.contains(from), "{from} in {text}");
    write(folder, name, &text.replacen(from, to, 1));
}

const VERIFY: [&str; 4] = ["keys", "verify", "--network-dir", "net"];
const NODE: [&str; 7] =
    ["node", "--network-dir", "net", "--node-id", "quintet_0", "--data-dir", "data"];

/// A command is refused before it does anything, with each of these words.
fn refused(folder: &Folder, arguments: &[&str], words: &[&str]) {
    let Output { status, stderr, .. } = quintet(folder, arguments);
    let error = String::from_utf8(stderr).expect("it is text");
    assert_eq!(status.code(), Some(1), "{arguments:?}: {error}");
    for word in words {
        assert!(error.contains(word), "{arguments:?}: no {word} in {error}");
    }
    assert!(!folder.join("data").exists(), "{error}");
}

/// Node and check refuse the network, with each of these words.
fn all_refuse(folder: &Folder, words: &[&str]) {
    refused(folder, &VERIFY, words);
    refused(folder, &NODE, words);
}

#[test]
fn a_validator_under_two_nodes_is_refused_with_both_rows() {
    let folder = network("two-nodes");
    let text = read(&folder, ANNOTATED_VALIDATORS);
    let own = text.split("quintet_1:").next().expect("a first node");
    let rows = own.strip_prefix("quintet_0:\n").expect("its name").to_owned();
    write(&folder, ANNOTATED_VALIDATORS, &(text + &rows));
    let words = [ANNOTATED_VALIDATORS, "validator 0", "quintet_0[0]", "quintet_1[2]"];
    all_refuse(&folder, &words);
    // Also by the node that has it by right.
    refused(&folder, &[&NODE[..4], &["quintet_1", "--data-dir", "data"]].concat(), &words);
}

#[test]
fn rows_of_another_node_that_contradict_the_genesis_are_refused() {
    let folder = network("foreign-rows");
    change(&folder, ANNOTATED_VALIDATORS, "  - index: 1\n", "  - index: 7\n");
    all_refuse(&folder, &[ANNOTATED_VALIDATORS, "quintet_1[0]", "no validator 7"]);
}

#[test]
fn the_two_lists_of_validators_agree() {
    let folder = network("lists");
    write(&folder, VALIDATORS, "quintet_0:\n  - 1\nquintet_1:\n  - 0\n");
    all_refuse(&folder, &[VALIDATORS, ANNOTATED_VALIDATORS, "validator 1", "quintet_1[0]"]);
    for text in ["quintet_0: [0]\nquintet_1: [1, 0]\n", "quintet_0: [0, 0]\nquintet_1: [1]\n"] {
        write(&folder, VALIDATORS, text);
        all_refuse(&folder, &[VALIDATORS, "validator 0", "quintet_0[0]"]);
    }
}

/// The four public keys of a network, in the order of `config.yaml`.
fn public_keys(folder: &Folder) -> Vec<String> {
    let config = read(folder, CONFIG);
    let keys = config.lines().filter_map(|line| line.split_once("_pubkey: "));
    keys.map(|(_, key)| key.trim_matches('"').to_owned()).collect()
}

#[test]
fn a_public_key_in_two_places_is_refused_with_both() {
    let folder = network("key-twice");
    let keys = public_keys(&folder);
    assert_eq!(keys.len(), 4);
    let place = |at: usize| {
        format!("GENESIS_VALIDATORS[{}].{}_pubkey", at / 2, ["attestation", "proposal"][at % 2])
    };
    let good = read(&folder, CONFIG);
    // Of one validator, of two in one role, of two in both.
    for (one, other) in [(0, 1), (0, 2), (1, 3), (1, 2)] {
        write(&folder, CONFIG, &good.replace(&keys[other], &keys[one]));
        all_refuse(&folder, &[CONFIG, &place(one), &place(other), "same key"]);
    }
}

#[test]
fn committees_are_the_same_in_all_files_and_not_none() {
    let folder = network("committees");
    let line = "attestation_committee_count: 1";
    change(&folder, VALIDATOR_CONFIG, line, "attestation_committee_count: 2");
    let words = [CONFIG, VALIDATOR_CONFIG, "ATTESTATION_COMMITTEE_COUNT is 1", "is 2"];
    all_refuse(&folder, &words);
    for count in ["0", "65"] {
        change(
            &folder,
            VALIDATOR_CONFIG,
            "attestation_committee_count: ",
            &format!("attestation_committee_count: {count} #"),
        );
        all_refuse(&folder, &[VALIDATOR_CONFIG, "attestation_committee_count", "1 to 64"]);
    }
    let folder = network("no-committee");
    change(&folder, CONFIG, "ATTESTATION_COMMITTEE_COUNT: 1", "ATTESTATION_COMMITTEE_COUNT: 0");
    all_refuse(&folder, &[CONFIG, "ATTESTATION_COMMITTEE_COUNT is 0", "1 to 64"]);

    let folder = network("committee-flag");
    for count in ["0", "65"] {
        let flags = ["--attestation-committee-count", count];
        let words = ["--attestation-committee-count: ", "1 to 64"];
        refused(&folder, &[&NODE[..], &flags].concat(), &words);
    }
}

#[test]
fn a_node_that_a_file_does_not_name_is_refused_with_those_it_names() {
    let folder = network("no-node");
    change(&folder, VALIDATOR_CONFIG, "name: \"quintet_0\"", "name: \"quintet_9\"");
    refused(&folder, &NODE, &[VALIDATOR_CONFIG, "\"quintet_0\"", "quintet_9, quintet_1"]);
    refused(
        &folder,
        &[&VERIFY[..], &["--node", "quintet_0"]].concat(),
        &[VALIDATOR_CONFIG, "quintet_9, quintet_1"],
    );
    write(&folder, VALIDATOR_CONFIG, "validators: []\n");
    refused(&folder, &NODE, &[VALIDATOR_CONFIG, "the file names none"]);
    write(&folder, ANNOTATED_VALIDATORS, "{}\n");
    refused(&folder, &NODE, &[ANNOTATED_VALIDATORS, "the file names none"]);
}

#[test]
fn nodes_have_names_and_identities_of_their_own() {
    let folder = network("same-name");
    change(&folder, VALIDATOR_CONFIG, "name: \"quintet_1\"", "name: \"quintet_0\"");
    all_refuse(&folder, &[VALIDATOR_CONFIG, "validators[0].name", "validators[1].name"]);
    let folder = network("same-identity");
    let config = read(&folder, VALIDATOR_CONFIG);
    let secrets: Vec<_> =
        config.lines().filter_map(|line| line.trim().strip_prefix("privkey: ")).collect();
    change(&folder, VALIDATOR_CONFIG, secrets[1], secrets[0]);
    all_refuse(&folder, &[VALIDATOR_CONFIG, "validators[0].privkey", "validators[1].privkey"]);
}

#[test]
fn empty_files_are_called_so() {
    for name in [CONFIG, ANNOTATED_VALIDATORS, VALIDATORS, VALIDATOR_CONFIG] {
        let folder = network("empty");
        for text in ["", "\n \n", "# nothing\n", "\u{feff}"] {
            write(&folder, name, text);
            all_refuse(&folder, &[name, "is empty"]);
        }
    }
    let folder = network("empty-rest");
    write(&folder, NODES, "");
    refused(&folder, &NODE, &[NODES, "is empty", "[]"]);
    write(&folder, NODES, "[]");
    write(&folder, &format!("{KEYS}/validator-keys-manifest.yaml"), "");
    refused(&folder, &NODE, &["validator-keys-manifest.yaml", "is empty"]);
}

#[test]
fn an_unknown_proof_system_is_refused_with_those_there_are() {
    let folder = network("proof-system");
    let words = ["unknown proof system \"nope\"", "multisig"];
    refused(&folder, &[&NODE[..], &["--proof-system", "nope"]].concat(), &words);
    let genesis = ["genesis", "--xmss", "test", "--out", "other", "--proof-system", "nope"];
    refused(&folder, &genesis, &words);
    assert!(!folder.join("other").exists());
    let devnet = ["devnet", "--data-dir", "dev", "--xmss", "test", "--proof-system", "nope"];
    refused(&folder, &devnet, &words);
    // Where the files name it, they are named.
    change(&folder, CONFIG, "GENESIS_TIME", "PROOF_SYSTEM: nope\nGENESIS_TIME");
    refused(&folder, &NODE, &["PROOF_SYSTEM in config.yaml", "unknown proof system"]);
}
