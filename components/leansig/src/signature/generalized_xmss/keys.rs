//! Public keys, secret keys and signatures of a preset.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use super::Preset;
use crate::array::FieldArray;
use crate::key_gen::{KeyGenError, KeyGenOptions};
use crate::signature::SignatureSchemeSecretKey;
use crate::signing_key::{NextBottomTree, SigningKey};
use crate::tree::HashTreeOpening;
use crate::wire::{PublicKeyParts, SignatureParts};

/// A public key: the root of the tree over all one-time keys, and the key's public parameter.
pub struct GeneralizedXMSSPublicKey<P> {
    pub(crate) parts: PublicKeyParts,
    preset: PhantomData<P>,
}

/// A secret key: a seed, the top tree, and the two bottom trees of the prepared window.
///
/// The seed is erased from memory when the key is dropped, and the `Debug` output does not contain
/// it.
pub struct GeneralizedXMSSSecretKey<P> {
    pub(crate) key: SigningKey,
    preset: PhantomData<P>,
}

/// A signature: the path to the root, the randomness of the message hash, and a value of each chain.
pub struct GeneralizedXMSSSignature<P> {
    pub(crate) parts: SignatureParts,
    preset: PhantomData<P>,
}

impl<P> GeneralizedXMSSPublicKey<P> {
    pub(crate) const fn new(parts: PublicKeyParts) -> Self {
        Self { parts, preset: PhantomData }
    }

    /// The root of the tree.
    #[must_use]
    pub const fn root(&self) -> FieldArray<8> {
        FieldArray(self.parts.root)
    }

    /// The parameter that makes this key's hashes different from those of other keys.
    #[must_use]
    pub const fn parameter(&self) -> FieldArray<5> {
        FieldArray(self.parts.parameter)
    }
}

impl<P> GeneralizedXMSSSignature<P> {
    pub(crate) const fn new(parts: SignatureParts) -> Self {
        Self { parts, preset: PhantomData }
    }

    /// The siblings from the epoch's leaf to the root.
    #[must_use]
    pub fn path(&self) -> HashTreeOpening {
        HashTreeOpening { siblings: self.parts.path.clone() }
    }

    /// The randomness with which the message hashes to a codeword.
    #[must_use]
    pub const fn rho(&self) -> FieldArray<7> {
        FieldArray(self.parts.rho)
    }

    /// The disclosed value of each chain.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = FieldArray<8>> + '_ {
        self.parts.hashes.iter().map(|hash| FieldArray(*hash))
    }
}

impl<P> GeneralizedXMSSSecretKey<P> {
    pub(crate) const fn new(key: SigningKey) -> Self {
        Self { key, preset: PhantomData }
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

impl<P: Preset> SignatureSchemeSecretKey for GeneralizedXMSSSecretKey<P> {
    fn get_activation_interval(&self) -> Range<u64> {
        self.key.activation()
    }

    fn get_prepared_interval(&self) -> Range<u64> {
        self.key.prepared()
    }

    fn advance_preparation(&mut self) {
        self.key.advance();
    }
}

impl<P> Clone for GeneralizedXMSSPublicKey<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for GeneralizedXMSSPublicKey<P> {}

impl<P> PartialEq for GeneralizedXMSSPublicKey<P> {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl<P> Eq for GeneralizedXMSSPublicKey<P> {}

impl<P> std::hash::Hash for GeneralizedXMSSPublicKey<P> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

impl<P> fmt::Debug for GeneralizedXMSSPublicKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneralizedXMSSPublicKey")
            .field("root", &self.root().to_canonical())
            .field("parameter", &self.parameter().to_canonical())
            .finish()
    }
}

impl<P> Clone for GeneralizedXMSSSignature<P> {
    fn clone(&self) -> Self {
        Self::new(self.parts.clone())
    }
}

impl<P> PartialEq for GeneralizedXMSSSignature<P> {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl<P> Eq for GeneralizedXMSSSignature<P> {}

impl<P> fmt::Debug for GeneralizedXMSSSignature<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneralizedXMSSSignature")
            .field("rho", &self.rho().to_canonical())
            .finish_non_exhaustive()
    }
}

impl<P> fmt::Debug for GeneralizedXMSSSecretKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneralizedXMSSSecretKey")
            .field("activation", &self.key.activation())
            .field("prepared", &self.key.prepared())
            .finish_non_exhaustive()
    }
}
