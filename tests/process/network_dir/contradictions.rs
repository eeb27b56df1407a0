//! Files that contradict each other or themselves: refused by every command that reads them, with
//! both places.

use std::{fs, os::unix::fs::symlink, process::Output};

use quintet::network_dir::{
    ANNOTATED_VALIDATORS, CONFIG, KEYS, NODES, VALIDATOR_CONFIG, VALIDATORS,
};

use super::commands::{quintet, succeeds};
use crate::folder::Folder;

/// A network of two nodes with a validator each.
fn network(name: &str) -> Folder {
    let folder = Folder::new(name);
    let genesis = ["genesis", "--nodes", "2", "--xmss", "test", "--seed", "3", "--out", "net"];
    succeeds(&folder, &genesis);
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
        for text in ["", "\n \n", "# nothing\n", "\u{feff}", "---\n", "null\n"] {
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

const VERIFY_ONE: [&str; 6] = ["keys", "verify", "--network-dir", "net", "--node", "quintet_0"];

/// The node and the check of its keys refuse the network.
fn one_refuses(folder: &Folder, words: &[&str]) {
    refused(folder, &VERIFY_ONE, words);
    refused(folder, &NODE, words);
}

#[test]
fn a_node_does_not_lose_its_validators() {
    let folder = network("no-row");
    let good = read(&folder, ANNOTATED_VALIDATORS);
    let others = good.split_once("quintet_1:").expect("a second node").1;
    write(&folder, ANNOTATED_VALIDATORS, &format!("quintet_0: []\nquintet_1:{others}"));
    let words = [VALIDATORS, ANNOTATED_VALIDATORS, "validator 0", "quintet_0[0]"];
    all_refuse(&folder, &words);
    // Another operator's list may be left out, but not one's own.
    write(&folder, ANNOTATED_VALIDATORS, &format!("quintet_1:{others}"));
    one_refuses(&folder, &[ANNOTATED_VALIDATORS, "\"quintet_0\", only quintet_1"]);

    let remove = |name: &str| fs::remove_file(folder.join("net").join(name)).expect("it is there");
    remove(ANNOTATED_VALIDATORS);
    let words = [ANNOTATED_VALIDATORS, "no such file", VALIDATORS, "quintet_0 the validators 0"];
    one_refuses(&folder, &words);
    remove(VALIDATORS);
    let words = [ANNOTATED_VALIDATORS, "no such file", VALIDATOR_CONFIG, "quintet_0 1 validators"];
    one_refuses(&folder, &words);
    remove(VALIDATOR_CONFIG);
    one_refuses(&folder, &["no file names the node \"quintet_0\""]);
}

#[test]
fn lists_name_validators_of_the_genesis() {
    let folder = network("unregistered");
    write(&folder, VALIDATORS, "quintet_0: [0, 7]\nquintet_1: [1]\n");
    all_refuse(&folder, &[VALIDATORS, CONFIG, "quintet_0[1]", "validator 7", "has 2"]);
}

#[test]
fn numbers_are_the_same_in_all_files() {
    let folder = network("epochs");
    change(&folder, VALIDATOR_CONFIG, "activeEpoch: 8", "activeEpoch: 9");
    let words = [CONFIG, VALIDATOR_CONFIG, "ACTIVE_EPOCH is 8", "config.activeEpoch is 9"];
    all_refuse(&folder, &words);
    change(&folder, VALIDATOR_CONFIG, "activeEpoch: 9", "activeEpoch: 8");
    let manifest = format!("{KEYS}/validator-keys-manifest.yaml");
    change(&folder, &manifest, "log_num_active_epochs: 8", "log_num_active_epochs: 7");
    all_refuse(&folder, &[CONFIG, &manifest, "log_num_active_epochs is 7"]);
    change(&folder, CONFIG, "GENESIS_TIME", "MAX_ATTESTATIONS_DATA: 1\nGENESIS_TIME");
    all_refuse(&folder, &[CONFIG, "MAX_ATTESTATIONS_DATA is 1", "this build has 8"]);
}

#[test]
fn nodes_have_names_and_addresses_of_their_own() {
    let folder = network("no-name");
    change(&folder, VALIDATOR_CONFIG, "name: \"quintet_1\"", "name: \"\"");
    all_refuse(&folder, &[VALIDATOR_CONFIG, "validators[1].name is empty"]);
    let folder = network("same-address");
    change(&folder, VALIDATOR_CONFIG, "quic: 9002", "quic: 9001");
    let words = [VALIDATOR_CONFIG, "validators[0].enrFields", "validators[1].enrFields", "9001"];
    all_refuse(&folder, &words);
}

#[test]
fn verify_checks_what_a_node_reads() {
    let folder = network("verify-rest");
    change(&folder, NODES, "- enr:", "- enr:-");
    refused(&folder, &VERIFY, &[NODES]);
    let folder = network("verify-proofs");
    change(&folder, CONFIG, "GENESIS_TIME", "PROOF_SYSTEM: nope\nGENESIS_TIME");
    refused(&folder, &VERIFY, &[CONFIG, "PROOF_SYSTEM", "nope"]);
    let folder = network("verify-names");
    change(&folder, ANNOTATED_VALIDATORS, "quintet_0:", "Quintet_0:");
    fs::remove_file(folder.join("net").join(VALIDATORS)).expect("it is there");
    refused(&folder, &VERIFY, &[VALIDATOR_CONFIG, "\"Quintet_0\""]);
}

#[test]
fn verify_finds_the_files_that_the_rows_name() {
    let folder = network("own-names");
    let name = "validator_0_attester_key_sk.ssz";
    let keys = folder.join("net").join(KEYS);
    fs::rename(keys.join(name), keys.join("k1")).expect("it is there");
    change(&folder, ANNOTATED_VALIDATORS, name, "k1");
    succeeds(&folder, &VERIFY);
}

#[test]
fn a_link_that_leads_nowhere_is_not_a_file_that_is_missing() {
    let folder = network("links");
    let manifest = format!("{KEYS}/validator-keys-manifest.yaml");
    for name in [ANNOTATED_VALIDATORS, VALIDATORS, VALIDATOR_CONFIG, &manifest] {
        let path = folder.join("net").join(name);
        let text = fs::read(&path).expect("it is there");
        for target in ["nowhere", path.file_name().and_then(|it| it.to_str()).expect("a name")] {
            fs::remove_file(&path).expect("it is there");
            symlink(target, &path).expect("writable");
            all_refuse(&folder, &[name]);
        }
        fs::remove_file(&path).expect("it is there");
        fs::write(&path, text).expect("writable");
    }
    let keys = folder.join("net").join(KEYS);
    let attester = keys.join("validator_0_attester_key_sk.ssz");
    fs::remove_file(&attester).expect("it is there");
    symlink("nowhere", &attester).expect("writable");
    change(
        &folder,
        ANNOTATED_VALIDATORS,
        "    privkey_file: validator_0_attester_key_sk.ssz\n",
        "",
    );
    all_refuse(&folder, &["validator_0_attester_key_sk.ssz", "cannot be read"]);
    fs::remove_dir_all(&keys).expect("it is there");
    symlink("nowhere", &keys).expect("writable");
    all_refuse(&folder, &[KEYS, "No such file"]);
}

#[test]
fn a_nodes_links_are_followed_or_refused() {
    let folder = network("node-links");
    let nowhere = |name: &str| {
        let path = folder.join("net").join(name);
        // If it is there.
        let _ = fs::remove_file(&path);
        symlink("nowhere", path).expect("writable");
    };
    nowhere("others");
    refused(&folder, &[&NODE[..], &["--bootnodes", "net/others"]].concat(), &["others", "No such"]);
    let config = read(&folder, VALIDATOR_CONFIG);
    let lines = config.lines().filter(|line| !line.contains("privkey"));
    write(&folder, VALIDATOR_CONFIG, &lines.fold(String::new(), |text, line| text + line + "\n"));
    nowhere("quintet_0.key");
    refused(&folder, &NODE, &["quintet_0.key", "No such"]);
}

#[test]
fn a_folder_that_may_not_be_entered_is_not_one_without_files() {
    // What a user may not enter, nobody enters with a file in the place of the folder.
    let folder = network("no-folder");
    fs::rename(folder.join("net").join(CONFIG), folder.join("config.yaml")).expect("it is there");
    fs::write(folder.join("file"), "").expect("writable");
    let node = ["node", "--genesis", "config.yaml", "--network-dir", "file", "--data-dir", "data"];
    refused(&folder, &node, &["file/", "Not a directory"]);
    let keys = [&NODE[..3], &["--genesis", "config.yaml", "--hash-sig-keys-dir", "file"]].concat();
    refused(&folder, &[&keys[..], &["--data-dir", "data"]].concat(), &["file/", "Not a directory"]);
}

#[test]
fn keys_that_are_refused_leave_no_database() {
    let folder = network("late");
    let wrong = [&NODE[..], &["--xmss", "short"]].concat();
    // The data folder is not made.
    refused(&folder, &wrong, &["choose the preset"]);
}

#[test]
fn a_record_of_signatures_is_that_of_a_node() {
    let folder = network("no-name-history");
    fs::create_dir_all(folder.join("other/chain")).expect("writable");
    let export = ["keys", "export", "--network-dir", "net", "--data-dir", "other", "file"];
    refused(&folder, &export, &["--node-id", "name is needed"]);
}

#[test]
fn the_record_of_a_node_has_its_identity() {
    let folder = network("other-identity");
    let secret = "11".repeat(32);
    let config = read(&folder, VALIDATOR_CONFIG);
    let own = config.lines().find_map(|line| line.trim().strip_prefix("privkey: "));
    change(&folder, VALIDATOR_CONFIG, own.expect("the first node's"), &format!("\"{secret}\""));
    refused(&folder, &NODE, &["bootnode enr:", "own address", "another key"]);
}

#[test]
fn a_prover_has_memory_for_a_proof() {
    let folder = network("prover");
    let memory = |mib| [&NODE[..], &["--prover-memory-mib", mib]].concat();
    refused(&folder, &memory("1"), &["--prover-memory-mib", "MiB"]);
}

#[test]
fn what_has_another_form_is_told_in_words() {
    let folder = network("forms");
    for name in [CONFIG, ANNOTATED_VALIDATORS, VALIDATORS, VALIDATOR_CONFIG] {
        let good = read(&folder, name);
        for text in ["7\n", "[7]\n", "quintet_0: [7]\nvalidators: [7]\nGENESIS_TIME: [7]\n"] {
            write(&folder, name, text);
            let Output { stderr, .. } = quintet(&folder, &VERIFY);
            let error = String::from_utf8(stderr).expect("it is text");
            assert!(error.contains(name) && !error.contains("struct"), "{error}");
            assert!(!error.contains("Form"), "{error}");
        }
        write(&folder, name, &good);
    }
    write(&folder, NODES, "- \"\"\n");
    refused(&folder, &VERIFY, &[NODES, "[0] is empty"]);
}
