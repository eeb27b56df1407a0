//! Key files: every spelling is loaded, and whatever is wrong with one is told with its name.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use leansig::{
    KeyGenOptions,
    keys::{KeyKind, Role, file_names, write_pairs, write_secret_key},
    scheme::{Scheme, SecretKey},
};
use quintet_plugins::keys::{KeyFiles, KeyLoadError, LoadOptions, LoadProgress, load_keys};
use rand::{SeedableRng, rngs::StdRng};

use super::support::{KEYS, registry};
use crate::folder::Folder;

fn files(index: u64) -> KeyFiles {
    KeyFiles { index, attester: None, proposer: None }
}

/// Loads validators' keys from a folder.
fn load(folder: &Folder, validators: &[KeyFiles]) -> Result<(), Vec<KeyLoadError>> {
    load_with(folder, validators, None)
}

fn load_with(
    folder: &Folder,
    validators: &[KeyFiles],
    progress: Option<&(dyn Fn(LoadProgress) + Sync)>,
) -> Result<(), Vec<KeyLoadError>> {
    let options = LoadOptions {
        scheme: Scheme::Lifetime8,
        folder: folder.path(),
        threads: 3,
        slot: 0,
        progress,
    };
    load_keys(validators, &registry(&KEYS), &options).map(drop).map_err(|errors| errors.0)
}

/// The only error, with its message.
fn error(folder: &Folder, validators: &[KeyFiles]) -> (KeyLoadError, String) {
    let mut errors = load(folder, validators).expect_err("something is wrong");
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors.remove(0);
    let text = error.to_string();
    (error, text)
}

fn write(folder: &Folder, name: &str, key: &SecretKey) -> PathBuf {
    let path = folder.join(name);
    write_secret_key(&path, key).expect("the folder is writable");
    path
}

/// Both keys of a validator under their usual names.
fn write_usual(folder: &Folder, index: usize) -> [PathBuf; 2] {
    let name = |role| format!("validator_{index}_{role}_key_sk.ssz");
    [
        write(folder, &name("attester"), &KEYS[index][0]),
        write(folder, &name("proposer"), &KEYS[index][1]),
    ]
}

#[test]
fn every_spelling_of_a_file_name_is_found() {
    let attester = file_names(2, Role::Attestation, KeyKind::Secret);
    let proposer = file_names(2, Role::Proposal, KeyKind::Secret);
    assert_eq!(attester.len(), proposer.len());
    let spellings: Vec<_> = attester.iter().zip(&proposer).filter(|(a, p)| a != p).collect();
    assert_eq!(spellings.len(), 8);
    for (attester, proposer) in spellings {
        let folder = Folder::new("spelling");
        write(&folder, attester, &KEYS[2][0]);
        write(&folder, proposer, &KEYS[2][1]);
        load(&folder, &[files(2)]).unwrap_or_else(|error| panic!("{attester}: {error:?}"));
    }
    let folder = Folder::new("pairs");
    write_pairs(&folder.join("2.json"), &KEYS[2][0], &KEYS[2][1]).expect("it is writable");
    load(&folder, &[files(2)]).expect("a file of pairs");
}

#[test]
fn files_that_are_named_are_taken_and_names_may_be_absolute() {
    let (folder, other) = (Folder::new("named"), Folder::new("elsewhere"));
    write(&folder, "a.ssz", &KEYS[1][0]);
    let proposer = write(&other, "b.ssz", &KEYS[1][1]);
    let named = KeyFiles { index: 1, attester: Some("a.ssz".into()), proposer: Some(proposer) };
    load(&folder, &[named]).expect("both are there");
}

#[test]
fn many_keys_are_loaded_in_parallel_and_each_is_reported() {
    let folder = Folder::new("many");
    for index in 0..4 {
        write_usual(&folder, index);
    }
    let (calls, highest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let progress = |progress: LoadProgress| {
        assert_eq!(progress.total, 8);
        calls.fetch_add(1, Ordering::SeqCst);
        highest.fetch_max(progress.done, Ordering::SeqCst);
    };
    let validators: Vec<_> = (0..4).map(files).collect();
    load_with(&folder, &validators, Some(&progress)).expect("all are good");
    assert_eq!((calls.into_inner(), highest.into_inner()), (8, 8));
    load(&folder, &[]).expect("a node may have no validators");
}

#[test]
fn swapped_files_are_told_from_wrong_ones() {
    let folder = Folder::new("swapped");
    write(&folder, "validator_0_attester_key_sk.ssz", &KEYS[0][1]);
    write(&folder, "validator_0_proposer_key_sk.ssz", &KEYS[0][0]);
    let errors = load(&folder, &[files(0)]).expect_err("they are swapped");
    assert_eq!(errors.len(), 2);
    for (error, name) in errors.iter().zip(["attester", "proposer"]) {
        assert!(matches!(error, KeyLoadError::Swapped { index: 0, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("validator_0_{name}_key_sk.ssz")), "{text}");
        assert!(text.contains("swapped; exchange"), "{text}");
    }
}

#[test]
fn another_validators_key_and_a_foreign_key_are_refused() {
    let folder = Folder::new("wrong");
    let [attester, _] = write_usual(&folder, 0);
    write_secret_key(&attester, &KEYS[3][1]).expect("it is writable");
    let (found, text) = error(&folder, &[files(0)]);
    assert!(matches!(found, KeyLoadError::OtherKey { owner: Some((3, "proposer")), .. }));
    assert!(text.contains("the proposer key of validator 3"), "{text}");

    write_secret_key(&attester, &super::support::key(99)).expect("it is writable");
    let (found, text) = error(&folder, &[files(0)]);
    assert!(matches!(found, KeyLoadError::OtherKey { owner: None, .. }), "{text}");
    assert!(text.contains("validator_0_attester_key_sk.ssz"), "{text}");
}

#[test]
fn a_key_of_another_preset_is_named_as_such() {
    let folder = Folder::new("preset");
    let [attester, _] = write_usual(&folder, 0);
    let mut rng = StdRng::seed_from_u64(1);
    let options = KeyGenOptions::default();
    let short = SecretKey::generate(Scheme::Lifetime18, &mut rng, 0, 1, &options)
        .expect("the slots are within the lifetime");
    write_secret_key(&attester, &short).expect("it is writable");
    let (found, text) = error(&folder, &[files(0)]);
    assert!(matches!(found, KeyLoadError::OtherScheme { found: Scheme::Lifetime18, .. }), "{text}");
    assert!(text.contains("2^18") && text.contains("2^8") && text.contains("preset"), "{text}");
}

#[test]
fn truncated_flipped_and_empty_files_are_refused() {
    let folder = Folder::new("damaged");
    let [attester, _] = write_usual(&folder, 0);
    let bytes = fs::read(&attester).expect("it was written");
    let mut flipped = bytes.clone();
    let last = flipped.len() - 3;
    flipped[last] ^= 1;
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..bytes.len() - 1], &flipped, b"", b"key"] {
        fs::write(&attester, damaged).expect("it is writable");
        let (found, text) = error(&folder, &[files(0)]);
        assert!(matches!(found, KeyLoadError::Damaged { .. }), "{text}");
        assert!(text.contains("validator_0_attester_key_sk.ssz"), "{text}");
        assert!(text.contains("copy it again"), "{text}");
    }
}

#[test]
fn a_missing_file_and_an_unreadable_one_are_named() {
    let folder = Folder::new("missing");
    let [_, proposer] = write_usual(&folder, 0);
    fs::remove_file(&proposer).expect("it was written");
    let (found, text) = error(&folder, &[files(0)]);
    assert!(matches!(found, KeyLoadError::Missing { role: "proposer", .. }), "{text}");
    assert!(text.contains("validator_0_proposer_key_sk.ssz"), "{text}");

    // A folder cannot be read as a file, whoever asks.
    let named = KeyFiles { proposer: Some("sub".into()), ..files(0) };
    fs::create_dir(folder.join("sub")).expect("the folder is writable");
    let (found, text) = error(&folder, &[named]);
    assert!(matches!(found, KeyLoadError::Unreadable { .. }), "{text}");
    assert!(text.contains("sub: cannot be read"), "{text}");
}

#[test]
fn a_validator_that_is_not_in_the_registry_is_refused() {
    let folder = Folder::new("unregistered");
    let errors = load(&folder, &[files(4)]).expect_err("there are four");
    assert!(matches!(errors[0], KeyLoadError::Unregistered { index: 4, count: 4 }));
}
