//! A key whose prepared window moves with the slots.
//!
//! A key in memory can sign for the slots of two neighbouring bottom trees. Half a window before
//! their end, plus a margin for late duties, the key advances by one tree in the background. It can
//! sign in the meantime, and is never much closer than half a window to the end. If the clock is set
//! back to before the window, the key's file is read again.

use std::{
    ops::Range,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use leansig::{KeyGenError, KeyGenOptions, keys::read_secret_key, scheme::SecretKey};
use quintet_components::{
    containers::{PublicKey, Root, Signature, Slot, ValidatorIndex},
    duties::{Role, SignError},
};

use super::load::file_role;

/// The previous tree is dropped when this part of a bottom tree's slots is over, because duties for
/// its last slots may be late.
const MARGIN_DIVISOR: u64 = 8;

/// A secret key and its window.
pub(super) struct WindowedKey {
    pub(super) index: ValidatorIndex,
    pub(super) role: Role,
    pub(super) public_key: PublicKey,
    key: RwLock<SecretKey>,
    /// The file that it was read from.
    file: PathBuf,
    /// Held while the next tree is made, so that it is made only once.
    advancing: Mutex<()>,
}

impl WindowedKey {
    pub(super) fn new(index: ValidatorIndex, role: Role, key: SecretKey, file: PathBuf) -> Self {
        Self {
            index,
            role,
            public_key: PublicKey::from(key.public_key()),
            key: RwLock::new(key),
            file,
            advancing: Mutex::new(()),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&SecretKey) -> T) -> T {
        read(&self.key.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn activation(&self) -> Range<Slot> {
        self.read(SecretKey::activation)
    }

    pub(super) fn prepared(&self) -> Range<Slot> {
        self.read(SecretKey::prepared)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.read(SecretKey::memory_bytes)
    }

    /// Returns true if the window should advance, now that this slot has begun.
    pub(super) fn is_due(&self, slot: Slot) -> bool {
        self.read(|key| is_due(key, slot))
    }

    /// Returns true if the window has left the current slot behind: the clock was set back.
    pub(super) fn is_past(&self, slot: Slot) -> bool {
        slot < self.prepared().start && slot >= self.activation().start
    }

    /// Reads the key's file again, and prepares the key for a slot that its window has left behind.
    /// Returns true if it did.
    ///
    /// # Errors
    /// The file cannot be read, has another key now, or the work was cancelled.
    pub(super) fn go_back(&self, slot: Slot, options: &KeyGenOptions<'_>) -> Result<bool, String> {
        let _advancing = self.advancing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_past(slot) {
            return Ok(false);
        }
        let (scheme, role) = (self.read(SecretKey::scheme), file_role(self.role));
        let mut key =
            read_secret_key(scheme, &self.file, Some(role)).map_err(|error| error.to_string())?;
        if PublicKey::from(key.public_key()) != self.public_key {
            return Err(format!("{}: it has another key now", self.file.display()));
        }
        while is_due(&key, slot) {
            let next = key.prepare_next(options).map_err(|error| error.to_string())?;
            let advanced = next.is_some_and(|next| key.advance_with(next).is_ok());
            if !advanced {
                break;
            }
        }
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(true)
    }

    /// Advances the window by one tree if `due` is still true. Returns true if it advanced.
    pub(super) fn advance_if(
        &self,
        due: impl Fn(&Self) -> bool,
        options: &KeyGenOptions<'_>,
    ) -> Result<bool, KeyGenError> {
        let _advancing = self.advancing.lock().unwrap_or_else(PoisonError::into_inner);
        if !due(self) {
            return Ok(false);
        }
        // Signing continues while the tree is made.
        let Some(next) = self.read(|key| key.prepare_next(options))? else { return Ok(false) };
        let mut key = self.key.write().unwrap_or_else(PoisonError::into_inner);
        Ok(key.advance_with(next).is_ok())
    }

    fn who(&self) -> String {
        format!("the {} key of validator {}", self.role.name(), self.index)
    }

    /// Checks that the slot is in the key's lifetime.
    pub(super) fn check_lifetime(&self, slot: Slot) -> Result<(), SignError> {
        let activation = self.activation();
        if slot >= activation.end {
            return Err(SignError::Key(format!(
                "{} ended at slot {}: slot {slot} needs a new key, in a new registry",
                self.who(),
                activation.end
            )));
        }
        if slot < activation.start {
            return Err(SignError::Key(format!(
                "{} begins at slot {}, after slot {slot}",
                self.who(),
                activation.start
            )));
        }
        Ok(())
    }

    /// Signs. `waited` counts signatures that had to wait for the window to advance.
    pub(super) fn sign(
        &self,
        slot: Slot,
        message: &Root,
        waited: &AtomicU64,
    ) -> Result<Signature, SignError> {
        self.check_lifetime(slot)?;
        let ended = |key: &Self| slot >= key.prepared().end;
        if ended(self) {
            waited.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                slot,
                index = self.index,
                role = self.role.name(),
                "the key's prepared window has ended: signing waits for the next one"
            );
        }
        while ended(self) {
            self.advance_if(ended, &KeyGenOptions::default())
                .map_err(|error| SignError::Key(error.to_string()))?;
        }
        let prepared = self.prepared();
        if slot < prepared.start {
            return Err(SignError::Key(format!(
                "{} has moved on to slots {} to {} and no longer signs for slot {slot}; if the clock \
                 was set back, the key is prepared again within a slot, or at a restart",
                self.who(),
                prepared.start,
                prepared.end - 1
            )));
        }
        let epoch = u32::try_from(slot)
            .map_err(|_| SignError::Key(format!("slot {slot} is past every key's lifetime")))?;
        let bytes = self
            .read(|key| key.sign(epoch, &message.0))
            .map_err(|error| SignError::Key(error.to_string()))?;
        Signature::new(bytes).map_err(|error| SignError::Key(error.to_string()))
    }
}

/// Returns true if the key's window should advance, now that this slot has begun.
fn is_due(key: &SecretKey, slot: Slot) -> bool {
    let prepared = key.prepared();
    let tree = (prepared.end - prepared.start) / 2;
    let margin = (tree / MARGIN_DIVISOR).max(1);
    prepared.end < key.activation().end && slot >= prepared.start + tree + margin
}

/// The thread that advances keys, one after the other, on one core.
pub(super) struct WindowWorker {
    slots: Option<SyncSender<Slot>>,
    cancel: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl WindowWorker {
    pub(super) fn start(keys: Arc<[WindowedKey]>, advanced: Arc<AtomicU64>) -> Self {
        // If the worker is busy, the next slot asks again.
        let (slots, asked) = sync_channel(1);
        let cancel = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&cancel);
        let thread = std::thread::Builder::new()
            .name("key-windows".into())
            .spawn(move || work(&asked, &keys, &advanced, &stop))
            .inspect_err(|error| {
                tracing::error!(%error, "no thread to prepare keys: signing will wait for them");
            })
            .ok();
        Self { slots: Some(slots), cancel, thread }
    }

    /// Makes the worker check the keys.
    pub(super) fn begin_slot(&self, slot: Slot) {
        if let Some(slots) = &self.slots {
            // Full: it has not read the last slot yet.
            let _ = slots.try_send(slot);
        }
    }
}

impl Drop for WindowWorker {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
        self.slots = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("preparing keys ended with a panic");
        }
    }
}

fn work(asked: &Receiver<Slot>, keys: &[WindowedKey], advanced: &AtomicU64, cancel: &AtomicBool) {
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool,
        Err(error) => {
            tracing::error!(%error, "no thread to prepare keys: signing will wait for them");
            return;
        }
    };
    let options = KeyGenOptions { pool: Some(&pool), progress: None, cancel: Some(cancel) };
    while let Ok(slot) = asked.recv() {
        for key in keys {
            if key.is_past(slot) {
                go_back(key, slot, &options);
            }
            while key.is_due(slot) && !cancel.load(Ordering::Acquire) {
                match key.advance_if(|key| key.is_due(slot), &options) {
                    Ok(true) => {
                        advanced.fetch_add(1, Ordering::Relaxed);
                        let prepared = key.prepared();
                        tracing::info!(
                            index = key.index,
                            role = key.role.name(),
                            until = prepared.end,
                            "the key is prepared for more slots"
                        );
                    }
                    Ok(false) | Err(KeyGenError::Cancelled) => break,
                    Err(error) => {
                        tracing::error!(
                            index = key.index, role = key.role.name(), %error,
                            "the key cannot be prepared for more slots: restore its file from \
                             a backup"
                        );
                        break;
                    }
                }
            }
        }
    }
}

/// Prepares a key for a slot that its window has left behind, and logs that.
fn go_back(key: &WindowedKey, slot: Slot, options: &KeyGenOptions<'_>) {
    let (index, role) = (key.index, key.role.name());
    match key.go_back(slot, options) {
        Ok(true) => {
            let prepared = key.prepared();
            tracing::warn!(
                index,
                role,
                slot,
                from = prepared.start,
                until = prepared.end,
                "the clock was set back: the key is prepared for earlier slots again"
            );
        }
        Ok(false) => {}
        // The node ends.
        Err(_) if options.cancel.is_some_and(|cancel| cancel.load(Ordering::Acquire)) => {}
        Err(error) => tracing::error!(
            index,
            role,
            slot,
            %error,
            "the clock was set back, and the key cannot be prepared for earlier slots: mend its \
             file and restart the node"
        ),
    }
}
