//! The node's keys: loaded, guarded and prepared.

use std::{
    collections::BTreeMap,
    ops::Range,
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quintet_components::{
    containers::{Signature, Slot, ValidatorIndex},
    duties::{Role, SignError, SignRequest, Signer, SignerStatus},
};

use super::{
    guard::{SigningCounts, SigningGuard},
    load::LoadedKeys,
    window::{WindowWorker, WindowedKey},
};

/// The status of the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyStatus {
    /// Keys in memory.
    pub keys: usize,
    /// The memory that their trees take, in bytes.
    pub memory_bytes: usize,
    /// The first slot for which some key is not prepared yet.
    pub prepared_until: Slot,
    /// The first slot for which some key can never sign.
    pub lifetime_until: Slot,
    /// Windows that were moved in the background.
    pub advanced: u64,
    /// The number of times that signing had to wait for a window.
    pub waited: u64,
    /// Counts of requested signatures.
    pub signing: SigningCounts,
}

/// Signs with the node's keys, behind a [`SigningGuard`]. The keys' windows advance on a separate
/// thread, which ends with the manager.
pub struct KeyManager {
    keys: Arc<[WindowedKey]>,
    places: BTreeMap<(ValidatorIndex, Role), usize>,
    guard: SigningGuard,
    advanced: Arc<AtomicU64>,
    waited: AtomicU64,
    worker: WindowWorker,
}

impl KeyManager {
    /// Signs with these keys behind this guard.
    pub fn new(loaded: LoadedKeys, guard: SigningGuard) -> Self {
        let keys: Arc<[_]> = loaded.keys.into();
        let places = keys.iter().enumerate().map(|(at, key)| ((key.index, key.role), at)).collect();
        let advanced = Arc::new(AtomicU64::new(0));
        let worker = WindowWorker::start(Arc::clone(&keys), Arc::clone(&advanced));
        Self { keys, places, guard, advanced, waited: AtomicU64::new(0), worker }
    }

    /// The guard, for exporting and importing the signing history.
    pub fn guard(&self) -> &SigningGuard {
        &self.guard
    }

    /// The status of the keys.
    pub fn status(&self) -> KeyStatus {
        KeyStatus {
            keys: self.keys.len(),
            memory_bytes: self.keys.iter().map(WindowedKey::memory_bytes).sum(),
            prepared_until: self.keys.iter().map(|key| key.prepared().end).min().unwrap_or(0),
            lifetime_until: self.keys.iter().map(|key| key.activation().end).min().unwrap_or(0),
            advanced: self.advanced.load(Ordering::Relaxed),
            waited: self.waited.load(Ordering::Relaxed),
            signing: self.guard.counts(),
        }
    }

    /// The key of a request, if the slot is in its lifetime.
    fn key(&self, request: &SignRequest) -> Result<&WindowedKey, SignError> {
        let SignRequest { index, role, slot, .. } = *request;
        let place = self.places.get(&(index, role));
        let key = &self.keys[*place.ok_or(SignError::UnknownKey { index, role })?];
        key.check_lifetime(slot)?;
        Ok(key)
    }
}

impl Signer for KeyManager {
    fn validators(&self) -> Vec<ValidatorIndex> {
        let mut validators: Vec<_> = self.places.keys().map(|(index, _)| *index).collect();
        validators.dedup();
        validators
    }

    fn sign(&self, request: &SignRequest) -> Result<Signature, SignError> {
        self.sign_all(slice::from_ref(request)).pop().expect("one outcome a request")
    }

    fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        let keys: Vec<_> = requests.iter().map(|request| self.key(request)).collect();
        // A request outside a key's lifetime is not recorded. One from before the key's window may
        // be recorded with its signature.
        let guarded: Vec<_> = keys
            .iter()
            .zip(requests)
            .filter_map(|(key, request)| Some((key.as_ref().ok()?, *request)))
            .collect();
        let asked: Vec<_> =
            guarded.iter().map(|(key, request)| (key.public_key, *request)).collect();
        let mut outcomes = self
            .guard
            .sign_all(&asked, |at| {
                let (key, request) = &guarded[at];
                key.sign(request.slot, &request.message, &self.waited)
            })
            .into_iter();
        keys.iter()
            .map(|key| match key {
                Ok(_) => outcomes.next().expect("one outcome a request"),
                Err(error) => Err(error.clone()),
            })
            .collect()
    }

    fn begin_slot(&self, slot: Slot) {
        self.worker.begin_slot(slot);
    }

    fn key_status(&self) -> Option<SignerStatus> {
        let status = self.status();
        let length = |slots: Range<Slot>| slots.end.saturating_sub(slots.start);
        let shortest = |of: fn(&WindowedKey) -> Range<Slot>| {
            self.keys.iter().map(|key| length(of(key))).min().unwrap_or(0)
        };
        Some(SignerStatus {
            keys: status.keys,
            memory_bytes: status.memory_bytes,
            prepared_until: status.prepared_until,
            window_slots: shortest(WindowedKey::prepared),
            lifetime_until: status.lifetime_until,
            lifetime_slots: shortest(WindowedKey::activation),
            advanced: status.advanced,
            waited: status.waited,
            signed: status.signing.signed,
            repeated: status.signing.repeated,
            conflicting: status.signing.refused,
            too_old: status.signing.too_old,
            unrecorded: status.signing.unrecorded,
        })
    }
}
