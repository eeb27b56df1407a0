//! Keys, records that misbehave on demand, and a guard with its folders.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use leansig::{
    KeyGenOptions,
    scheme::{Scheme, SecretKey},
};
use quintet_components::{
    containers::{PublicKey, Root, Signature, Slot, Validator, Validators},
    duties::{Role, SignError, SignRequest},
    storage::{SigningEntry, SigningRecord, StorageError},
};
use quintet_plugins::keys::{AcceptHistoryLoss, GuardError, GuardOptions, SigningGuard, mark_path};
use rand::{SeedableRng, rngs::StdRng};

use crate::folder::Folder;

/// The network of the tests.
pub const GENESIS: Root = Root::repeat_byte(9);

/// The attester's and the proposer's key of four validators, with 64 slots each.
pub static KEYS: LazyLock<Vec<[SecretKey; 2]>> =
    LazyLock::new(|| (0..4).map(|index| [key(2 * index), key(2 * index + 1)]).collect());

/// A key of the test preset for slots 0 to 63.
pub fn key(seed: u64) -> SecretKey {
    key_for(seed, 0, 64)
}

/// A key of the test preset for these slots.
pub fn key_for(seed: u64, first: u64, count: u64) -> SecretKey {
    let mut rng = StdRng::seed_from_u64(seed);
    SecretKey::generate(Scheme::Lifetime8, &mut rng, first, count, &KeyGenOptions::default())
        .expect("the slots are within the lifetime")
}

/// A registry of these keys.
pub fn registry(keys: &[[SecretKey; 2]]) -> Validators {
    let validators = (0..).zip(keys).map(|(index, [attester, proposer])| Validator {
        attestation_public_key: PublicKey::from(attester.public_key()),
        proposal_public_key: PublicKey::from(proposer.public_key()),
        index,
    });
    Validators::new(validators.collect()).expect("few, and in order")
}

/// A message.
pub fn message(text: u8) -> Root {
    Root::repeat_byte(text)
}

/// A request for validator 0's attester key.
pub fn request(slot: Slot, text: u8) -> SignRequest {
    SignRequest { index: 0, role: Role::Attester, slot, message: message(text) }
}

type Entries = BTreeMap<(PublicKey, Slot), SigningEntry>;

/// A record in memory. Clones are the same record, as handles of one disk are; it outlives the
/// guard, as a disk outlives a process.
#[derive(Clone, Default)]
pub struct MemoryRecord(Arc<Mutex<Entries>>);

impl MemoryRecord {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().expect("no test panics with the lock")
    }

    /// A record of its own with what this one has now.
    pub fn backup(&self) -> Self {
        Self(Arc::new(Mutex::new(self.entries().clone())))
    }
}

impl SigningRecord for MemoryRecord {
    fn find(&self, key: &PublicKey, slot: Slot) -> Result<Option<SigningEntry>, StorageError> {
        Ok(self.entries().get(&(*key, slot)).cloned())
    }

    fn write(&self, entries: &[SigningEntry]) -> Result<(), StorageError> {
        let place = |entry: &SigningEntry| ((entry.public_key, entry.slot), entry.clone());
        self.entries().extend(entries.iter().map(place));
        Ok(())
    }

    fn after(
        &self,
        position: Option<(&PublicKey, Slot)>,
        limit: usize,
    ) -> Result<Vec<SigningEntry>, StorageError> {
        let entries = self.entries();
        let after =
            entries.iter().filter(|(place, _)| position.is_none_or(|(k, s)| **place > (*k, s)));
        Ok(after.take(limit).map(|(_, entry)| entry.clone()).collect())
    }

    fn prune(&self, key: &PublicKey, before: Slot) -> Result<(), StorageError> {
        self.entries().retain(|(owner, slot), _| owner != key || *slot >= before);
        Ok(())
    }
}

/// A record that fails when it is told to.
#[derive(Default)]
pub struct FaultyRecord {
    pub disk: MemoryRecord,
    pub fail_finds: AtomicBool,
    pub fail_writes: AtomicBool,
    /// A failing write reaches the disk all the same.
    pub write_before_failing: AtomicBool,
    pub fail_prunes: AtomicBool,
    pub writes: AtomicUsize,
}

impl FaultyRecord {
    fn result(&self, fails: &AtomicBool) -> Result<(), StorageError> {
        if fails.load(Ordering::SeqCst) {
            return Err(StorageError("no space left on device".into()));
        }
        Ok(())
    }
}

impl SigningRecord for FaultyRecord {
    fn find(&self, key: &PublicKey, slot: Slot) -> Result<Option<SigningEntry>, StorageError> {
        self.result(&self.fail_finds)?;
        self.disk.find(key, slot)
    }

    fn write(&self, entries: &[SigningEntry]) -> Result<(), StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let result = self.result(&self.fail_writes);
        if result.is_ok() || self.write_before_failing.load(Ordering::SeqCst) {
            self.disk.write(entries)?;
        }
        result
    }

    fn after(
        &self,
        position: Option<(&PublicKey, Slot)>,
        limit: usize,
    ) -> Result<Vec<SigningEntry>, StorageError> {
        self.disk.after(position, limit)
    }

    fn prune(&self, key: &PublicKey, before: Slot) -> Result<(), StorageError> {
        self.result(&self.fail_prunes)?;
        self.disk.prune(key, before)
    }
}

/// The folders of a node that signs.
pub struct Place {
    folder: Folder,
    pub options: GuardOptions,
}

impl Place {
    pub fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let options = GuardOptions {
            data_dir: folder.join("data"),
            mark: mark_path(&folder.join("keys"), "node_0", &GENESIS),
            genesis: GENESIS,
            accept_history_loss: AcceptHistoryLoss::No,
        };
        Self { folder, options }
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Starts a guard over a record.
    pub fn open(&self, record: impl SigningRecord) -> Result<SigningGuard, GuardError> {
        SigningGuard::open(Arc::new(record), &self.options)
    }

    /// Ends a guard as a crash does: what it would write on its way out is not written.
    pub fn crash(&self, guard: SigningGuard, record: &MemoryRecord) -> MemoryRecord {
        let mark = std::fs::read(&self.options.mark).expect("a guard has a mark");
        let left = record.backup();
        drop(guard);
        std::fs::write(&self.options.mark, mark).expect("it is writable");
        left
    }

    /// Starts a guard that goes on with a lossy record.
    pub fn accept_loss(&self, record: impl SigningRecord) -> Result<SigningGuard, GuardError> {
        let accept_history_loss = AcceptHistoryLoss::Yes;
        let options = GuardOptions { accept_history_loss, ..self.options.clone() };
        SigningGuard::open(Arc::new(record), &options)
    }
}

/// The public key of validator 0's attester.
pub fn public_key() -> PublicKey {
    PublicKey::from(KEYS[0][0].public_key())
}

/// Has validator 0's attester key sign behind a guard.
pub fn sign(guard: &SigningGuard, slot: Slot, text: u8) -> Result<Signature, SignError> {
    sign_request(guard, request(slot, text))
}

/// Has validator 0's attester key sign a request behind a guard.
pub fn sign_request(guard: &SigningGuard, request: SignRequest) -> Result<Signature, SignError> {
    let made = guard.sign_all(&[(public_key(), request)], |_| raw_signature(&request));
    made.into_iter().next().expect("one outcome a request")
}

/// The signature of the key without a guard in between; only for comparing.
pub fn raw_signature(request: &SignRequest) -> Result<Signature, SignError> {
    let epoch = u32::try_from(request.slot).expect("tests sign for early slots");
    let bytes = KEYS[0][0]
        .sign(epoch % 32, &request.message.0)
        .map_err(|error| SignError::Key(error.to_string()))?;
    Ok(Signature::new(bytes).expect("a signature has its form"))
}

/// The error for a key that has signed another message.
pub fn already_signed(slot: Slot) -> SignError {
    SignError::AlreadySigned { index: 0, role: Role::Attester, slot }
}
