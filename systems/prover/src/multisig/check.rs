//! The check of signatures by `multisig`.

use leansig::scheme::Scheme;

/// An encoded public key, an epoch, a message and an encoded signature.
pub type SignedItem<'a> = (&'a [u8], u32, &'a [u8; 32], &'a [u8]);

/// A signature was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item {index}: {reason}")]
pub struct Refused {
    /// The first refused item's index.
    pub index: usize,
    /// Why.
    pub reason: String,
}

/// A signature scheme, as far as [`Multisig`](crate::Multisig) needs one. Implemented by
/// [`Scheme`]; tests bring cheaper ones.
pub trait SignatureCheck: Send + Sync + 'static {
    /// Bytes of every encoded public key.
    fn public_key_len(&self) -> usize;

    /// Bytes of every encoded signature.
    fn signature_len(&self) -> usize;

    /// Checks that every item's signature is valid. Keys and signatures have the scheme's lengths;
    /// nothing else is known of them.
    ///
    /// # Errors
    /// The first that is not valid.
    fn check(&self, items: &[SignedItem<'_>]) -> Result<(), Refused>;
}

impl SignatureCheck for Scheme {
    fn public_key_len(&self) -> usize {
        Self::public_key_len(*self)
    }

    fn signature_len(&self) -> usize {
        Self::signature_len(*self)
    }

    fn check(&self, items: &[SignedItem<'_>]) -> Result<(), Refused> {
        for (index, verdict) in self.verify_batch(items).into_iter().enumerate() {
            verdict.map_err(|error| Refused { index, reason: error.to_string() })?;
        }
        Ok(())
    }
}
