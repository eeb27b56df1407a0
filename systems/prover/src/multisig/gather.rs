//! Collecting one signature for each of a statement's keys.

use super::{Multisig, SignatureCheck, go_on};
use crate::{CancelToken, Child, ProveError, RawSignature};

impl<C: SignatureCheck> Multisig<C> {
    /// One signature for each key, borrowed from the inputs. Every input's structure is checked,
    /// also of those that add nothing.
    pub(super) fn gather<'a>(
        &self,
        keys: usize,
        children: &[Child<'a>],
        signatures: &[RawSignature<'a>],
        cancel: &CancelToken,
    ) -> Result<Vec<&'a [u8]>, ProveError> {
        let mut found: Vec<Option<&[u8]>> = vec![None; keys];
        for (index, child) in children.iter().enumerate() {
            go_on(cancel)?;
            check_signers(index, &child.signers, keys)?;
            let signatures = self
                .decode_single(child.proof, child.signers.len())
                .map_err(|fault| ProveError::InvalidInput(format!("child {index}: {fault}")))?;
            for (&signer, signature) in child.signers.iter().zip(signatures) {
                found[signer].get_or_insert(signature);
            }
        }
        go_on(cancel)?;
        let expected = self.check.signature_len();
        for (index, raw) in signatures.iter().enumerate() {
            let Some(slot) = found.get_mut(raw.signer) else {
                let signer = raw.signer;
                return Err(out_of_range(&format!("signature {index}"), signer, keys));
            };
            if raw.signature.len() != expected {
                return Err(ProveError::InvalidInput(format!(
                    "signature {index} has {} bytes, expected {expected}",
                    raw.signature.len()
                )));
            }
            slot.get_or_insert(raw.signature);
        }
        let missing = found.iter().position(Option::is_none);
        found.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| {
            let signer = missing.unwrap_or_default();
            ProveError::Coverage(format!("signer {signer} has neither child nor signature"))
        })
    }
}

/// Checks the signers that a child names.
pub(crate) fn check_signers(
    child: usize,
    signers: &[usize],
    keys: usize,
) -> Result<(), ProveError> {
    if signers.is_empty() {
        return Err(ProveError::InvalidInput(format!("child {child} has no signer")));
    }
    if let Some(pair) = signers.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(ProveError::InvalidInput(format!(
            "child {child}: signer {} follows {}, expected them strictly ascending",
            pair[1], pair[0]
        )));
    }
    match signers.iter().find(|&&signer| signer >= keys) {
        Some(&signer) => Err(out_of_range(&format!("child {child}"), signer, keys)),
        None => Ok(()),
    }
}

/// The error for an input that names a signer past the statement's last.
pub(crate) fn out_of_range(input: &str, signer: usize, keys: usize) -> ProveError {
    ProveError::Coverage(format!("{input} names signer {signer} of {keys}"))
}
