//! The guard: no key signs twice for a slot.
//!
//! A second signature for a slot reveals an XMSS key. What a key is about to sign is therefore on
//! the disk before it signs, and the guard decides by what is on the disk:
//!
//! 1. A batch of requests is looked up in the record. A recorded message gets its signature again.
//!    Another message for the slot is refused, and so is a slot before the key's *floor*, for which
//!    the record is no longer complete.
//! 2. The others are written to the record in one synced batch, with the record's *generation*,
//!    which every batch increases by one.
//! 3. The *mark*, a small file outside the data directory, is raised to this generation. A record
//!    that is behind its mark is recognized as an older copy.
//! 4. Then the keys sign. Signing is deterministic: if a crash left an intent without a signature,
//!    the same request makes the same signature.
//!
//! Signatures are recorded with the next batch, so that they need no sync of their own.

mod bookkeeping;
mod error;
mod history;
mod ledger;
mod mark;
mod place;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use quintet_components::{
    containers::{PublicKey, Root, Signature},
    duties::{SignError, SignRequest},
    storage::SigningRecord,
};

pub use error::{GuardError, HistoryLoss};
pub use history::{HistoryError, ImportSummary, KeyHistory, SignedSlot, SigningHistory};
pub use ledger::{KEPT_SLOTS, MAX_UNSAVED};
pub use mark::{MarkPlace, mark_path};
pub use place::mark_folder;

use super::durable::{self, FileLock, LockError};
use ledger::{Claim, Ledger};
use mark::MarkFile;

/// The action for a record that lacks signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcceptHistoryLoss {
    /// Refuse to start.
    #[default]
    No,
    /// Continue, and never sign for a slot up to the highest one that is known to be signed.
    Yes,
}

/// The guard's paths and network.
#[derive(Clone, Debug)]
pub struct GuardOptions {
    /// The data directory. It is locked.
    pub data_dir: PathBuf,
    /// The mark, outside the data directory. It is locked too. See [`mark_path`].
    pub mark: PathBuf,
    /// The network's genesis: the root of its first block's state.
    pub genesis: Root,
    /// The action for an incomplete record.
    pub accept_history_loss: AcceptHistoryLoss,
}

/// Signatures requested since the guard began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigningCounts {
    /// Made.
    pub signed: u64,
    /// Returned again.
    pub repeated: u64,
    /// Refused: the key has signed another message for the slot.
    pub refused: u64,
    /// Refused: the slot is before the key's floor.
    pub too_old: u64,
    /// Not made, because the record or the mark could not be written or read.
    pub unrecorded: u64,
}

#[derive(Debug, Default)]
struct Counters {
    signed: AtomicU64,
    repeated: AtomicU64,
    refused: AtomicU64,
    too_old: AtomicU64,
    unrecorded: AtomicU64,
}

/// Lets a key sign once per slot, whatever happens to the process or its disk.
pub struct SigningGuard {
    ledger: Mutex<Ledger>,
    genesis: Root,
    counters: Counters,
    // Held as long as the guard exists.
    _locks: Vec<FileLock>,
}

impl SigningGuard {
    /// Takes the locks, and compares the record with its mark.
    ///
    /// # Errors
    /// [`GuardError`]: a lock is held, the mark would be inside the data directory, or signatures
    /// are missing from the record.
    pub fn open(
        record: Arc<dyn SigningRecord>,
        options: &GuardOptions,
    ) -> Result<Self, GuardError> {
        let spelt = &options.data_dir;
        let options = &place::resolved(options)?;
        let locks = [
            lock(&options.data_dir.join("signing.lock"))?,
            lock(&durable::with_suffix(&options.mark, ".lock"))?,
        ];
        let ledger = MarkFile::open(&options.mark)
            .and_then(|mark| Ledger::open(record, options, mark, rand::random()))
            .map_err(|error| place::explained(error, options, spelt))?;
        place::remember(options)?;
        Ok(Self::of(ledger, options.genesis, locks.into()))
    }

    /// A guard whose mark is at this place, and which locks nothing: for a simulator, or a client
    /// that keeps others out by itself. A record that is made, or made anew after a loss, gets the
    /// id, which no other record may have.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_at(
        record: Arc<dyn SigningRecord>,
        mark: Box<dyn MarkPlace>,
        options: &GuardOptions,
        id: [u8; 16],
    ) -> Result<Self, GuardError> {
        let mark = MarkFile::open_at(&options.mark, mark)?;
        let ledger = Ledger::open(record, options, mark, id)?;
        Ok(Self::of(ledger, options.genesis, Vec::new()))
    }

    fn of(ledger: Ledger, genesis: Root, locks: Vec<FileLock>) -> Self {
        let counters = Counters::default();
        Self { ledger: Mutex::new(ledger), genesis, counters, _locks: locks }
    }

    /// Signs what may be signed. Returns one outcome per request, in the order of the requests. All
    /// new requests share one synced write. `sign` makes the signature of a request by its index,
    /// on this thread or, for large batches, on several.
    pub fn sign_all(
        &self,
        requests: &[(PublicKey, SignRequest)],
        sign: impl Fn(usize) -> Result<Signature, SignError> + Sync,
    ) -> Vec<Result<Signature, SignError>> {
        let claims = self.ledger().claim(requests);
        for (claim, (_, request)) in claims.iter().zip(requests) {
            self.count(claim, request);
        }
        let granted: Vec<usize> = claims
            .iter()
            .enumerate()
            .filter_map(|(at, claim)| matches!(claim, Claim::Granted).then_some(at))
            .collect();
        let mut made = make(&granted, &sign).into_iter();
        let outcomes: Vec<_> = claims
            .into_iter()
            .map(|claim| match claim {
                Claim::Granted => made.next().expect("one for each that was granted"),
                Claim::Recorded(signature) => Ok(signature),
                Claim::Refused(error) => Err(error),
            })
            .collect();
        let mut ledger = self.ledger();
        for at in granted {
            if let Ok(signature) = &outcomes[at] {
                self.counters.signed.fetch_add(1, Ordering::Relaxed);
                let (key, request) = &requests[at];
                ledger.keep(key, request, signature.clone());
            }
        }
        outcomes
    }

    /// The counts of requests.
    pub fn counts(&self) -> SigningCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SigningCounts {
            signed: of(&self.counters.signed),
            repeated: of(&self.counters.repeated),
            refused: of(&self.counters.refused),
            too_old: of(&self.counters.too_old),
            unrecorded: of(&self.counters.unrecorded),
        }
    }

    /// Everything in the record, for moving keys to another machine.
    ///
    /// # Errors
    /// [`GuardError::Record`].
    pub fn export(&self) -> Result<SigningHistory, GuardError> {
        self.ledger().export(self.genesis)
    }

    /// Adds a history to the record. The record's entries stay, and no floor is lowered.
    ///
    /// # Errors
    /// [`HistoryError`]: it belongs to another network, contradicts the record, or could not be
    /// written.
    pub fn import(&self, history: &SigningHistory) -> Result<ImportSummary, HistoryError> {
        if history.genesis != self.genesis {
            return Err(HistoryError::OtherGenesis {
                expected: self.genesis,
                found: history.genesis,
            });
        }
        self.ledger().import(history)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, claim: &Claim, request: &SignRequest) {
        let counter = match claim {
            Claim::Granted => return,
            Claim::Recorded(_) => &self.counters.repeated,
            Claim::Refused(error) => {
                tracing::error!(slot = request.slot, %error, "no signature");
                match error {
                    SignError::AlreadySigned { .. } => &self.counters.refused,
                    SignError::TooOld { .. } => &self.counters.too_old,
                    _ => &self.counters.unrecorded,
                }
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for SigningGuard {
    fn drop(&mut self) {
        if let Err(error) = self.ledger().save() {
            // The intents are recorded, so the signatures can be made again.
            tracing::debug!(%error, "the last signatures are not recorded");
        }
    }
}

fn lock(path: &Path) -> Result<FileLock, GuardError> {
    FileLock::take(path).map_err(|error| match error {
        LockError::Held(holder) => GuardError::Locked { path: path.to_owned(), holder },
        LockError::Io(source) => GuardError::Lock { path: path.to_owned(), source },
    })
}

/// The number of signatures for which a thread is started.
const SIGNATURES_PER_THREAD: usize = 16;

/// Makes the signatures, on several threads if there are many.
fn make(
    granted: &[usize],
    sign: &(impl Fn(usize) -> Result<Signature, SignError> + Sync),
) -> Vec<Result<Signature, SignError>> {
    // How many cores there are costs more than a few signatures' bookkeeping.
    let cores = |wanted: usize| match wanted {
        0 | 1 => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from).min(wanted),
    };
    let threads = cores(granted.len().div_ceil(SIGNATURES_PER_THREAD));
    if threads <= 1 {
        return granted.iter().map(|at| sign(*at)).collect();
    }
    let share = granted.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let parts: Vec<_> = granted
            .chunks(share)
            .map(|part| {
                let made = move || part.iter().map(|at| sign(*at)).collect::<Vec<_>>();
                (part.len(), scope.spawn(made))
            })
            .collect();
        let failed = |count| {
            (0..count).map(|_| Err(SignError::Key("signing ended with a panic".into()))).collect()
        };
        parts
            .into_iter()
            .flat_map(|(count, part)| part.join().unwrap_or_else(|_| failed(count)))
            .collect()
    })
}
