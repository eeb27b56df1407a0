//! A process that is killed while it signs.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use quintet_components::{
    containers::{PublicKey, Root, Signature, Slot},
    storage::{SigningEntry, SigningRecord, StorageError},
};
use quintet_plugins::keys::SigningGuard;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::support::{MemoryRecord, Place, message, sign};

/// Kills; each comes after so many signatures and a part of the next.
const KILLS: u64 = 12;
/// Names the folder for the process that is killed.
const FOLDER: &str = "QUINTET_TEST_KILL_FOLDER";

/// A record in a log file: a line an entry, and an empty line that makes what is before it valid.
struct LogRecord {
    memory: MemoryRecord,
    log: Mutex<File>,
}

impl LogRecord {
    fn open(path: &Path) -> Self {
        let memory = MemoryRecord::default();
        let text = fs::read_to_string(path).unwrap_or_default();
        // What comes after the last empty line was never finished.
        let valid = text.rfind("\n\n").map_or(0, |at| at + 2);
        for line in text[..valid].lines().filter(|line| !line.is_empty()) {
            memory.write(&[parse(line)]).expect("memory takes everything");
        }
        let log = OpenOptions::new().create(true).append(true).open(path).expect("it is writable");
        log.set_len(valid as u64).expect("likewise");
        Self { memory, log: Mutex::new(log) }
    }
}

fn parse(line: &str) -> SigningEntry {
    let fields: Vec<_> = line.split(' ').collect();
    let [public_key, slot, message, signature] = fields[..] else { panic!("{line}") };
    let signature = (signature != "-").then(|| {
        serde_json::from_str::<Signature>(&format!("\"{signature}\"")).expect("as written")
    });
    SigningEntry {
        public_key: public_key.parse::<PublicKey>().expect("as written"),
        slot: slot.parse().expect("as written"),
        message: message.parse::<Root>().expect("as written"),
        signature,
    }
}

impl SigningRecord for LogRecord {
    fn find(&self, key: &PublicKey, slot: Slot) -> Result<Option<SigningEntry>, StorageError> {
        self.memory.find(key, slot)
    }

    fn write(&self, entries: &[SigningEntry]) -> Result<(), StorageError> {
        let mut text = String::new();
        for SigningEntry { public_key, slot, message, signature } in entries {
            let signature = signature.as_ref().map_or_else(
                || "-".to_owned(),
                |signature| {
                    let json = serde_json::to_string(signature).expect("it has a form");
                    json.trim_matches('"').to_owned()
                },
            );
            text += &format!("{public_key} {slot} {message} {signature}\n");
        }
        text.push('\n');
        let mut log = self.log.lock().expect("no panic");
        log.write_all(text.as_bytes())
            .and_then(|()| log.sync_data())
            .map_err(|error| StorageError(error.to_string()))?;
        self.memory.write(entries)
    }

    fn after(
        &self,
        position: Option<(&PublicKey, Slot)>,
        limit: usize,
    ) -> Result<Vec<SigningEntry>, StorageError> {
        self.memory.after(position, limit)
    }

    fn prune(&self, key: &PublicKey, before: Slot) -> Result<(), StorageError> {
        self.memory.prune(key, before)
    }
}

fn log_path(place: &Path) -> PathBuf {
    place.join("log")
}

/// The process that is killed: signs slot after slot, each with a message of its own choice, and
/// says what it signed.
#[test]
#[ignore = "run by the test below as a process of its own"]
fn sign_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut place = Place::new("kill-child");
    place.options.data_dir = folder.join("data");
    place.options.mark = folder.join("mark.json");
    let guard: SigningGuard = place.open(LogRecord::open(&log_path(&folder))).expect("no loss");
    let mut out = std::io::stdout();
    for slot in 0.. {
        let text: u8 = rand::rng().random_range(0..3);
        if let Ok(signature) = sign(&guard, slot, text) {
            let json = serde_json::to_string(&signature).expect("it has a form");
            writeln!(out, "signed {slot} {text} {json}").expect("the parent listens");
        } else {
            writeln!(out, "refused {slot}").expect("the parent listens");
        }
    }
}

#[test]
fn no_slot_is_signed_twice_however_often_the_process_is_killed() {
    let place = Place::new("kill");
    let folder = place.folder().path();
    let mut rng = StdRng::seed_from_u64(7);
    let mut signed: BTreeMap<Slot, (u8, String)> = BTreeMap::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("a test has a binary"))
            .args(["--ignored", "--exact", "keys::kill::sign_until_killed", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a test can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut newest = 0;
        // It goes through what it has signed before and then some.
        let until = 4 * (kill + 1) + rng.random_range(0..4);
        let mut killed = false;
        while let Some(Ok(line)) = lines.next() {
            let words: Vec<_> = line.split(' ').collect();
            if let ["signed", slot, text, signature] = words[..] {
                let slot: Slot = slot.parse().expect("as written");
                let this = (text.parse().expect("as written"), signature.to_owned());
                let first = signed.entry(slot).or_insert_with(|| this.clone());
                assert_eq!(*first, this, "slot {slot} was signed twice");
                newest = slot;
            } else if let ["refused", slot] = words[..] {
                newest = slot.parse().expect("as written");
            }
            if newest >= until && !killed {
                // An instant within the next signature.
                let busy: u32 = rng.random_range(0..200_000);
                (0..busy).for_each(|at| {
                    std::hint::black_box(at);
                });
                child.kill().expect("it runs");
                killed = true;
            }
        }
        assert!(killed, "the process ended by itself");
        child.wait().expect("it was killed");
    }
    let record = LogRecord::open(&log_path(folder));
    for (slot, (text, _)) in &signed {
        let key = super::support::public_key();
        let entry = record.find(&key, *slot).expect("it works").expect("it left, so it is there");
        assert_eq!(entry.message, message(*text), "slot {slot}");
    }
    assert!(signed.len() as u64 >= 4 * KILLS, "{}", signed.len());
}
