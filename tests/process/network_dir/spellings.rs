//! The spellings that launchers use.

use quintet::network_dir::{
    AnnotatedValidators, Bootnodes, GenesisFile, KeyManifest, NodeKey, NodeValidators,
    ValidatorConfig,
};
use quintet_components::containers::PublicKey;

use super::{file, key_hex};
use crate::folder::Folder;

fn key(digit: u8) -> PublicKey {
    key_hex(digit).parse().expect("it is hex")
}

fn genesis(folder: &Folder, keys: &[(u8, u8)]) -> GenesisFile {
    let mut text = "GENESIS_TIME: 7\nGENESIS_VALIDATORS:\n".to_owned();
    for (attestation, proposal) in keys {
        text += &format!(
            "  - attestation_pubkey: {}\n    proposal_pubkey: {}\n",
            key_hex(*attestation),
            key_hex(*proposal)
        );
    }
    GenesisFile::read(&file(folder, "config.yaml", &text)).expect("it is good")
}

#[test]
fn public_keys_are_read_however_they_are_written() {
    let folder = Folder::new("keys-hex");
    let zeros = format!("{}{}", "00".repeat(44), "0000000000000001");
    // As integers, these would lose digits or be too large.
    for hex in [key_hex(11), key_hex(22), zeros, format!("{}1e", "10".repeat(51))] {
        let expected: PublicKey = hex.parse().expect("it is hex");
        for written in [
            hex.clone(),
            format!("0x{hex}"),
            format!("\"{hex}\""),
            format!("\"0x{hex}\""),
            format!("'0x{}'", hex.to_uppercase()),
        ] {
            let text = format!(
                "GENESIS_TIME: 7\nGENESIS_VALIDATORS:\n- attestation_pubkey: {written}\n  \
                 proposal_pubkey: {written}\n- attestation_public_key: {written}\n  \
                 proposal_public_key: {written}\n"
            );
            let read = GenesisFile::read(&file(&folder, "config.yaml", &text)).expect(&written);
            for keys in &read.validators {
                assert_eq!((keys.attestation, keys.proposal), (expected, expected), "{written}");
            }
        }
    }
}

#[test]
fn a_genesis_has_optional_settings_and_ignores_what_it_does_not_know() {
    let folder = Folder::new("config");
    let text = "# comment\nPRESET: x\nGENESIS_TIME: \"1763712794\"\nATTESTATION_COMMITTEE_COUNT: \
                2\nACTIVE_EPOCH: 18\nNUM_VALIDATORS: 0\nVALIDATOR_COUNT: 0\nMAX_ATTESTATIONS_DATA: \
                8\nNESTED: {a: [1]}\n";
    let read = GenesisFile::read(&file(&folder, "config.yaml", text)).expect("it is good");
    assert_eq!(read.genesis_time, 1_763_712_794);
    assert_eq!(read.attestation_committee_count, Some(2));
    assert_eq!((read.active_epoch, read.max_attestations_data), (Some(18), Some(8)));
    let least = GenesisFile::read(&file(&folder, "config.yaml", "GENESIS_TIME: 7\n"));
    assert_eq!(least.expect("it is good").attestation_committee_count, None);
}

#[test]
fn validators_of_nodes_may_be_none() {
    let folder = Folder::new("validators");
    let text = "zeam_0:\n  - 0\n  - 2\nream_0: [1]\nlate: []\nnothing:\n";
    let read = NodeValidators::read(&file(&folder, "validators.yaml", text)).expect("it is good");
    let expected =
        [("late", vec![]), ("nothing", vec![]), ("ream_0", vec![1]), ("zeam_0", vec![0, 2])];
    assert_eq!(read.0, expected.map(|(name, list)| (name.to_owned(), list)).into());
}

#[test]
fn annotated_rows_are_routed_by_file_name_and_confirmed_by_key() {
    let folder = Folder::new("annotated");
    let genesis = genesis(&folder, &[(11, 12), (21, 22)]);
    let spellings = [
        ("validator_1_attester_key_sk.ssz", "validator_1_proposer_key_sk.ssz"),
        ("validator_1_attestation_sk.ssz", "validator_1_proposal_sk.ssz"),
        ("/keys/proposer/validator_1_attester_sk.json", "validator_1_proposer_sk.json"),
    ];
    for (attester, proposer) in spellings {
        // The proposer's row first: order says nothing.
        let text = format!(
            "n:\n  - index: 1\n    pubkey_hex: 0x{}\n    privkey_file: {proposer}\n  - index: \
             1\n    pubkey_hex: {}\n    privkey_file: \"{attester}\"\nempty: []\n",
            key_hex(22),
            key_hex(21)
        );
        let path = file(&folder, "annotated_validators.yaml", &text);
        let read = AnnotatedValidators::read(&path).expect("it is good");
        let files = read.key_files("n", &genesis).expect("it is good");
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].index, 1);
        assert_eq!(files[0].attester.as_deref(), Some(attester.as_ref()));
        assert_eq!(files[0].proposer.as_deref(), Some(proposer.as_ref()));
        assert_eq!(read.key_files("empty", &genesis).expect("it is there"), []);
    }
    // A name without a role is routed by its key; without a file, it is looked for.
    let text = format!(
        "n:\n- {{index: 0, pubkey_hex: {}, privkey_file: a.ssz}}\n- {{index: 1}}\n",
        key_hex(12)
    );
    let path = file(&folder, "annotated_validators.yaml", &text);
    let files = AnnotatedValidators::read(&path)
        .and_then(|read| read.key_files("n", &genesis))
        .expect("it is good");
    assert_eq!((&files[0].attester, files[0].proposer.as_deref()), (&None, Some("a.ssz".as_ref())));
    assert_eq!((&files[1].attester, &files[1].proposer), (&None, &None));
}

#[test]
fn node_configurations_are_read_in_both_styles() {
    let folder = Folder::new("validator-config");
    let secret = "11".repeat(32);
    let text = format!(
        "shuffle: roundrobin\ndeployment_mode: local\nconfig:\n  activeEpoch: 18\n  keyType: \
         \"hash-sig\"\n  attestation_committee_count: 2\nvalidators:\n  - name: \"zeam_0\"\n    \
         privkey: \"{secret}\"\n    enrFields:\n      ip: \"127.0.0.1\"\n      quic: 9001\n      \
         seq: 1\n    metricsPort: 8081\n    apiPort: 5051\n    isAggregator: true\n    count: 2\n  \
         - name: 7\n    privkey: 0x{secret}\n    enrFields: {{ip: 10.0.0.2, quic: \"9002\"}}\n    \
         httpPort: 5052\n    is_aggregator: False\n  - name: bare\n"
    );
    let path = file(&folder, "validator-config.yaml", &text);
    let read = ValidatorConfig::read(&path).expect("it is good");
    assert_eq!((read.active_epoch, read.attestation_committee_count), (Some(18), Some(2)));
    let zeam = read.node("zeam_0").expect("it is there");
    assert_eq!(zeam.key, secret.parse().ok());
    assert_eq!(zeam.ip, "127.0.0.1".parse().ok());
    assert_eq!(
        (zeam.quic_port, zeam.metrics_port, zeam.api_port),
        (Some(9001), Some(8081), Some(5051))
    );
    assert!(zeam.is_aggregator && zeam.validator_count == Some(2));
    let seven = read.node("7").expect("a name may look like a number");
    assert_eq!((seven.key.as_ref(), seven.quic_port), (zeam.key.as_ref(), Some(9002)));
    assert_eq!(
        (seven.api_port, seven.is_aggregator, seven.validator_count),
        (Some(5052), false, None)
    );
    assert_eq!(read.node("bare").expect("it is there").key, None);
    assert!(read.node("other").is_none());
}

#[test]
fn bootnodes_are_records_and_addresses_or_none() {
    let folder = Folder::new("nodes");
    let key = NodeKey::new([5; 32]).expect("it is a key");
    let record = key.record("127.0.0.1".parse().expect("an address"), 9001).expect("it fits");
    let address = "/ip4/127.0.0.1/udp/9001/quic-v1";
    let text = format!("- {record}\n- \"{address}\"\n- none\n");
    let read = Bootnodes::read(&file(&folder, "nodes.yaml", &text)).expect("it is good");
    assert_eq!(read.0, [record.to_string(), address.to_owned()]);
    for text in ["none\n", "[]\n", "# nobody\n[]\n", "- none\n"] {
        let read = Bootnodes::read(&file(&folder, "nodes.yaml", text)).expect(text);
        assert!(read.0.is_empty(), "{text}");
    }
}

#[test]
fn manifests_are_read_in_both_styles() {
    let folder = Folder::new("manifest");
    let styles = [
        [
            "attester_key_pubkey_hex",
            "attester_key_privkey_file",
            "proposer_key_pubkey_hex",
            "proposer_key_privkey_file",
        ],
        [
            "attestation_public_key_hex",
            "attestation_private_key_file",
            "proposal_public_key_hex",
            "proposal_private_key_file",
        ],
    ];
    for [attester, attester_file, proposer, proposer_file] in styles {
        let text = format!(
            "key_scheme: X\nlifetime: 4294967296\nlog_num_active_epochs: 18\nvalidators:\n- index: \
             0\n  {attester}: 0x{}\n  {attester_file}: a.ssz\n  {proposer}: \"{}\"\n  \
             {proposer_file}: p.ssz\n",
            key_hex(11),
            key_hex(12)
        );
        let path = file(&folder, "validator-keys-manifest.yaml", &text);
        let read = KeyManifest::read(&path).expect("it is good");
        assert_eq!(read.header.lifetime, Some(1 << 32));
        let entry = &read.validators[0];
        assert_eq!((entry.attester, entry.proposer), (key(11), key(12)));
        assert_eq!(entry.attester_file.as_deref(), Some("a.ssz"));
        assert_eq!(entry.proposer_file.as_deref(), Some("p.ssz"));
    }
}

#[test]
fn node_keys_are_hex_with_and_without_prefix() {
    let folder = Folder::new("node-key");
    let secret = "2b".repeat(32);
    for text in
        [secret.clone(), format!("0x{secret}"), format!("{secret}\n"), format!("0x{secret}\r\n")]
    {
        let key = NodeKey::read(&file(&folder, "n.key", &text)).expect("it is good");
        assert_eq!(key.to_hex(), secret);
    }
}
