//! What a node's own validators do.

mod record;
mod room;
mod status;

use std::sync::Arc;

use bevy_ecs::prelude::{Message, Resource};
pub use record::{
    Duty, DutyCounts, DutyOutcome, DutyRecord, MAX_RECORDS, MissReason, RECORD_SLOTS, RecentDuties,
};
pub use room::BlockRoom;
pub use status::SignerStatus;

use crate::containers::{Root, Signature, SignedAttestation, SignedBlock, Slot, ValidatorIndex};

/// Which of a validator's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Signs votes.
    Attester,
    /// Signs blocks.
    Proposer,
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The node does not hold the key.
    #[error("no {role:?} key of validator {index}")]
    UnknownKey {
        /// Whose key.
        index: ValidatorIndex,
        /// Which of the two.
        role: Role,
    },
    /// The key signed another message for this slot already. A second signature would give the
    /// key away.
    #[error("validator {index} has signed another message for slot {slot} as {role:?}")]
    AlreadySigned {
        /// Whose key.
        index: ValidatorIndex,
        /// Which of the two.
        role: Role,
        /// The slot.
        slot: Slot,
    },
    /// The slot is so old that the record of signatures no longer says what the key signed for it.
    #[error(
        "slot {slot} is too old for validator {index} as {role:?}: what was signed before slot \
         {floor} is no longer on record"
    )]
    TooOld {
        /// Whose key.
        index: ValidatorIndex,
        /// Which of the two.
        role: Role,
        /// The slot.
        slot: Slot,
        /// The first slot for which the key still signs.
        floor: Slot,
    },
    /// The signature could not be put on record, so that it was not made.
    #[error("nothing is signed while the signing record cannot be written: {0}")]
    Record(String),
    /// The key cannot sign for this slot.
    #[error("{0}")]
    Key(String),
}

/// A request for a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// Whose key.
    pub index: ValidatorIndex,
    /// Which of the two.
    pub role: Role,
    /// The slot.
    pub slot: Slot,
    /// The message.
    pub message: Root,
}

/// Signs with the node's keys. The same request gets the same signature again; another message
/// for the same key and slot is refused.
pub trait Signer: Send + Sync + 'static {
    /// The validators whose keys the node holds, ascending.
    fn validators(&self) -> Vec<ValidatorIndex>;

    /// Signs a message for a slot.
    ///
    /// # Errors
    /// [`SignError`].
    fn sign(
        &self,
        index: ValidatorIndex,
        role: Role,
        slot: Slot,
        message: Root,
    ) -> Result<Signature, SignError>;

    /// Signs several messages, which may share what a single one costs beside the signature; one
    /// outcome a request, in their order.
    fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        let sign = |request: &SignRequest| {
            self.sign(request.index, request.role, request.slot, request.message)
        };
        requests.iter().map(sign).collect()
    }

    /// A slot has begun: the signer may prepare, in its own time, what later slots need. Returns
    /// at once.
    fn begin_slot(&self, _slot: Slot) {}

    /// What there is to say of the keys; nothing for keys that have no window and no record.
    fn key_status(&self) -> Option<SignerStatus> {
        None
    }
}

/// The node's signer.
#[derive(Resource, Clone)]
pub struct Signing(pub Arc<dyn Signer>);

/// The log's target for when blocks are built, go out and come in: at level debug.
pub const BLOCKS_LOG: &str = "quintet_blocks";

/// What became of a duty of one validator, or of the node as an aggregator. One system records it:
/// whoever did the duty, or could not, writes this once.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct DutyEnded {
    /// The slot that it was for.
    pub slot: Slot,
    /// Which duty.
    pub duty: Duty,
    /// Whose; `None` is the node's own, as aggregating is.
    pub validators: Vec<Option<ValidatorIndex>>,
    /// Done, or missed and for which reason.
    pub outcome: DutyOutcome,
    /// A sentence for the log; empty when the reason says it all.
    pub why: String,
}

/// This node proposed a block.
#[derive(Message, Clone, Debug)]
pub struct BlockProduced(pub Arc<SignedBlock>);

/// One of this node's validators voted.
#[derive(Message, Clone, Debug)]
pub struct AttestationProduced(pub Arc<SignedAttestation>);
