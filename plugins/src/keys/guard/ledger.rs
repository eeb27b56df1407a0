//! Decides what may be signed, and writes record and mark in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::hex;
use quintet_components::{
    containers::{PublicKey, Root, Signature, Slot},
    duties::{SignError, SignRequest},
    planted::{Planted, is_planted},
    storage::{SigningEntry, SigningRecord, StorageError},
};

use super::{
    AcceptHistoryLoss, GuardError, GuardOptions, HistoryError, HistoryLoss, ImportSummary,
    SigningHistory,
    bookkeeping::{self, Header, Kind, RecordId},
    history::{KeyHistory, SignedSlot},
    mark::{Mark, MarkFile},
};

/// The number of slots of a key that stay recorded at least. When there are twice as many, the
/// older ones are dropped and the key's floor is raised to the oldest one kept.
pub const KEPT_SLOTS: usize = 128;
/// The number of signatures that may wait to be written with the next batch. Further ones are
/// computed again when they are requested again.
pub const MAX_UNSAVED: usize = 8192;
/// The number of entries that are read or imported at a time.
const CHUNK: usize = 1024;

/// The decision about a request.
pub(super) enum Claim {
    /// The key may sign: the intent is on the disk.
    Granted,
    /// It has signed this message.
    Recorded(Signature),
    /// It must not sign.
    Refused(SignError),
}

/// The recorded slots of a key, without their messages.
#[derive(Debug, Default)]
struct KeySlots {
    /// For slots before this one, only what is recorded is signed again.
    floor: Slot,
    slots: BTreeSet<Slot>,
}

impl KeySlots {
    /// The new floor if there are too many slots; the older ones can then be dropped.
    fn next_floor(&self) -> Option<Slot> {
        let excess = self.slots.len().checked_sub(2 * KEPT_SLOTS)?;
        self.slots.iter().nth(excess + KEPT_SLOTS).copied()
    }
}

pub(super) struct Ledger {
    record: Arc<dyn SigningRecord>,
    header: Header,
    mark: Mark,
    mark_file: MarkFile,
    keys: BTreeMap<PublicKey, KeySlots>,
    /// Signatures that were made but are recorded only as intents.
    unsaved: BTreeMap<(PublicKey, Slot), SigningEntry>,
}

impl Ledger {
    /// A ledger with this mark. A record that is made, or made anew, gets the id.
    pub(super) fn open(
        record: Arc<dyn SigningRecord>,
        options: &GuardOptions,
        (mark_file, mark): (MarkFile, Option<Mark>),
        id: RecordId,
    ) -> Result<Self, GuardError> {
        if let Some(mark) = mark.as_ref().filter(|mark| mark.genesis != options.genesis) {
            return Err(GuardError::OtherGenesis {
                path: options.mark.clone(),
                expected: options.genesis,
                found: mark.genesis,
            });
        }
        let (found, keys) = scan(&*record)?;
        let highest = highest_slot(&keys);
        let loss = find_loss(found, highest, mark.as_ref(), options);
        let header = found.unwrap_or(Header { id, generation: 0 });
        let fresh = Mark::new(options.genesis, hex::encode(header.id));
        let mut ledger = Self {
            record,
            header,
            mark: mark.unwrap_or(fresh),
            mark_file,
            keys,
            unsaved: BTreeMap::new(),
        };
        match loss {
            None => {
                if found.is_none() {
                    ledger.record.write(&[bookkeeping::header_entry(header)])?;
                }
            }
            Some(loss) => {
                let resumes_at = ledger.mark.highest_slot.max(highest).map_or(0, |slot| slot + 1);
                if options.accept_history_loss == AcceptHistoryLoss::No {
                    return Err(GuardError::HistoryLoss { loss, resumes_at });
                }
                tracing::warn!(%loss, resumes_at, "continuing with an incomplete signing record");
                ledger.accept_loss(id, resumes_at)?;
            }
        }
        ledger.raise_mark(true)?;
        Ok(ledger)
    }

    /// Binds the mark to this record under a new id, so that the lost record is not accepted any
    /// more.
    fn accept_loss(&mut self, id: RecordId, resumes_at: Slot) -> Result<(), GuardError> {
        let generation = self.header.generation.max(self.mark.generation) + 1;
        self.header = Header { id, generation };
        self.record.write(&[bookkeeping::header_entry(self.header)])?;
        self.mark.floor = self.mark.floor.max(resumes_at);
        Ok(())
    }

    /// Raises the mark to the record, if it is behind.
    fn raise_mark(&mut self, always: bool) -> Result<(), GuardError> {
        if !always && self.mark.generation >= self.header.generation {
            return Ok(());
        }
        let mut mark = self.mark.clone();
        mark.record = hex::encode(self.header.id);
        mark.generation = self.header.generation;
        mark.highest_slot = mark.highest_slot.max(highest_slot(&self.keys));
        self.mark_file.write(&mark)?;
        self.mark = mark;
        Ok(())
    }

    /// Decides on each request. New requests are recorded before this returns.
    pub(super) fn claim(&mut self, requests: &[(PublicKey, SignRequest)]) -> Vec<Claim> {
        let mut intents = BTreeMap::new();
        let mut claims: Vec<_> =
            requests.iter().map(|(key, request)| self.judge(key, request, &mut intents)).collect();
        if !claims.iter().any(|claim| matches!(claim, Claim::Granted)) {
            return claims;
        }
        let marked = self
            .write_intents(&intents)
            .map_err(GuardError::from)
            .and_then(|()| self.raise_mark(false));
        if let Err(error) = marked {
            let reason = error.to_string();
            for claim in &mut claims {
                if matches!(claim, Claim::Granted) {
                    *claim = Claim::Refused(SignError::Record(reason.clone()));
                }
            }
        } else {
            self.prune();
        }
        claims
    }

    fn judge(
        &self,
        key: &PublicKey,
        request: &SignRequest,
        intents: &mut BTreeMap<(PublicKey, Slot), Root>,
    ) -> Claim {
        let SignRequest { index, role, slot, message } = *request;
        let already = || Claim::Refused(SignError::AlreadySigned { index, role, slot });
        if is_planted(Planted::GuardOff) {
            return Claim::Granted;
        }
        if bookkeeping::is_reserved(key) {
            return Claim::Refused(SignError::Key(format!("{key} is not a public key")));
        }
        if let Some(intent) = intents.get(&(*key, slot)) {
            return if *intent == message { Claim::Granted } else { already() };
        }
        let known = match self.unsaved.get(&(*key, slot)) {
            Some(entry) => Some(entry.clone()),
            None => match self.record.find(key, slot) {
                Ok(known) => known,
                Err(error) => return Claim::Refused(SignError::Record(error.to_string())),
            },
        };
        match known {
            Some(entry) if entry.message != message => already(),
            Some(SigningEntry { signature: Some(signature), .. }) => Claim::Recorded(signature),
            // There was a crash or a failure between the intent and the signature. The intent is
            // written again, because only then the mark is known to cover it.
            Some(_) => {
                intents.insert((*key, slot), message);
                Claim::Granted
            }
            None => {
                let floor = self.floor(key);
                if slot < floor {
                    return Claim::Refused(SignError::TooOld { index, role, slot, floor });
                }
                intents.insert((*key, slot), message);
                Claim::Granted
            }
        }
    }

    fn floor(&self, key: &PublicKey) -> Slot {
        self.keys.get(key).map_or(0, |slots| slots.floor).max(self.mark.floor)
    }

    /// Writes intents, the signatures of the previous batch, and floors that are due.
    fn write_intents(
        &mut self,
        intents: &BTreeMap<(PublicKey, Slot), Root>,
    ) -> Result<(), StorageError> {
        let mut entries: Vec<_> = self.unsaved.values().cloned().collect();
        entries.extend(intents.iter().map(|((public_key, slot), message)| SigningEntry {
            public_key: *public_key,
            slot: *slot,
            message: *message,
            signature: None,
        }));
        let floors: Vec<_> = intents
            .keys()
            .filter_map(|(key, _)| Some((*key, self.keys.get(key)?.next_floor()?)))
            .collect();
        entries.extend(floors.iter().map(|(key, floor)| bookkeeping::floor_entry(key, *floor)));
        self.write(entries)?;
        self.unsaved.clear();
        for (key, slot) in intents.keys() {
            self.keys.entry(*key).or_default().slots.insert(*slot);
        }
        for (key, floor) in floors {
            self.keys.entry(key).or_default().floor = floor;
        }
        Ok(())
    }

    /// Writes a batch, with the record's next generation. A failed batch may still be on the disk,
    /// so its generation is not used again.
    fn write(&mut self, mut entries: Vec<SigningEntry>) -> Result<(), StorageError> {
        self.header.generation += 1;
        entries.push(bookkeeping::header_entry(self.header));
        self.record.write(&entries)
    }

    /// Drops slots before a key's floor, once the floor is recorded.
    fn prune(&mut self) {
        for (key, slots) in &mut self.keys {
            if slots.slots.first().is_none_or(|first| *first >= slots.floor) {
                continue;
            }
            match self.record.prune(key, slots.floor) {
                Ok(()) => slots.slots = slots.slots.split_off(&slots.floor),
                // They do no harm, and are dropped another time.
                Err(error) => tracing::debug!(%error, "old signing entries stay for now"),
            }
        }
    }

    /// Keeps a signature for the next batch.
    pub(super) fn keep(&mut self, key: &PublicKey, request: &SignRequest, signature: Signature) {
        if self.unsaved.len() < MAX_UNSAVED {
            let entry = SigningEntry {
                public_key: *key,
                slot: request.slot,
                message: request.message,
                signature: Some(signature),
            };
            self.unsaved.insert((*key, request.slot), entry);
        }
    }

    /// Records the waiting signatures.
    pub(super) fn save(&mut self) -> Result<(), GuardError> {
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let entries = self.unsaved.values().cloned().collect();
        self.write(entries)?;
        self.unsaved.clear();
        self.raise_mark(false)
    }

    pub(super) fn export(&self, genesis: Root) -> Result<SigningHistory, GuardError> {
        let mut keys: BTreeMap<PublicKey, Vec<SignedSlot>> = BTreeMap::new();
        walk(&*self.record, |kind| match kind {
            Kind::Signed(entry) => keys
                .entry(entry.public_key)
                .or_default()
                .push(SignedSlot { slot: entry.slot, message: entry.message }),
            Kind::Floor(key, _) => drop(keys.entry(key).or_default()),
            Kind::Header(_) => {}
        })?;
        let keys = keys.into_iter().map(|(public_key, entries)| KeyHistory {
            public_key,
            floor: self.floor(&public_key),
            entries,
        });
        Ok(SigningHistory { genesis, keys: keys.collect() })
    }

    pub(super) fn import(
        &mut self,
        history: &SigningHistory,
    ) -> Result<ImportSummary, HistoryError> {
        let mut summary = ImportSummary::default();
        let mut entries = Vec::new();
        for (at, key) in history.keys.iter().enumerate() {
            if bookkeeping::is_reserved(&key.public_key) {
                return Err(HistoryError::Place {
                    place: format!("keys[{at}].public_key"),
                    reason: "it is not a public key".into(),
                });
            }
            for signed in &key.entries {
                match self.record.find(&key.public_key, signed.slot).map_err(GuardError::from)? {
                    Some(known) if known.message != signed.message => {
                        tracing::error!(
                            key = %key.public_key, slot = signed.slot,
                            "the history has another message than the record: this key has \
                             signed twice and must not be used any more"
                        );
                        summary.conflicts += 1;
                    }
                    Some(_) => summary.known += 1,
                    None => entries.push(SigningEntry {
                        public_key: key.public_key,
                        slot: signed.slot,
                        message: signed.message,
                        signature: None,
                    }),
                }
            }
            if key.floor > self.keys.get(&key.public_key).map_or(0, |slots| slots.floor) {
                entries.push(bookkeeping::floor_entry(&key.public_key, key.floor));
                summary.floors += 1;
            }
        }
        for chunk in entries.chunks(CHUNK) {
            self.write(chunk.to_vec()).map_err(GuardError::from)?;
            for entry in chunk {
                match bookkeeping::kind_of(entry.clone()) {
                    Kind::Signed(entry) => {
                        summary.added += 1;
                        self.keys.entry(entry.public_key).or_default().slots.insert(entry.slot);
                    }
                    Kind::Floor(key, floor) => self.keys.entry(key).or_default().floor = floor,
                    Kind::Header(_) => {}
                }
            }
        }
        self.raise_mark(false)?;
        Ok(summary)
    }
}

/// Returns the reason the record must not be used, if there is one.
fn find_loss(
    header: Option<Header>,
    highest: Option<Slot>,
    mark: Option<&Mark>,
    options: &GuardOptions,
) -> Option<HistoryLoss> {
    let path = || options.mark.clone();
    match (mark, header) {
        // A new node, or one that ended before it wrote its mark.
        (None, None) if highest.is_none() => None,
        (None, Some(header)) if highest.is_none() && header.generation == 0 => None,
        (None, _) => Some(HistoryLoss::MarkMissing { mark: path() }),
        (Some(mark), None) => {
            Some(HistoryLoss::RecordMissing { mark: path(), highest: mark.highest_slot })
        }
        (Some(mark), Some(header)) if mark.record != hex::encode(header.id) => {
            Some(HistoryLoss::OtherRecord { mark: path() })
        }
        (Some(mark), Some(header)) if header.generation < mark.generation => {
            Some(HistoryLoss::RecordBehind {
                mark: path(),
                found: header.generation,
                expected: mark.generation,
            })
        }
        (Some(_), Some(_)) => None,
    }
}

fn highest_slot(keys: &BTreeMap<PublicKey, KeySlots>) -> Option<Slot> {
    keys.values().filter_map(|slots| slots.slots.last().copied()).max()
}

/// Reads the whole record.
fn scan(
    record: &dyn SigningRecord,
) -> Result<(Option<Header>, BTreeMap<PublicKey, KeySlots>), StorageError> {
    let mut header = None;
    let mut keys: BTreeMap<PublicKey, KeySlots> = BTreeMap::new();
    walk(record, |kind| match kind {
        Kind::Header(found) => header = Some(found),
        Kind::Floor(key, floor) => keys.entry(key).or_default().floor = floor,
        Kind::Signed(entry) => {
            keys.entry(entry.public_key).or_default().slots.insert(entry.slot);
        }
    })?;
    Ok((header, keys))
}

/// Visits every entry of the record.
fn walk(record: &dyn SigningRecord, mut visit: impl FnMut(Kind)) -> Result<(), StorageError> {
    let mut position = None;
    loop {
        let after = position.as_ref().map(|(key, slot)| (key, *slot));
        let entries = record.after(after, CHUNK)?;
        let Some(last) = entries.last() else { return Ok(()) };
        position = Some((last.public_key, last.slot));
        entries.into_iter().map(bookkeeping::kind_of).for_each(&mut visit);
    }
}
