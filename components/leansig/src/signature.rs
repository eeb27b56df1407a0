//! The interface of a synchronized signature scheme: one signature per key and epoch.

pub mod generalized_xmss;

use std::ops::Range;

use rand::RngExt;
use thiserror::Error;

use crate::MESSAGE_LENGTH;
use crate::serialization::Serializable;

/// The reason a message was not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SigningError {
    /// No attempt to hash the message gave a codeword. With the presets of this crate the
    /// probability of this is below 2^-100.
    #[error("no codeword found in {attempts} attempts")]
    EncodingAttemptsExceeded {
        /// Attempts made.
        attempts: usize,
    },
    /// The key was not made for the epoch.
    #[error("epoch {epoch} is outside the key's activation, epochs {activation:?}")]
    EpochNotActive {
        /// The epoch.
        epoch: u32,
        /// The epochs for which the key was made.
        activation: Range<u64>,
    },
    /// The key was made for the epoch but does not have the tree for it.
    #[error("epoch {epoch} is outside the prepared window, epochs {prepared:?}; advance the key")]
    EpochNotPrepared {
        /// The epoch.
        epoch: u32,
        /// The epochs that can be signed.
        prepared: Range<u64>,
    },
}

/// A secret key that can sign for a window of its epochs.
pub trait SignatureSchemeSecretKey {
    /// The epochs for which the key was made. Both ends are multiples of the square root of the
    /// lifetime, and the length is at least twice that root.
    fn get_activation_interval(&self) -> Range<u64>;

    /// The epochs that the key can sign now. Their number is twice the square root of the lifetime,
    /// and they are within the activation.
    fn get_prepared_interval(&self) -> Range<u64>;

    /// Moves the window forward by half its length, or does nothing if the activation ends with it.
    /// This takes as long as making a key of that many epochs.
    fn advance_preparation(&mut self);
}

/// A signature scheme whose keys sign once per epoch.
///
/// Signing two messages with one key in one epoch reveals values from which others can forge
/// signatures for that epoch.
pub trait SignatureScheme {
    /// The key that verifies signatures.
    type PublicKey: Serializable;
    /// The key that signs messages.
    type SecretKey: SignatureSchemeSecretKey + Serializable;
    /// A signature.
    type Signature: Serializable;

    /// The number of epochs of the scheme, which is a power of two. Epochs begin at 0.
    const LIFETIME: u64;

    /// Makes a key for `num_active_epochs` epochs from `activation_epoch` on. `rng` must be
    /// cryptographically secure.
    ///
    /// # Panics
    /// If the epochs exceed the lifetime.
    fn key_gen<R: RngExt>(
        rng: &mut R,
        activation_epoch: usize,
        num_active_epochs: usize,
    ) -> (Self::PublicKey, Self::SecretKey);

    /// Signs a message. The same key, epoch and message give the same signature.
    ///
    /// # Errors
    /// If the epoch is not among those that the key can sign now.
    fn sign(
        sk: &Self::SecretKey,
        epoch: u32,
        message: &[u8; MESSAGE_LENGTH],
    ) -> Result<Self::Signature, SigningError>;

    /// Returns true if the signature is the key's, for this epoch and message.
    fn verify(
        pk: &Self::PublicKey,
        epoch: u32,
        message: &[u8; MESSAGE_LENGTH],
        sig: &Self::Signature,
    ) -> bool;

    /// The public key that belongs to a secret key.
    fn get_public_key(sk: &Self::SecretKey) -> Self::PublicKey;
}
