//! The interface between a hybrid system and the proofs that it carries.

use std::ops::Range;
use std::sync::Arc;

use quintet_stark::{Claim, Stark, Watch};

use crate::CancelToken;

/// The reason an engine made no proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoProof {
    /// The token was cancelled.
    Cancelled,
    /// An input is not valid, or the proof that came out is not.
    Invalid(String),
}

/// Makes and checks proofs over several claims. Implemented by [`Stark`]; tests bring cheaper ones.
pub trait Engine: Send + Sync + 'static {
    /// The byte that says which proofs these are: another kind, or other numbers, has another one.
    const FORMAT: u8;

    /// Proves claims from a signature for each key, claim by claim. What comes out was verified.
    ///
    /// # Errors
    /// As [`NoProof`] says.
    fn prove(
        &self,
        claims: &[Claim<'_>],
        signatures: &[&[u8]],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, NoProof>;

    /// Checks a proof of these claims in this order.
    ///
    /// # Errors
    /// If the bytes do not prove the claims. The text says why.
    fn verify(&self, claims: &[Claim<'_>], proof: &[u8]) -> Result<(), String>;

    /// Bytes of a proof over so many signatures, about: no proof is smaller than the range's start.
    fn proof_bytes(&self, signatures: usize, claims: usize) -> Range<usize>;

    /// Bytes that proving so many signatures needs while it goes on.
    fn working_bytes(&self, signatures: usize) -> usize;

    /// Signatures of a proof at most.
    fn max_signatures(&self) -> usize;

    /// The largest number of signatures, up to this one, beyond which a proof takes much longer.
    /// Default: this one, for an engine whose time grows with every signature.
    fn full_proof(&self, signatures: usize) -> usize {
        signatures
    }
}

impl Engine for Stark {
    const FORMAT: u8 = quintet_stark::FORMAT;

    fn prove(
        &self,
        claims: &[Claim<'_>],
        signatures: &[&[u8]],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, NoProof> {
        let token = cancel.clone();
        let watch: Watch = Arc::new(move |phase| {
            token.enter(phase.name());
            !token.is_cancelled()
        });
        Self::prove(self, claims, signatures, &watch).map_err(|error| match error {
            quintet_stark::ProveError::Cancelled => NoProof::Cancelled,
            other => NoProof::Invalid(other.to_string()),
        })
    }

    fn verify(&self, claims: &[Claim<'_>], proof: &[u8]) -> Result<(), String> {
        Self::verify(self, claims, proof).map_err(|error| error.to_string())
    }

    fn proof_bytes(&self, signatures: usize, claims: usize) -> Range<usize> {
        self.least_bytes()..Self::proof_bytes(self, signatures, claims)
    }

    fn working_bytes(&self, signatures: usize) -> usize {
        Self::working_bytes(self, signatures)
    }

    fn max_signatures(&self) -> usize {
        quintet_stark::MAX_SIGNATURES
    }

    /// The tables have a power of two of rows, and one more signature doubles them.
    fn full_proof(&self, signatures: usize) -> usize {
        signatures.checked_ilog2().map_or(0, |log| 1 << log)
    }
}
