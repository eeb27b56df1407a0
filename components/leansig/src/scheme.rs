//! Schemes that are chosen at run time, with encoded keys and signatures.

mod secret_key;

pub use secret_key::SecretKey;

use crate::params::{LIFETIME_8, LIFETIME_18, LIFETIME_32, Params};
pub use crate::verify::VerifyError;
use crate::verify::{Item, verify_all};
pub use crate::wire::WireError;
use crate::wire::{PUBLIC_KEY_BYTES, PublicKeyParts, SignatureParts};

/// A preset of the signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// 2^8 epochs and four chains. Only for tests: it is not secure.
    Lifetime8,
    /// 2^18 epochs at production strength: for local networks.
    Lifetime18,
    /// 2^32 epochs: production.
    Lifetime32,
}

/// An encoded public key, an epoch, a message and an encoded signature.
pub type EncodedItem<'a> = (&'a [u8], u32, &'a [u8; 32], &'a [u8]);

impl Scheme {
    pub(crate) const fn params(self) -> &'static Params {
        match self {
            Self::Lifetime8 => &LIFETIME_8,
            Self::Lifetime18 => &LIFETIME_18,
            Self::Lifetime32 => &LIFETIME_32,
        }
    }

    /// Bytes of an encoded public key.
    #[must_use]
    pub const fn public_key_len(self) -> usize {
        PUBLIC_KEY_BYTES
    }

    /// Bytes of an encoded signature.
    #[must_use]
    pub const fn signature_len(self) -> usize {
        self.params().signature_len()
    }

    /// Epochs in the scheme's lifetime.
    #[must_use]
    pub const fn lifetime(self) -> u64 {
        self.params().lifetime()
    }

    /// Verifies one signature.
    ///
    /// # Errors
    /// The reason why the signature was refused.
    pub fn verify(
        self,
        public_key: &[u8],
        epoch: u32,
        message: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        let (public_key, signature) = self.decode(public_key, signature)?;
        let item = Item { public_key: &public_key, epoch, message, signature: &signature };
        verify_all(self.params(), &[item]).pop().unwrap_or(Ok(()))
    }

    /// Verifies signatures together, which is faster than one by one. Returns one result per item.
    #[must_use]
    pub fn verify_batch(self, items: &[EncodedItem<'_>]) -> Vec<Result<(), VerifyError>> {
        let decoded: Vec<_> =
            items.iter().map(|(key, _, _, signature)| self.decode(key, signature)).collect();
        let mut verdicts: Vec<_> =
            decoded.iter().map(|item| item.as_ref().map(|_| ()).map_err(|error| *error)).collect();
        let mut live = Vec::with_capacity(items.len());
        let mut indices = Vec::with_capacity(items.len());
        for (index, (decoded, (_, epoch, message, _))) in decoded.iter().zip(items).enumerate() {
            if let Ok((public_key, signature)) = decoded {
                live.push(Item { public_key, epoch: *epoch, message, signature });
                indices.push(index);
            }
        }
        for (index, verdict) in indices.into_iter().zip(verify_all(self.params(), &live)) {
            verdicts[index] = verdict;
        }
        verdicts
    }

    fn decode(
        self,
        public_key: &[u8],
        signature: &[u8],
    ) -> Result<(PublicKeyParts, SignatureParts), VerifyError> {
        let public_key = PublicKeyParts::decode(public_key).map_err(VerifyError::PublicKey)?;
        let signature =
            SignatureParts::decode(self.params(), signature).map_err(VerifyError::Signature)?;
        Ok((public_key, signature))
    }
}
