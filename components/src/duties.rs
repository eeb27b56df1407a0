//! What a node's own validators do.

use std::sync::Arc;

use bevy_ecs::prelude::{Message, Resource};

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
    /// The key cannot sign for this slot.
    #[error("{0}")]
    Key(String),
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
}

/// The node's signer.
#[derive(Resource, Clone)]
pub struct Signing(pub Arc<dyn Signer>);

/// This node proposed a block.
#[derive(Message, Clone, Debug)]
pub struct BlockProduced(pub Arc<SignedBlock>);

/// One of this node's validators voted.
#[derive(Message, Clone, Debug)]
pub struct AttestationProduced(pub Arc<SignedAttestation>);

/// Duties done and missed since the node began.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DutyCounts {
    /// Blocks proposed.
    pub proposed: u64,
    /// Votes given.
    pub attested: u64,
    /// Duties that failed or came too late.
    pub missed: u64,
}
