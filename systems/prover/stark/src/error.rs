//! Errors.

use crate::ClaimError;

/// The reason no proof was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The claims are none that a proof can be about.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// There are too few or too many signatures.
    #[error("{found} signatures, expected {expected}")]
    Signatures {
        /// The number of signatures.
        found: usize,
        /// The number of keys in the claims.
        expected: usize,
    },
    /// A signature is not valid.
    #[error("signature {index}: {reason}")]
    Signature {
        /// Which, counted through all claims.
        index: usize,
        /// Why.
        reason: String,
    },
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The proof that came out does not verify: a defect of this crate.
    #[error("the proof is not valid: {reason} (inputs {inputs})")]
    Refused {
        /// A hash of the claims and signatures.
        inputs: String,
        /// The reason it does not verify.
        reason: String,
    },
    /// No proof came out: a defect of this crate.
    #[error("proving failed: {0}")]
    Failed(String),
}

/// The reason a proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The claims are none that a proof can be about.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The bytes are no proof.
    #[error("malformed: {0}")]
    Malformed(String),
    /// It is not a proof of the claims.
    #[error("it does not prove the claims: {0}")]
    Invalid(String),
}
