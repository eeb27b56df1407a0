//! Secret keys of a scheme chosen at run time.

use std::fmt;
use std::ops::Range;

use rand::RngExt;
use zeroize::Zeroizing;

use super::Scheme;
use crate::key_gen::{KeyGenError, KeyGenOptions, draw_secrets, expand_activation, key_gen};
use crate::signature::SigningError;
use crate::signing_key::{NextBottomTree, SigningKey};
use crate::wire::{PUBLIC_KEY_BYTES, WireError};

/// A secret key that knows its scheme.
///
/// It must sign at most one message per epoch. Nothing here checks that.
pub struct SecretKey {
    scheme: Scheme,
    key: SigningKey,
}

impl SecretKey {
    /// Makes a key for the epochs from `activation_epoch` on. `rng` must be cryptographically
    /// secure.
    ///
    /// # Errors
    /// If the epochs exceed the lifetime, or on cancellation.
    pub fn generate<R: RngExt + ?Sized>(
        scheme: Scheme,
        rng: &mut R,
        activation_epoch: u64,
        num_active_epochs: u64,
        options: &KeyGenOptions<'_>,
    ) -> Result<Self, KeyGenError> {
        let key = key_gen(scheme.params(), rng, activation_epoch, num_active_epochs, options)?;
        Ok(Self { scheme, key })
    }

    /// Returns true if [`Self::generate`] with this `rng` and these epochs makes a key with the
    /// same secrets and epochs. Only these are compared: the trees are not computed again.
    #[must_use]
    pub fn comes_from<R: RngExt + ?Sized>(
        &self,
        rng: &mut R,
        activation_epoch: u64,
        num_active_epochs: u64,
    ) -> bool {
        let params = self.scheme.params();
        let width = params.bottom_leaves();
        let epochs = expand_activation(params, activation_epoch, num_active_epochs);
        let (parameter, prf_key) = draw_secrets(rng);
        epochs.is_ok_and(|(first, end)| self.activation() == (first * width..end * width))
            && self.key.parameter == parameter
            && self.key.prf_key.as_bytes() == prf_key.as_bytes()
    }

    /// Reads a key's SSZ bytes.
    ///
    /// # Errors
    /// If the bytes are not a key of this scheme.
    pub fn from_bytes(scheme: Scheme, bytes: &[u8]) -> Result<Self, WireError> {
        Ok(Self { scheme, key: SigningKey::decode(scheme.params(), bytes)? })
    }

    pub(crate) fn from_key(scheme: Scheme, key: SigningKey) -> Self {
        Self { scheme, key }
    }

    /// The key's SSZ bytes, erased when dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.key.encoded()
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The encoded public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; PUBLIC_KEY_BYTES] {
        let mut bytes = Vec::with_capacity(PUBLIC_KEY_BYTES);
        self.key.public_key().encode(&mut bytes);
        bytes.try_into().expect("the encoding has this length")
    }

    /// The epochs for which the key was made.
    #[must_use]
    pub fn activation(&self) -> Range<u64> {
        self.key.activation()
    }

    /// The epochs that the key can sign now.
    #[must_use]
    pub fn prepared(&self) -> Range<u64> {
        self.key.prepared()
    }

    /// Signs a message; returns the encoded signature.
    ///
    /// # Errors
    /// If the epoch is not among those that the key can sign now.
    pub fn sign(&self, epoch: u32, message: &[u8; 32]) -> Result<Vec<u8>, SigningError> {
        let signature = self.key.sign(epoch, message)?;
        let mut bytes = Vec::with_capacity(signature.encoded_len());
        signature.encode(&mut bytes);
        Ok(bytes)
    }

    /// Computes the bottom tree after the prepared window, for [`Self::advance_with`].
    ///
    /// The key can be used in the meantime. Returns `None` if the activation ends with the window.
    ///
    /// # Errors
    /// On cancellation, or if the key is damaged.
    pub fn prepare_next(
        &self,
        options: &KeyGenOptions<'_>,
    ) -> Result<Option<NextBottomTree>, KeyGenError> {
        self.key.prepare_next(options)
    }

    /// Moves the window forward to a tree that [`Self::prepare_next`] computed.
    ///
    /// # Errors
    /// Returns the tree if it is not the next one of this key.
    pub fn advance_with(&mut self, next: NextBottomTree) -> Result<(), NextBottomTree> {
        self.key.advance_with(next)
    }

    /// The memory that the key's trees take, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.key.memory_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("scheme", &self.scheme)
            .field("activation", &self.activation())
            .field("prepared", &self.prepared())
            .finish_non_exhaustive()
    }
}
