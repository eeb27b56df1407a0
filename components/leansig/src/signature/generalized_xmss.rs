//! Generalized XMSS with aborting target-sum encoding over Poseidon1.

pub mod instantiations_aborting;

mod forms;
mod keys;

use std::fmt;
use std::marker::PhantomData;

use rand::RngExt;

pub use keys::{GeneralizedXMSSPublicKey, GeneralizedXMSSSecretKey, GeneralizedXMSSSignature};

use super::{SignatureScheme, SigningError};
use crate::MESSAGE_LENGTH;
use crate::key_gen::{KeyGenError, KeyGenOptions, key_gen};
use crate::params::Params;
use crate::scheme::VerifyError;
use crate::verify::{Item, verify_all};

/// A set of the scheme's numbers.
pub trait Preset: sealed::Sealed + 'static {}

pub(crate) mod sealed {
    use crate::scheme::Scheme;

    pub trait Sealed: Send + Sync {
        const SCHEME: Scheme;
    }
}

/// The numbers of a preset.
pub(crate) const fn params<P: Preset>() -> &'static Params {
    P::SCHEME.params()
}

/// The scheme with the numbers of preset `P`.
pub struct GeneralizedXMSSSignatureScheme<P>(PhantomData<P>);

impl<P> fmt::Debug for GeneralizedXMSSSignatureScheme<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneralizedXMSSSignatureScheme")
    }
}

/// A public key, an epoch, a message and a signature.
pub type BatchItem<'a, P> = (
    &'a GeneralizedXMSSPublicKey<P>,
    u32,
    &'a [u8; MESSAGE_LENGTH],
    &'a GeneralizedXMSSSignature<P>,
);

impl<P: Preset> GeneralizedXMSSSignatureScheme<P> {
    /// Makes a key like [`SignatureScheme::key_gen`], with errors, progress and cancellation.
    ///
    /// # Errors
    /// If the epochs exceed the lifetime, or on cancellation.
    pub fn try_key_gen<R: RngExt>(
        rng: &mut R,
        activation_epoch: u64,
        num_active_epochs: u64,
        options: &KeyGenOptions<'_>,
    ) -> Result<(GeneralizedXMSSPublicKey<P>, GeneralizedXMSSSecretKey<P>), KeyGenError> {
        let key = key_gen(params::<P>(), rng, activation_epoch, num_active_epochs, options)?;
        Ok((GeneralizedXMSSPublicKey::new(key.public_key()), GeneralizedXMSSSecretKey::new(key)))
    }

    /// Verifies a signature like [`SignatureScheme::verify`], and says why it is refused.
    ///
    /// # Errors
    /// If the signature is not the key's, for this epoch and message.
    pub fn try_verify(
        pk: &GeneralizedXMSSPublicKey<P>,
        epoch: u32,
        message: &[u8; MESSAGE_LENGTH],
        sig: &GeneralizedXMSSSignature<P>,
    ) -> Result<(), VerifyError> {
        let item = Item { public_key: &pk.parts, epoch, message, signature: &sig.parts };
        verify_all(params::<P>(), &[item]).pop().unwrap_or(Ok(()))
    }

    /// Verifies signatures together, which is faster than one by one. Returns one result per item.
    #[must_use]
    pub fn verify_batch(items: &[BatchItem<'_, P>]) -> Vec<Result<(), VerifyError>> {
        let items: Vec<_> = items
            .iter()
            .map(|(public_key, epoch, message, signature)| Item {
                public_key: &public_key.parts,
                epoch: *epoch,
                message,
                signature: &signature.parts,
            })
            .collect();
        verify_all(params::<P>(), &items)
    }
}

impl<P: Preset> SignatureScheme for GeneralizedXMSSSignatureScheme<P> {
    type PublicKey = GeneralizedXMSSPublicKey<P>;
    type SecretKey = GeneralizedXMSSSecretKey<P>;
    type Signature = GeneralizedXMSSSignature<P>;

    const LIFETIME: u64 = params::<P>().lifetime();

    fn key_gen<R: RngExt>(
        rng: &mut R,
        activation_epoch: usize,
        num_active_epochs: usize,
    ) -> (Self::PublicKey, Self::SecretKey) {
        let options = KeyGenOptions::default();
        match Self::try_key_gen(rng, activation_epoch as u64, num_active_epochs as u64, &options) {
            Ok(pair) => pair,
            Err(error) => panic!("{error}"),
        }
    }

    fn sign(
        sk: &Self::SecretKey,
        epoch: u32,
        message: &[u8; MESSAGE_LENGTH],
    ) -> Result<Self::Signature, SigningError> {
        sk.key.sign(epoch, message).map(GeneralizedXMSSSignature::new)
    }

    fn verify(
        pk: &Self::PublicKey,
        epoch: u32,
        message: &[u8; MESSAGE_LENGTH],
        sig: &Self::Signature,
    ) -> bool {
        Self::try_verify(pk, epoch, message, sig).is_ok()
    }

    fn get_public_key(sk: &Self::SecretKey) -> Self::PublicKey {
        GeneralizedXMSSPublicKey::new(sk.key.public_key())
    }
}
