//! Files that are wrong, or meant to do harm.

use std::fmt::Write;

use quintet::network_dir::{
    AnnotatedValidators, Bootnodes, GenesisFile, KeyManifest, MAX_ENTRIES, MAX_FILE_BYTES, NodeKey,
    NodeValidators, ValidatorConfig,
};

use super::{file, key_hex, refusal};
use crate::folder::Folder;

#[test]
fn a_bad_public_key_is_told_with_its_place() {
    let folder = Folder::new("bad-key");
    let good = key_hex(11);
    for bad in [&good[2..], "0x", "hello", "[]", "0x12", &"ff".repeat(52), &format!("{good}00")] {
        let text = format!(
            "GENESIS_TIME: 7\nGENESIS_VALIDATORS:\n- attestation_pubkey: {good}\n  \
             proposal_pubkey: {good}\n- attestation_pubkey: {good}\n  proposal_pubkey: {bad}\n"
        );
        let path = file(&folder, "config.yaml", &text);
        let text = refusal(GenesisFile::read(&path), "config.yaml");
        assert!(text.contains("GENESIS_VALIDATORS[1].proposal_pubkey"), "{text}");
        assert!(text.contains("line 6"), "{text}");
    }
}

#[test]
fn counts_that_contradict_the_list_are_refused() {
    let folder = Folder::new("count");
    for name in ["VALIDATOR_COUNT", "NUM_VALIDATORS"] {
        let path = file(&folder, "config.yaml", &format!("GENESIS_TIME: 7\n{name}: 3\n"));
        let text = refusal(GenesisFile::read(&path), "config.yaml");
        assert!(text.contains(name) && text.contains("is 3"), "{text}");
    }
}

#[test]
fn more_validators_than_a_network_can_have_are_refused() {
    let folder = Folder::new("many");
    let mut text = "GENESIS_TIME: 7\nGENESIS_VALIDATORS:\n".to_owned();
    for _ in 0..=4096 {
        let key = key_hex(11);
        writeln!(text, "- {{attestation_pubkey: {key}, proposal_pubkey: {key}}}")
            .expect("a string");
    }
    let path = file(&folder, "config.yaml", &text);
    assert!(refusal(GenesisFile::read(&path), "config.yaml").contains("4097"));

    let list = "- 1\n".repeat(MAX_ENTRIES + 1);
    let path = file(&folder, "validators.yaml", &format!("n:\n{list}"));
    let text = refusal(NodeValidators::read(&path), "validators.yaml");
    assert!(text.contains(&format!("more than {MAX_ENTRIES} entries")), "{text}");
    let path = file(&folder, "nodes.yaml", &"- /ip4/1.2.3.4\n".repeat(MAX_ENTRIES + 1));
    refusal(Bootnodes::read(&path), "nodes.yaml");
    let nodes: String = (0..=MAX_ENTRIES).map(|at| format!("n{at}: []\n")).collect();
    let path = file(&folder, "validators.yaml", &nodes);
    refusal(NodeValidators::read(&path), "validators.yaml");
}

#[test]
fn a_huge_file_is_not_read() {
    let folder = Folder::new("huge");
    let path = folder.join("config.yaml");
    let file = std::fs::File::create(&path).expect("the folder is writable");
    file.set_len(MAX_FILE_BYTES * 1000).expect("a file of holes takes no room");
    assert!(refusal(GenesisFile::read(&path), "config.yaml").contains("larger than"));
}

#[test]
fn aliases_that_multiply_are_refused() {
    let folder = Folder::new("bomb");
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for at in 1..12 {
        let alias = format!("*a{}", at - 1);
        writeln!(text, "a{at}: &a{at} [{}]", [alias.as_str(); 9].join(",")).expect("a string");
    }
    text += "GENESIS_TIME: 7\n";
    let path = file(&folder, "config.yaml", &text);
    // What is not known is ignored, or the parser gives up; either way at once.
    let _ = GenesisFile::read(&path);
    let nodes = text.replace("GENESIS_TIME: 7\n", "");
    refusal(NodeValidators::read(&file(&folder, "validators.yaml", &nodes)), "validators.yaml");
}

#[test]
fn texts_of_other_shapes_are_refused() {
    let folder = Folder::new("shapes");
    for text in ["", "[]", "7", "{", "\t- x", "GENESIS_TIME: -1", "GENESIS_TIME: soon", "a: b: c"] {
        refusal(GenesisFile::read(&file(&folder, "config.yaml", text)), "config.yaml");
    }
    for text in ["[]", "n: 3", "n: [x]", "n: [-1]", "n: [1]\nn: [2]", "n: [18446744073709551616]"] {
        refusal(NodeValidators::read(&file(&folder, "v.yaml", text)), "v.yaml");
    }
    for text in ["7", "- enr:-x", "- http://x", "{a: b}", "some"] {
        refusal(Bootnodes::read(&file(&folder, "nodes.yaml", text)), "nodes.yaml");
    }
    for text in [
        "validators: [{count: 1}]",
        "validators: [{name: n, metricsPort: 65536}]",
        "validators: [{name: n, privkey: 12}]",
        "validators: [{name: n, isAggregator: maybe}]",
        "validators: [{name: n, enrFields: {ip: here}}]",
        "validators: 7",
    ] {
        let path = file(&folder, "vc.yaml", text);
        assert!(refusal(ValidatorConfig::read(&path), "vc.yaml").contains("validators"), "{text}");
    }
    refusal(KeyManifest::read(&file(&folder, "m.yaml", "validators: [{index: 0}]")), "m.yaml");
    for text in ["", "0x", "zz", "12", &"00".repeat(32)] {
        let refused = NodeKey::read(&file(&folder, "n.key", text)).expect_err("no key");
        assert!(refused.to_string().contains("n.key"), "{refused}");
    }
    std::fs::write(folder.join("b.yaml"), [0xff, 0xfe, 0]).expect("the folder is writable");
    refusal(GenesisFile::read(&folder.join("b.yaml")), "b.yaml");
    refusal(GenesisFile::read(&folder.join("none.yaml")), "none.yaml");
}

#[test]
fn annotated_rows_that_contradict_the_genesis_are_refused() {
    let folder = Folder::new("contradict");
    let config = format!(
        "GENESIS_TIME: 7\nGENESIS_VALIDATORS:\n- attestation_pubkey: {}\n  proposal_pubkey: {}\n",
        key_hex(11),
        key_hex(12)
    );
    let genesis = GenesisFile::read(&file(&folder, "config.yaml", &config)).expect("it is good");
    let (attester, proposer) = (key_hex(11), key_hex(12));
    let cases = [
        (format!("- {{index: 1, pubkey_hex: {attester}}}"), "no validator 1"),
        (format!("- {{index: 0, pubkey_hex: {}}}", key_hex(13)), "neither key of validator 0"),
        (
            format!("- {{index: 0, pubkey_hex: {proposer}, privkey_file: v_attester_sk.ssz}}"),
            "different roles",
        ),
        (
            "- {index: 0, privkey_file: a_attester.ssz}\n- {index: 0, privkey_file: b_attester.ssz}"
                .to_owned(),
            "n[1]: a second row",
        ),
    ];
    for (rows, expected) in cases {
        let path = file(&folder, "annotated_validators.yaml", &format!("n:\n{rows}\n"));
        let read = AnnotatedValidators::read(&path).expect("it has the form");
        let text = refusal(read.key_files("n", &genesis), "annotated_validators.yaml");
        assert!(text.contains(expected) && text.contains("n["), "{text}");
        let text = refusal(read.key_files("m", &genesis), "annotated_validators.yaml");
        assert!(text.contains("no node \"m\", only n"), "{text}");
    }
}
