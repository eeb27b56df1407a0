//! Directories that are not ours, not readable, not whole, or not of this release.

use std::{
    fs,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::{prelude::*, sample::Index};
use quintet_components::{
    containers::{PublicKey, Root, Signature},
    preset::SignaturePreset,
    storage::{BlockSource, ChainIdentity, SigningEntry, SigningRecord, StateSource},
};
use quintet_plugins::storage::{
    Backend, Batch, Column, Durability, MARKER_FILE, MemoryBackend, OpenError, RocksDbConfig,
    Store, Writer,
};

use crate::{
    storage::fixture::{Fixture, Tree, identity, small},
    support::{child, temp_dir::TempDir},
};

fn open(path: &Path, tree: &Tree) -> Result<Store, OpenError> {
    let config = RocksDbConfig { path: path.to_owned(), retention: small() };
    Store::open(&config, &identity(&tree.anchor))
}

/// The refusal, which names the path and says what to do.
fn refusal(path: &Path, tree: &Tree, remedy: &str) -> OpenError {
    let error = open(path, tree).expect_err("refused");
    let text = error.to_string();
    assert!(text.contains(path.to_str().expect("text")), "{text}");
    assert!(text.contains(remedy), "{text}");
    error
}

#[test]
fn files_of_another_program_are_left_alone() {
    let folder = TempDir::new();
    fs::write(folder.path().join("photo.jpg"), b"holiday").expect("writes");
    let error = refusal(folder.path(), &Tree::new(1), "give an empty directory");
    assert!(matches!(error, OpenError::Foreign { found, .. } if found == "photo.jpg"));
    let names: Vec<_> = fs::read_dir(folder.path()).expect("reads").collect();
    assert_eq!(names.len(), 1, "nothing was added");
    // A RocksDB database without our marker is another program's too.
    let other = TempDir::new();
    fs::write(other.path().join("CURRENT"), b"MANIFEST-000001\n").expect("writes");
    assert!(matches!(
        refusal(other.path(), &Tree::new(1), "give an empty directory"),
        OpenError::Foreign { .. }
    ));
}

#[test]
fn a_file_is_not_a_directory() {
    let folder = TempDir::new();
    let path = folder.path().join("file");
    fs::write(&path, b"").expect("writes");
    let error = refusal(&path, &Tree::new(1), "give the path of a directory");
    assert!(matches!(error, OpenError::NotADirectory(_)));
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let folder = TempDir::new();
    let rights = fs::metadata(folder.path()).expect("reads").permissions();
    let mut read_only = rights.clone();
    read_only.set_readonly(true);
    fs::set_permissions(folder.path(), read_only).expect("is ours");
    let mut path = folder.path().join("db");
    if fs::create_dir(&path).is_ok() {
        // Root writes everywhere but where the kernel does not let it.
        path = PathBuf::from("/sys/kernel/quintet-database");
    }
    let error = refusal(&path, &Tree::new(1), "can read and write");
    assert!(matches!(error, OpenError::Io { .. }));
    fs::set_permissions(folder.path(), rights).expect("is ours");
}

#[test]
fn a_newer_schema_and_a_damaged_marker_are_refused() {
    let folder = TempDir::new();
    let tree = Tree::new(1);
    drop(open(folder.path(), &tree).expect("opens"));
    let marker = folder.path().join(MARKER_FILE);
    let text = fs::read_to_string(&marker).expect("reads");
    fs::write(&marker, text.replace("\"schema\": 1", "\"schema\": 2")).expect("writes");
    let error = refusal(folder.path(), &tree, "run the newer release");
    assert!(matches!(error, OpenError::Schema { found: 2, .. }));
    for damaged in [&text[..text.len() / 2], "", "{}", "\0\0\0"] {
        fs::write(&marker, damaged).expect("writes");
        assert!(matches!(
            refusal(folder.path(), &tree, "restore it from a backup"),
            OpenError::Marker { .. }
        ));
    }
    fs::write(&marker, &text).expect("writes");
    open(folder.path(), &tree).expect("it was only the marker");
}

#[test]
fn a_value_of_another_release_is_refused() {
    let backend = Arc::new(MemoryBackend::default());
    let tree = Tree::new(1);
    let fixture = Fixture::Memory(Arc::clone(&backend));
    let store = fixture.begin(&tree.anchor, small());
    let mut value =
        backend.get(Column::Metadata, b"fork_choice").expect("reads").expect("is there");
    value[0] = 2;
    let mut batch = Batch::default();
    batch.put(Column::Metadata, b"fork_choice".as_slice(), value);
    backend.write(&batch, Durability::Process).expect("writes");
    let error = store.resume().expect_err("another version").0;
    assert!(error.contains("version 2") && error.contains("memory"), "{error}");
}

#[test]
fn a_database_in_use_is_refused() {
    let folder = TempDir::new();
    let tree = Tree::new(1);
    let path = folder.path().join("db");
    let held = open(&path, &tree).expect("opens");
    let error = refusal(&path, &tree, "stop the other node");
    assert!(matches!(error, OpenError::Locked(_)));
    drop(held);
    // Another process holds it.
    let mut holder = child::start("storage::damage::child", folder.path(), None);
    let output = BufReader::new(holder.stdout.take().expect("is piped"));
    let holds = output.lines().map_while(Result::ok).any(|line| line.contains("it is held"));
    assert!(holds, "the other process opens it");
    let error = refusal(&path, &tree, "stop the other node");
    assert!(matches!(error, OpenError::Locked(_)));
    holder.kill().expect("it runs");
    holder.wait().expect("it ends");
    open(&path, &tree).expect("it is free");
}

/// Holds the database until its parent ends it.
#[test]
fn child() {
    let Some(folder) = child::folder() else { return };
    let _held = open(&folder.join("db"), &Tree::new(1)).expect("opens");
    println!("it is held");
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A database with tables and a log.
fn sample(path: &Path) -> Tree {
    let mut tree = Tree::new(5);
    for size in [30, 20, 8] {
        let store = open(path, &tree).expect("opens");
        store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
        for _ in 0..size {
            let tip = tree.blocks.len() - 1;
            let block = tree.grow_chain(tip, 1);
            store.append(&tree.update(&[block], block, 0)).expect("writes");
            store
                .write(&[SigningEntry {
                    public_key: PublicKey::repeat_byte(3),
                    slot: tree.blocks[block].at.slot,
                    message: tree.blocks[block].at.root,
                    signature: None,
                }])
                .expect("writes");
        }
    }
    tree
}

/// Reads everything. What comes is right, absent from some block on, or an error that names the
/// place. Returns whether all of it came.
fn read_all(path: &Path, tree: &Tree) -> Result<bool, String> {
    let store = open(path, tree).map_err(|error| error.to_string())?;
    let text = |error: quintet_components::storage::StorageError| error.0;
    let Some(data) = store.resume().map_err(text)? else { return Ok(false) };
    let mut is_whole = true;
    for built in &tree.blocks[1..] {
        let block = store.signed_block(&built.at.root).map_err(text)?;
        let state = store.state(&built.at.root).map_err(text)?;
        let signed = store.find(&PublicKey::repeat_byte(3), built.at.slot).map_err(text)?;
        assert!(block.is_some() == state.is_some(), "slot {}", built.at.slot);
        assert!(is_whole || block.is_none(), "slot {} came back alone", built.at.slot);
        assert!(block.is_some() || signed.is_none(), "a batch came before an older one");
        is_whole = block.is_some() && signed.is_some();
        assert!(block.is_none_or(|block| block == built.block));
        assert!(state.is_none_or(|state| state == built.state));
        assert!(signed.is_none_or(|entry| entry.message == built.at.root));
    }
    let head = store.state(&data.facts.head.root).map_err(text)?;
    assert!(head.is_some(), "the head of the last whole batch is there");
    Ok(is_whole)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("makes");
    for entry in fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

/// Does something to each file of a database, and reads the result.
fn damage_each(places: usize, harm: impl Fn(&mut Vec<u8>, usize)) {
    let folder = TempDir::new();
    let whole = folder.path().join("whole");
    let tree = sample(&whole);
    let (mut refused, mut kept) = (0, 0);
    let mut names: Vec<_> = fs::read_dir(&whole)
        .expect("reads")
        .map(|entry| entry.expect("reads").file_name())
        .collect();
    names.sort();
    for name in names {
        let length = fs::read(whole.join(&name)).expect("reads").len();
        if length == 0 {
            continue;
        }
        for place in 0..places {
            let path = folder.path().join("damaged");
            copy(&whole, &path);
            let mut bytes = fs::read(path.join(&name)).expect("reads");
            harm(&mut bytes, length * place / places + length / (2 * places));
            fs::write(path.join(&name), bytes).expect("writes");
            match read_all(&path, &tree) {
                Ok(true) => kept += 1,
                Ok(false) => {
                    let name = name.to_string_lossy();
                    assert!(name.ends_with(".log"), "{name} lost something without a word");
                }
                Err(text) => {
                    assert!(text.contains(path.to_str().expect("text")), "{text}");
                    assert!(text.contains(';'), "no remedy: {text}");
                    refused += 1;
                }
            }
            fs::remove_dir_all(&path).expect("removes");
        }
    }
    assert!(refused > 5 && kept > 5, "{refused} refused, {kept} without effect");
}

#[test]
fn flipped_bits_are_found_and_panic_nothing() {
    damage_each(3, |bytes, place| bytes[place] ^= 0x10);
}

#[test]
fn cut_off_files_are_found_and_panic_nothing() {
    damage_each(2, Vec::truncate);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Below RocksDB's checksums: values that were written wrong, or by another program.
    #[test]
    fn damaged_values_panic_nothing_and_no_wrong_state_comes_back(
        column in 0..Column::ALL.len() - 1,
        row in any::<Index>(),
        harm in prop_oneof![
            (any::<Index>(), any::<u8>()).prop_map(|(at, with)| (at, Some(with))),
            any::<Index>().prop_map(|at| (at, None)),
        ],
    ) {
        let column = Column::ALL[column];
        let backend = Arc::new(MemoryBackend::default());
        let mut tree = Tree::new(5);
        let fixture = Fixture::Memory(Arc::clone(&backend));
        let store = fixture.begin(&tree.anchor, small());
        let head = tree.grow_chain(0, 20);
        let all: Vec<usize> = (1..=head).collect();
        store.append(&tree.update(&all, head, 0)).expect("writes");
        drop(store);
        let mut rows = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        backend.scan(column, &[], None, &mut visit).expect("reads");
        let (key, mut value) = row.get(&rows).clone();
        let (at, with) = harm;
        let at = at.index(value.len());
        match with {
            Some(with) => value[at] = with,
            None => value.truncate(at),
        }
        let mut batch = Batch::default();
        batch.put(column, key, value);
        backend.write(&batch, Durability::Process).expect("writes");

        let Ok(store) = Store::new(backend, "memory", &identity(&tree.anchor), small()) else {
            return Ok(());
        };
        let _ = store.resume();
        let _ = store.prune_step();
        for built in &tree.blocks {
            let _ = store.signed_block(&built.at.root);
            if let Ok(Some(state)) = store.state(&built.at.root) {
                prop_assert_eq!(state, Arc::clone(&built.state));
            }
        }
        let next = tree.grow(head, 0, 0, 0xff);
        let _ = store.append(&tree.update(&[next], next, 0));
    }
}

#[test]
fn a_missing_list_of_tables_is_not_taken_for_a_new_database() {
    let folder = TempDir::new();
    let path = folder.path().join("db");
    let tree = sample(&path);
    fs::remove_file(path.join("CURRENT")).expect("removes");
    let error = refusal(&path, &tree, ";");
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
}

/// Other settings with the same genesis, and another genesis.
fn other_chains(tree: &Tree) -> [ChainIdentity; 3] {
    let ours = identity(&tree.anchor);
    [
        ChainIdentity { network: "oops".into(), ..ours.clone() },
        ChainIdentity { preset: SignaturePreset::Short, ..ours.clone() },
        ChainIdentity { genesis_time: 7, ..ours },
    ]
}

fn entry(signature: Option<Signature>) -> SigningEntry {
    SigningEntry {
        public_key: PublicKey::repeat_byte(1),
        slot: 1,
        message: Root::repeat_byte(2),
        signature,
    }
}

#[test]
fn a_database_in_which_nothing_has_happened_is_made_anew_for_other_settings() {
    let (folder, tree) = (TempDir::new(), Tree::new(2));
    let config = RocksDbConfig { path: folder.path().join("db"), retention: small() };
    for wrong in other_chains(&tree) {
        let store = Store::open(&config, &wrong).expect("it was made for it");
        store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
        drop(store);
        let store = open(&config.path, &tree).expect("nothing has happened in it");
        assert!(store.facts().expect("reads").is_none(), "it begins anew");
        store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
        drop(store);
        // The marker says so, too.
        open(&config.path, &tree).expect("it is this chain's");
    }
}

#[test]
fn a_record_of_signatures_is_never_made_anew() {
    let mut tree = Tree::new(2);
    let head = tree.grow_chain(0, 1);
    for (at, wrong) in other_chains(&tree).into_iter().enumerate() {
        let folder = TempDir::new();
        let config = RocksDbConfig { path: folder.path().join("db"), retention: small() };
        let store = Store::open(&config, &wrong).expect("it was made for it");
        store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
        store.write(&[entry(None)]).expect("writes");
        drop(store);
        // It holds for every chain of the genesis.
        match open(&config.path, &tree) {
            Ok(store) => {
                assert!(at < 2, "another genesis");
                let kept = store.find(&PublicKey::repeat_byte(1), 1).expect("reads");
                assert_eq!(kept, Some(entry(None)));
                drop(store);
                let _ = Store::open(&config, &wrong).expect("still nothing has happened");
            }
            Err(error) => assert!(at == 2 && matches!(error, OpenError::Chain { .. }), "{error}"),
        }
        let store = Store::open(&config, &wrong).expect("its own");
        let signature = Signature::placeholder(SignaturePreset::Test);
        store.write(&[entry(Some(signature))]).expect("writes");
        drop(store);
        assert!(matches!(
            refusal(&config.path, &tree, "another directory"),
            OpenError::Chain { .. }
        ));
    }
    // A block is something that has happened.
    let folder = TempDir::new();
    let config = RocksDbConfig { path: folder.path().join("db"), retention: small() };
    let [wrong, ..] = other_chains(&tree);
    let store = Store::open(&config, &wrong).expect("it was made for it");
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
    store.append(&tree.update(&[head], head, 0)).expect("writes");
    drop(store);
    refusal(&config.path, &tree, "another directory");
}

#[test]
fn a_directory_that_is_removed_while_the_node_runs_is_a_fault() {
    let (folder, tree) = (TempDir::new(), Tree::new(2));
    let path = folder.path().join("db");
    let store = Arc::new(open(&path, &tree).expect("a new one"));
    store.begin(&tree.anchor.block, &tree.anchor.state).expect("begins");
    let writer = Writer::start(Arc::clone(&store)).expect("a thread");
    let fault = |is_there: bool| {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let fault = store.health().status().fault;
            if fault.is_some() == is_there {
                return fault;
            }
            assert!(Instant::now() < deadline, "{fault:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).expect("it is there");
    let reason = fault(true).expect("it is a fault");
    assert!(reason.contains("removed or moved") && reason.contains("it is gone"), "{reason}");
    store.write(&[entry(None)]).expect_err("it would be lost");
    fs::create_dir(&path).expect("writable");
    let again = store.write(&[entry(None)]).expect_err("another directory is there").to_string();
    assert!(again.contains("removed or moved"), "{again}");
    fs::remove_dir(&path).expect("it is empty");
    fs::rename(&elsewhere, &path).expect("it is there");
    fault(false);
    store.write(&[entry(None)]).expect("it was put back");
    drop(writer);
}
