//! `quintet keys export` and `import`, as an operator runs them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use quintet::network_dir::GenesisFile;
use quintet_components::{
    containers::{PublicKey, Root, Signature, Slot, State},
    duties::{Role, SignError, SignRequest},
    preset::SignaturePreset,
    storage::{ChainIdentity, SigningRecord},
};
use quintet_plugins::{
    keys::{AcceptHistoryLoss, GuardError, GuardOptions, SigningGuard, SigningHistory, mark_path},
    storage::{Retention, RocksDbConfig, Store},
};
use quintet_systems::transition::generate_genesis;
use tree_hash::TreeHash;

use crate::folder::Folder;

const NODE: &str = "quintet_0";

/// A network on the disk, and a machine's folders.
struct Machine {
    folder: Folder,
    genesis: State,
}

impl Machine {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let made = run(&[
            "genesis",
            "--nodes",
            "1",
            "--xmss",
            "test",
            "--seed",
            "3",
            "--key-cache",
            path(&folder.join("cache")),
            "--out",
            path(&folder.join("network")),
        ]);
        assert!(made.status.success(), "{}", text(&made));
        let file = GenesisFile::read(&folder.join("network/config.yaml")).expect("was written");
        let registry = file.registry().expect("it has validators");
        let genesis = generate_genesis(file.genesis_time, registry);
        Self { folder, genesis }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The guard that a node with this data directory has.
    fn guard(&self, data: &Path) -> Result<SigningGuard, GuardError> {
        let identity = ChainIdentity::of(&self.genesis, "12345678", SignaturePreset::Test);
        let config = RocksDbConfig { path: data.join("chain"), retention: Retention::default() };
        fs::create_dir_all(data).expect("the folder is writable");
        let store: Arc<dyn SigningRecord> =
            Arc::new(Store::open(&config, &identity).expect("opens"));
        let genesis = self.genesis.tree_hash_root();
        let mut marks = data.as_os_str().to_owned();
        marks.push(".signing");
        let options = GuardOptions {
            data_dir: data.to_owned(),
            mark: mark_path(Path::new(&marks), NODE, &genesis),
            genesis,
            accept_history_loss: AcceptHistoryLoss::No,
        };
        SigningGuard::open(store, &options)
    }

    fn keys(&self, command: &str, data: &Path, file: &Path, more: &[&str]) -> Output {
        let network = self.folder.join("network");
        let mut arguments = vec!["keys", command, "--network-dir", path(&network)];
        arguments.extend(["--node-id", NODE, "--data-dir", path(data)]);
        arguments.extend(more);
        arguments.push(path(file));
        run(&arguments)
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quintet"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("test paths are text")
}

fn text(output: &Output) -> String {
    let of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    of(&output.stdout) + &of(&output.stderr)
}

/// The error of a command that fails.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(output));
    text(output)
}

fn key(byte: u8) -> PublicKey {
    PublicKey::repeat_byte(byte)
}

fn sign(guard: &SigningGuard, byte: u8, slot: Slot, message: u8) -> Result<(), SignError> {
    let message = Root::repeat_byte(message);
    let request = SignRequest { index: 0, role: Role::Attester, slot, message };
    let made = Signature::placeholder(SignaturePreset::Test);
    guard.sign_all(&[(key(byte), request)], |_| Ok(made.clone())).remove(0).map(drop)
}

fn already(slot: Slot) -> Result<(), SignError> {
    Err(SignError::AlreadySigned { index: 0, role: Role::Attester, slot })
}

#[test]
fn a_validator_moves_to_another_machine_and_signs_nothing_twice() {
    let machine = Machine::new("move");
    let (old, new) = (machine.data("old"), machine.data("new"));
    let guard = machine.guard(&old).expect("a new record");
    for slot in 3..6 {
        sign(&guard, 1, slot, 1).expect("new");
        sign(&guard, 2, slot, 2).expect("new");
    }
    let expected = guard.export().expect("it is readable");
    drop(guard);

    let file = machine.data("history.json");
    let output = machine.keys("export", &old, &file, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("6 signatures of 2 keys"), "{}", text(&output));
    assert_eq!(SigningHistory::read(&file).expect("its own format"), expected);
    // It is not replaced by chance.
    let refused = refusal(&machine.keys("export", &old, &file, &[]));
    assert!(refused.contains("history.json exists") && refused.contains("--force"), "{refused}");
    assert!(machine.keys("export", &old, &file, &["--force"]).status.success());

    let output = machine.keys("import", &new, &file, &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("6 signatures added"), "{}", text(&output));
    let guard = machine.guard(&new).expect("the import made it");
    assert_eq!(sign(&guard, 1, 4, 9), already(4));
    assert_eq!(sign(&guard, 2, 5, 9), already(5));
    sign(&guard, 1, 4, 1).expect("the same again");
    sign(&guard, 1, 6, 9).expect("new");
    drop(guard);
    // Once more adds nothing.
    let output = machine.keys("import", &new, &file, &[]);
    assert!(text(&output).contains("0 signatures added, 6 known before"), "{}", text(&output));
}

#[test]
fn a_history_that_contradicts_the_record_is_told() {
    let machine = Machine::new("contradicts");
    let (old, new) = (machine.data("old"), machine.data("new"));
    for (data, message) in [(&old, 1), (&new, 2)] {
        let guard = machine.guard(data).expect("a new record");
        sign(&guard, 1, 5, message).expect("new");
    }
    let file = machine.data("history.json");
    assert!(machine.keys("export", &old, &file, &[]).status.success());
    let refused = refusal(&machine.keys("import", &new, &file, &[]));
    assert!(refused.contains("signed twice") && refused.contains("not be used"), "{refused}");
    let guard = machine.guard(&new).expect("it is whole");
    assert_eq!(sign(&guard, 1, 5, 1), already(5), "the record's message stays");
}

#[test]
fn a_lost_record_is_made_good_by_a_history() {
    let machine = Machine::new("lost");
    let data = machine.data("data");
    let guard = machine.guard(&data).expect("a new record");
    sign(&guard, 1, 5, 1).expect("new");
    drop(guard);
    let file = machine.data("history.json");
    assert!(machine.keys("export", &data, &file, &[]).status.success());
    fs::remove_dir_all(&data).expect("it is there");

    // The mark stands beside it, and says that something is missing.
    let refused = refusal(&machine.keys("import", &data, &file, &[]));
    assert!(refused.contains("--accept-signing-history-loss"), "{refused}");
    let output = machine.keys("import", &data, &file, &["--accept-signing-history-loss"]);
    assert!(output.status.success(), "{}", text(&output));
    let guard = machine.guard(&data).expect("the loss was accepted");
    assert_eq!(sign(&guard, 1, 5, 9), already(5));
    assert!(matches!(sign(&guard, 1, 4, 9), Err(SignError::TooOld { floor: 6, .. })));
    sign(&guard, 1, 6, 9).expect("nobody knows of a signature");
}

#[test]
fn commands_go_by_the_folder_and_not_by_its_spelling() {
    let machine = Machine::new("spelt");
    let data = machine.data("data");
    let guard = machine.guard(&data).expect("a new record");
    sign(&guard, 1, 5, 1).expect("new");
    drop(guard);
    let file = machine.data("history.json");
    let slash = PathBuf::from(format!("{}/", data.display()));
    let link = machine.data("link");
    std::os::unix::fs::symlink("data", &link).expect("writable");
    for spelling in [&slash, &link] {
        let output = machine.keys("export", spelling, &file, &["--force"]);
        assert!(output.status.success(), "{}", text(&output));
        let output = machine.keys("import", spelling, &file, &[]);
        assert!(text(&output).contains("1 known before"), "{}", text(&output));
    }
    assert!(!data.join(".signing").exists() && !machine.data("link.signing").exists());

    // Moved without its mark.
    let moved = machine.data("moved");
    fs::rename(&data, &moved).expect("it moves");
    let refused = refusal(&machine.keys("export", &moved, &file, &["--force"]));
    assert!(refused.contains("has moved") && refused.contains("data.signing"), "{refused}");
    assert!(!refused.contains("accept-signing-history-loss"), "{refused}");
    let inside = moved.join("marks");
    let flags = ["--force", "--signing-mark-dir", path(&inside)];
    let refused = refusal(&machine.keys("export", &moved, &file, &flags));
    assert!(refused.contains("inside the data directory"), "{refused}");
    let marks = machine.data("data.signing");
    let flags = ["--force", "--signing-mark-dir", path(&marks)];
    let output = machine.keys("export", &moved, &file, &flags);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_cannot_be_exported_or_imported_is_told_with_its_file() {
    let machine = Machine::new("refused");
    let data = machine.data("data");
    let file = machine.data("history.json");
    let refused = refusal(&machine.keys("export", &data, &file, &[]));
    assert!(refused.contains("no node's data") && refused.contains("--data-dir"), "{refused}");
    assert!(!data.exists() && !file.exists(), "nothing was made");

    let refused = refusal(&machine.keys("import", &data, &file, &[]));
    assert!(refused.contains("history.json"), "{refused}");
    for (content, reason) in
        [("not JSON", "not a signing history"), ("{\"format\":\"other\"}", "missing field")]
    {
        fs::write(&file, content).expect("the folder is writable");
        let refused = refusal(&machine.keys("import", &data, &file, &[]));
        assert!(refused.contains("history.json") && refused.contains(reason), "{refused}");
    }
    // Another network's history.
    let guard = machine.guard(&data).expect("a new record");
    let mut history = guard.export().expect("it is readable");
    history.genesis = Root::repeat_byte(7);
    history.write(&file).expect("the folder is writable");
    // While a node signs, nobody else does.
    let refused = refusal(&machine.keys("export", &data, &machine.data("other.json"), &[]));
    assert!(refused.contains("another process") && refused.contains("stop"), "{refused}");
    drop(guard);
    let refused = refusal(&machine.keys("import", &data, &file, &[]));
    assert!(refused.contains("network of genesis"), "{refused}");
}
