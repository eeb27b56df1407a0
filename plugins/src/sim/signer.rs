//! A node's keys: the real guard, over the simulated record and mark.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    slice,
    sync::{Arc, Mutex, PoisonError},
};

use quintet_components::{
    containers::{PublicKey, Root, Signature, Slot, ValidatorIndex},
    duties::{Role, SignError, SignRequest, Signer},
    storage::SigningRecord,
};

use super::{
    crypto::{attestation_key, proposal_key, sign},
    scenario::Scenario,
};
use crate::keys::{AcceptHistoryLoss, GuardError, GuardOptions, MarkPlace, SigningGuard};

/// Every signature that a node's keys have made, including those of earlier lives: an outsider
/// could have all of them.
#[derive(Clone, Default)]
pub(super) struct SignatureLog(Arc<Mutex<Signed>>);

#[derive(Default)]
struct Signed {
    messages: BTreeMap<(PublicKey, Slot), Root>,
    /// The first key that signed two messages for a slot.
    twice: Option<(PublicKey, Slot)>,
    /// The keys that two machines have. They are not watched, because nothing keeps them from
    /// signing twice.
    shared: Vec<PublicKey>,
}

impl SignatureLog {
    /// A log that does not watch the keys that two machines have.
    pub(super) fn of(scenario: &Scenario) -> Self {
        let shared = (0..scenario.validators).filter(|each| scenario.is_shared(*each));
        let shared = shared.flat_map(|each| [attestation_key(each), proposal_key(each)]).collect();
        Self(Arc::new(Mutex::new(Signed { shared, ..Signed::default() })))
    }

    fn note(&self, key: PublicKey, slot: Slot, message: Root) {
        let mut signed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = *signed.messages.entry((key, slot)).or_insert(message) != message;
        if is_other && !signed.shared.contains(&key) {
            signed.twice.get_or_insert((key, slot));
        }
    }

    /// The first key that signed two messages for a slot.
    pub(super) fn twice(&self) -> Option<(PublicKey, Slot)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).twice
    }
}

/// Signs with simulated keys behind a guard.
pub(super) struct SimSigner {
    validators: Vec<ValidatorIndex>,
    guard: SigningGuard,
    log: SignatureLog,
}

/// The parts of a machine that a signer needs.
pub(super) struct Machine {
    pub(super) record: Arc<dyn SigningRecord>,
    pub(super) mark: Box<dyn MarkPlace>,
    pub(super) genesis: Root,
    /// The id for a record that is made, or made anew.
    pub(super) id: [u8; 16],
}

impl SimSigner {
    /// Opens the keys of these validators.
    ///
    /// # Errors
    /// The guard's error, if signatures are missing from the record and the loss is not accepted.
    pub(super) fn open(
        validators: Vec<ValidatorIndex>,
        machine: Machine,
        accept_history_loss: AcceptHistoryLoss,
        log: SignatureLog,
    ) -> Result<Self, GuardError> {
        let Machine { record, mark, genesis, id } = machine;
        let (data_dir, path) = (PathBuf::from("simulated"), PathBuf::from("simulated mark"));
        let options = GuardOptions { data_dir, mark: path, genesis, accept_history_loss };
        let guard = SigningGuard::open_at(record, mark, &options, id)?;
        Ok(Self { validators, guard, log })
    }
}

/// The public key of a validator's role.
fn key_of(request: &SignRequest) -> PublicKey {
    match request.role {
        Role::Attester => attestation_key(request.index),
        Role::Proposer => proposal_key(request.index),
    }
}

impl Signer for SimSigner {
    fn validators(&self) -> Vec<ValidatorIndex> {
        self.validators.clone()
    }

    fn sign(&self, request: &SignRequest) -> Result<Signature, SignError> {
        self.sign_all(slice::from_ref(request)).pop().expect("one outcome a request")
    }

    fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        let asked: Vec<_> = requests.iter().map(|request| (key_of(request), *request)).collect();
        let outcomes = self.guard.sign_all(&asked, |at| {
            let (key, request) = &asked[at];
            Ok(sign(key, request.slot, &request.message.0))
        });
        for ((key, request), outcome) in asked.iter().zip(&outcomes) {
            if outcome.is_ok() {
                self.log.note(*key, request.slot, request.message);
            }
        }
        outcomes
    }
}
