//! Keys in memory, made for one run.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use leansig::{KeyGenOptions, scheme::SecretKey};
use quintet_components::{
    containers::{Root, Signature, Slot, ValidatorIndex},
    duties::{Role, SignError, SignRequest, Signer},
};

/// A validator's two secret keys.
pub struct KeyPair {
    /// Signs attestations.
    pub attester: SecretKey,
    /// Signs blocks.
    pub proposer: SecretKey,
}

/// Keys in memory, each with what it has signed: for tests, simulations and examples that make
/// their keys for one run. The record ends with the process, and so do the keys: nothing can sign with
/// them a second time. Keys that outlive the process sign through [`KeyManager`](super::KeyManager)
/// and its durable record.
pub struct MemoryKeys(BTreeMap<(ValidatorIndex, Role), Mutex<GuardedKey>>);

struct GuardedKey {
    key: SecretKey,
    signed: BTreeMap<Slot, (Root, Signature)>,
}

impl MemoryKeys {
    /// The keys of these validators.
    pub fn new(pairs: impl IntoIterator<Item = (ValidatorIndex, KeyPair)>) -> Self {
        let guard = |key| Mutex::new(GuardedKey { key, signed: BTreeMap::new() });
        let keys = pairs.into_iter().flat_map(|(index, pair)| {
            [
                ((index, Role::Attester), guard(pair.attester)),
                ((index, Role::Proposer), guard(pair.proposer)),
            ]
        });
        Self(keys.collect())
    }
}

impl Signer for MemoryKeys {
    fn validators(&self) -> Vec<ValidatorIndex> {
        let mut validators: Vec<_> = self.0.keys().map(|(index, _)| *index).collect();
        validators.dedup();
        validators
    }

    fn sign(&self, request: &SignRequest) -> Result<Signature, SignError> {
        let SignRequest { index, role, slot, message } = *request;
        let key = self.0.get(&(index, role)).ok_or(SignError::UnknownKey { index, role })?;
        let mut key = key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((signed, signature)) = key.signed.get(&slot) {
            return if *signed == message {
                Ok(signature.clone())
            } else {
                Err(SignError::AlreadySigned { index, role, slot })
            };
        }
        let epoch = u32::try_from(slot)
            .map_err(|_| SignError::Key(format!("slot {slot} is past every key's lifetime")))?;
        key.advance_to(epoch);
        let bytes =
            key.key.sign(epoch, &message.0).map_err(|error| SignError::Key(error.to_string()))?;
        let signature = Signature::new(bytes).map_err(|error| SignError::Key(error.to_string()))?;
        key.signed.insert(slot, (message, signature.clone()));
        Ok(signature)
    }
}

impl GuardedKey {
    /// Advances the prepared window until it contains the epoch, as far as the key's lifetime
    /// allows.
    fn advance_to(&mut self, epoch: u32) {
        while u64::from(epoch) >= self.key.prepared().end {
            let Ok(Some(next)) = self.key.prepare_next(&KeyGenOptions::default()) else { return };
            if self.key.advance_with(next).is_err() {
                return;
            }
        }
    }
}
