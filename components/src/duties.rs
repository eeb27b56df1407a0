//! The duties of a node's own validators.

mod record;
mod room;
mod status;

use std::{fmt, sync::Arc};

use bevy_ecs::prelude::{Message, Resource};
pub use record::{
    Duty, DutyCounts, DutyOutcome, DutyRecord, MAX_RECORDS, MissReason, RECORD_SLOTS, RecentDuties,
};
pub use room::BlockRoom;
pub use status::SignerStatus;

use crate::containers::{Root, Signature, SignedAttestation, SignedBlock, Slot, ValidatorIndex};

/// The use of one of a validator's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Signs attestations.
    Attester,
    /// Signs blocks.
    Proposer,
}

impl Role {
    /// The role's name in the names of key files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attester => "attester",
            Self::Proposer => "proposer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The reason there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The node does not hold the key.
    #[error("no {role} key of validator {index}")]
    UnknownKey {
        /// The validator.
        index: ValidatorIndex,
        /// The role of the key.
        role: Role,
    },
    /// The key has signed another message for this slot. A second signature would reveal the key.
    #[error("validator {index} has signed another message for slot {slot} as {role}")]
    AlreadySigned {
        /// The validator.
        index: ValidatorIndex,
        /// The role of the key.
        role: Role,
        /// The slot.
        slot: Slot,
    },
    /// The slot is so old that the record of signatures no longer has what the key signed for it.
    #[error(
        "slot {slot} is too old for validator {index} as {role}: what was signed before slot \
         {floor} is no longer on record"
    )]
    TooOld {
        /// The validator.
        index: ValidatorIndex,
        /// The role of the key.
        role: Role,
        /// The slot.
        slot: Slot,
        /// The first slot for which the key may still sign.
        floor: Slot,
    },
    /// The signature could not be recorded, so it was not made.
    #[error("nothing is signed while the signing record cannot be written: {0}")]
    Record(String),
    /// The key cannot sign for this slot.
    #[error("{0}")]
    Key(String),
}

/// A request for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// The validator.
    pub index: ValidatorIndex,
    /// The role of the key.
    pub role: Role,
    /// The slot.
    pub slot: Slot,
    /// The message.
    pub message: Root,
}

/// Signs with the node's keys. The same request gets the same signature again. Another message for
/// the same key and slot is refused.
pub trait Signer: Send + Sync + 'static {
    /// The validators whose keys the node holds, ascending.
    fn validators(&self) -> Vec<ValidatorIndex>;

    /// Signs a message for a slot.
    ///
    /// # Errors
    /// [`SignError`].
    fn sign(&self, request: &SignRequest) -> Result<Signature, SignError>;

    /// Signs several messages, so that their costs can be shared. Returns one outcome per request,
    /// in the order of the requests.
    fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        requests.iter().map(|request| self.sign(request)).collect()
    }

    /// Says that a slot has begun. The signer may start to prepare for later slots in the
    /// background. Returns at once.
    fn begin_slot(&self, _slot: Slot) {}

    /// The state of the keys; `None` for keys that have neither window nor record.
    fn key_status(&self) -> Option<SignerStatus> {
        None
    }
}

/// The node's signer.
#[derive(Resource, Clone)]
pub struct Signing(pub Arc<dyn Signer>);

/// The log target for the times at which blocks are built, published and received, at level debug.
pub const BLOCKS_LOG: &str = "quintet_blocks";

/// The end of a duty of one validator, or of the node as an aggregator. The code that did the duty,
/// or could not do it, writes this once; one system records it.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct DutyEnded {
    /// The slot of the duty.
    pub slot: Slot,
    /// The duty.
    pub duty: Duty,
    /// The validators; `None` for a duty of the node itself, such as aggregating.
    pub validators: Vec<Option<ValidatorIndex>>,
    /// Done, or missed and for which reason.
    pub outcome: DutyOutcome,
    /// A sentence for the log; empty if the reason says everything.
    pub why: String,
}

/// This node proposed a block.
#[derive(Message, Clone, Debug)]
pub struct BlockProduced(pub Arc<SignedBlock>);

/// One of this node's validators attested.
#[derive(Message, Clone, Debug)]
pub struct AttestationProduced(pub Arc<SignedAttestation>);
