//! Files that are written are read again.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use quintet::network_dir::{
    ANNOTATED_VALIDATORS, AnnotatedValidators, Bootnodes, CONFIG, CreateError,
    DEFAULT_PROOF_SYSTEM, GenesisFile, KEY_MANIFEST, KEYS, KeyManifest, NODES, NetworkPlan,
    NodeKey, NodeRecord, NodeValidators, VALIDATOR_CONFIG, VALIDATORS, ValidatorConfig, create,
};
use quintet_components::{
    containers::{PublicKey, Validator, Validators},
    preset::SignaturePreset,
};
use quintet_plugins::keys::{KeyContent, LoadOptions, inspect_file, load_keys};
use quintet_systems::{transition::generate_genesis, verification::scheme_of};
use tree_hash::TreeHash;

use crate::folder::Folder;

pub fn plan(seed: Option<u64>) -> NetworkPlan {
    NetworkPlan {
        nodes: 3,
        validators: 4,
        genesis_time: 0,
        committees: 2,
        preset: SignaturePreset::Test,
        proof_system: DEFAULT_PROOF_SYSTEM.into(),
        active_epoch: 6,
        ip: "127.0.0.1".parse().expect("an address"),
        quic_base_port: 9001,
        metrics_base_port: 8081,
        api_base_port: 5051,
        seed,
        cache: None,
        threads: 1,
        force: false,
    }
}

/// Every file below a folder.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it is readable").path();
        if path.is_dir() {
            let inner = contents(&path);
            let name = PathBuf::from(path.file_name().expect("it has a name"));
            files.extend(inner.into_iter().map(|(path, bytes)| (name.join(path), bytes)));
        } else {
            let name = path.file_name().expect("it has a name").into();
            files.insert(name, fs::read(&path).expect("it is readable"));
        }
    }
    files
}

#[test]
fn what_genesis_writes_the_readers_read() {
    let folder = Folder::new("create");
    let path = folder.path();
    let mut plan = plan(Some(1));
    let network = create(path, &mut plan, || 1_700_000_000, None, None).expect("it is possible");

    let genesis = GenesisFile::read(&path.join(CONFIG)).expect("it is good");
    assert_eq!((genesis.genesis_time, genesis.validators.len()), (1_700_000_000, 4));
    assert_eq!((genesis.attestation_committee_count, genesis.active_epoch), (Some(2), Some(6)));
    let nodes = NodeValidators::read(&path.join(VALIDATORS)).expect("it is good");
    let expected = [("quintet_0", vec![0, 3]), ("quintet_1", vec![1]), ("quintet_2", vec![2])];
    assert_eq!(nodes.0, expected.map(|(name, list)| (name.to_owned(), list)).into());

    // The keys are the genesis's, and found by the rows of each node.
    let registry = genesis.registry().expect("at most 4096");
    let annotated =
        AnnotatedValidators::read(&path.join(ANNOTATED_VALIDATORS)).expect("it is good");
    for (name, indices) in &nodes.0 {
        let files = annotated.key_files(name, &genesis).expect("it is good");
        assert_eq!(files.iter().map(|files| files.index).collect::<Vec<_>>(), *indices);
        assert!(files.iter().all(|files| files.attester.is_some() && files.proposer.is_some()));
        let options = LoadOptions {
            scheme: scheme_of(plan.preset),
            folder: &path.join(KEYS),
            threads: 2,
            slot: 0,
            progress: None,
        };
        assert!(load_keys(&files, &registry, &options).is_ok());
    }
    let manifest = KeyManifest::read(&path.join(KEYS).join(KEY_MANIFEST)).expect("it is good");
    assert_eq!(manifest.header.lifetime, Some(256));
    assert_eq!(manifest.header.log_num_active_epochs, Some(6));
    for (entry, keys) in manifest.validators.iter().zip(&genesis.validators) {
        assert_eq!((entry.attester, entry.proposer), (keys.attestation, keys.proposal));
    }

    // The nodes are where their records say, with the keys of their files.
    let config = ValidatorConfig::read(&path.join(VALIDATOR_CONFIG)).expect("it is good");
    let records = Bootnodes::read(&path.join(NODES)).expect("it is good").0;
    assert_eq!((config.nodes.len(), records.len(), network.nodes.len()), (3, 3, 3));
    for ((node, record), port) in config.nodes.iter().zip(records).zip(9001..) {
        let key = NodeKey::read(&path.join(format!("{}.key", node.name))).expect("it is good");
        assert_eq!(node.key.as_ref(), Some(&key));
        let record: NodeRecord = record.parse().expect("it is good");
        assert_eq!((record.ip(), record.quic_port()), (node.ip, Some(port)));
        assert_eq!(node.quic_port, Some(port));
        assert_eq!(node.validator_count, Some(nodes.0[&node.name].len() as u64));
    }
    let aggregators: Vec<_> = config.nodes.iter().map(|node| node.is_aggregator).collect();
    assert_eq!(aggregators, [true, true, false]);
}

#[test]
fn the_state_of_the_files_is_the_state_of_the_keys() {
    let folder = Folder::new("state");
    create(folder.path(), &mut plan(Some(1)), || 77, None, None).expect("it is possible");
    let genesis = GenesisFile::read(&folder.join(CONFIG)).expect("it is good");
    let read = generate_genesis(genesis.genesis_time, genesis.registry().expect("few"));

    let public_key = |index: u64, role: &str| -> PublicKey {
        let path = folder.join(KEYS).join(format!("validator_{index}_{role}_key_sk.ssz"));
        match inspect_file(&path).expect("it holds a key").remove(0) {
            KeyContent::Secret { public_key, preset: SignaturePreset::Test, lifetime, .. } => {
                assert_eq!(lifetime, 0..64);
                public_key
            }
            content => panic!("{content:?}"),
        }
    };
    let validators = (0..4).map(|index| Validator {
        attestation_public_key: public_key(index, "attester"),
        proposal_public_key: public_key(index, "proposer"),
        index,
    });
    let registry = Validators::new(validators.collect()).expect("few");
    assert_eq!(read.tree_hash_root(), generate_genesis(77, registry).tree_hash_root());
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let folders = [Folder::new("seed-a"), Folder::new("seed-b"), Folder::new("seed-c")];
    for (folder, seed) in folders.iter().zip([5, 5, 6]) {
        create(folder.path(), &mut plan(Some(seed)), || 77, None, None).expect("it is possible");
    }
    let [first, second, third] = folders.each_ref().map(|folder| contents(folder.path()));
    // Five files, three node keys, four files a validator and the manifest.
    assert_eq!(first.len(), 5 + 3 + 16 + 1);
    assert!(first == second);
    let same: Vec<_> = first.iter().filter(|(name, bytes)| third[*name] == **bytes).collect();
    assert_eq!(
        same.iter().map(|(name, _)| name.as_path()).collect::<Vec<_>>(),
        [Path::new(VALIDATORS)]
    );
    let random = [Folder::new("random-a"), Folder::new("random-b")];
    for folder in &random {
        create(folder.path(), &mut plan(None), || 77, None, None).expect("it is possible");
    }
    let [first, second] = random.each_ref().map(|folder| contents(folder.path()));
    assert_ne!(first[Path::new(CONFIG)], second[Path::new(CONFIG)]);
}

#[test]
fn keys_of_a_seed_are_kept_and_damaged_ones_made_again() {
    let (folder, again, cache) =
        (Folder::new("cached-a"), Folder::new("cached-b"), Folder::new("cache"));
    let mut plan = NetworkPlan { cache: Some(cache.path().to_owned()), ..plan(Some(5)) };
    let newest = Mutex::new(None);
    let progress = |progress| *newest.lock().expect("no panic") = Some(progress);
    create(folder.path(), &mut plan, || 77, Some(&progress), None).expect("it is possible");
    let last = newest.lock().expect("no panic").take().expect("it was told");
    assert_eq!((last.keys_done, last.keys, last.cached), (8, 8, 0));

    let kept: Vec<_> = contents(cache.path()).into_keys().collect();
    assert_eq!(kept.len(), 8);
    let damaged = cache.join(&kept[3]);
    fs::write(&damaged, "damaged").expect("it is writable");
    create(again.path(), &mut plan, || 77, Some(&progress), None).expect("it is possible");
    let last = newest.lock().expect("no panic").take().expect("it was told");
    assert_eq!((last.keys_done, last.cached), (8, 7));
    assert!(contents(folder.path()) == contents(again.path()));
}

#[test]
fn what_is_done_to_a_networks_keys_is_not_done_to_the_cache() {
    let (folder, again, cache) =
        (Folder::new("copied-a"), Folder::new("copied-b"), Folder::new("copied-cache"));
    let mut plan = NetworkPlan { cache: Some(cache.path().to_owned()), ..plan(Some(5)) };
    create(folder.path(), &mut plan, || 77, None, None).expect("it is possible");
    let (kept, made) = (contents(cache.path()), contents(folder.path()));
    let key = |role: &str| folder.join(KEYS).join(format!("validator_0_{role}_key_sk.ssz"));
    fs::copy(key("proposer"), key("attester")).expect("both are there");
    assert!(contents(cache.path()) == kept, "the cache has files of its own");

    // A cache that was changed all the same: one key over another, of the same form.
    let names: Vec<_> = kept.keys().collect();
    for (from, to) in [(0, 1), (2, 5)] {
        fs::copy(cache.join(names[from]), cache.join(names[to])).expect("both are there");
    }
    create(again.path(), &mut plan, || 77, None, None).expect("it is possible");
    assert!(contents(again.path()) == made);
    assert!(contents(cache.path()) == kept, "they were made again");
}

#[test]
fn a_network_is_not_overwritten_unless_it_is_asked_for() {
    let folder = Folder::new("overwrite");
    create(folder.path(), &mut plan(Some(1)), || 77, None, None).expect("it is possible");
    let before = contents(folder.path());
    let refused = create(folder.path(), &mut plan(Some(2)), || 78, None, None);
    assert!(matches!(refused, Err(CreateError::Exists { .. })), "{refused:?}");
    assert!(contents(folder.path()) == before);
    let mut forced = NetworkPlan { force: true, ..plan(Some(2)) };
    create(folder.path(), &mut forced, || 78, None, None).expect("it was asked for");
    assert_ne!(contents(folder.path())[Path::new(CONFIG)], before[Path::new(CONFIG)]);
}

#[test]
fn plans_that_cannot_be_are_refused_before_anything_is_written() {
    let base = || plan(Some(1));
    let plans = [
        (NetworkPlan { nodes: 0, ..base() }, "needs a node"),
        (NetworkPlan { validators: 4097, ..base() }, "at most 4096"),
        (NetworkPlan { committees: 4, ..base() }, "aggregators"),
        (NetworkPlan { committees: 0, ..base() }, "needs a committee"),
        (NetworkPlan { nodes: 70, committees: 65, ..base() }, "at most 64"),
        (NetworkPlan { active_epoch: 9, ..base() }, "at most 2^8 slots"),
        (NetworkPlan { proof_system: "none".into(), ..base() }, "known are"),
        (NetworkPlan { quic_base_port: 65_534, ..base() }, "no port for node 2"),
    ];
    for (mut plan, expected) in plans {
        let folder = Folder::new("impossible");
        let error = create(folder.path(), &mut plan, || 77, None, None).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(contents(folder.path()).is_empty());
    }
}

#[test]
fn a_network_without_validators_is_one() {
    let folder = Folder::new("none");
    let mut plan = NetworkPlan { validators: 0, ..plan(Some(1)) };
    create(folder.path(), &mut plan, || 77, None, None).expect("it is possible");
    let genesis = GenesisFile::read(&folder.join(CONFIG)).expect("it is good");
    let annotated =
        AnnotatedValidators::read(&folder.join(ANNOTATED_VALIDATORS)).expect("likewise");
    assert_eq!(annotated.key_files("quintet_1", &genesis).expect("it is there"), []);
}

#[cfg(unix)]
#[test]
fn files_with_secrets_are_their_owners() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("modes");
    create(folder.path(), &mut plan(None), || 77, None, None).expect("it is possible");
    for (name, mode) in [
        ("quintet_0.key", 0o600),
        (VALIDATOR_CONFIG, 0o600),
        ("hash-sig-keys/validator_0_attester_key_sk.ssz", 0o600),
        (CONFIG, 0o644),
    ] {
        let metadata = fs::metadata(folder.join(name)).expect("it is there");
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
}
