//! Aggregation proof systems: public keys, messages, signatures and proofs as bytes.
//!
//! # The contract
//!
//! A [`ProofSystem`] proves statements of the form "these keys, in this order, signed this
//! message at this slot" ([`Statement`]).
//!
//! - A *single-message proof* proves one statement. [`ProofSystem::aggregate`] makes one from
//!   fresh signatures and from child proofs over parts of the statement's keys.
//! - A *multi-message proof* proves several statements in order. [`ProofSystem::merge`] makes one
//!   from single-message proofs, and [`ProofSystem::split`] takes one of them out again.
//! - Whatever a verifier accepts was signed: message, slot, keys and their order are bound. A
//!   proof is worth nothing with another statement.
//! - Bytes handed to a verifier, to `split` or as a child may be hostile. They never cause a
//!   panic, nor an allocation beyond a bound that follows from the input's length and the
//!   statement.
//! - The statement is the caller's and is trusted; nothing else is.
//! - Proving looks at its [`CancelToken`] between steps and ends with [`ProveError::Cancelled`].
//! - Calls come from many threads at once and never wait for one another.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Asks a prover to stop.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl From<Arc<AtomicBool>> for CancelToken {
    /// A token that shares the caller's flag: true once anyone asks to stop.
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(flag)
    }
}

impl CancelToken {
    /// Asks.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether anyone asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a proof proves: each of these keys signed this message at this slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The slot signed for: the signatures' epoch.
    pub slot: u64,
    /// The message signed.
    pub message: [u8; 32],
    /// The signers' keys, in the order in which the caller lists the signers.
    pub public_keys: Vec<&'a [u8]>,
}

/// A proof over a part of a statement's keys.
#[derive(Clone, Debug)]
pub struct Child<'a> {
    /// Which of the statement's keys, as positions, ascending.
    pub signers: Vec<usize>,
    /// The proof over those keys and the same message and slot.
    pub proof: &'a [u8],
}

/// A fresh signature under one of a statement's keys.
#[derive(Clone, Copy, Debug)]
pub struct RawSignature<'a> {
    /// Which of the statement's keys, as a position.
    pub signer: usize,
    /// The signature.
    pub signature: &'a [u8],
}

/// Why no proof came out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The token was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A signer of the statement is in neither a child nor a signature, or one is named that the
    /// statement does not have.
    #[error("the inputs do not cover the statement: {0}")]
    Coverage(String),
    /// An input is not valid.
    #[error("invalid input: {0}")]
    InvalidInput(String),
    /// The proof would be longer than a block allows.
    #[error("the proof would have {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// How long it would be.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
}

/// Why a proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The bytes are no proof of this system.
    #[error("malformed proof: {0}")]
    Malformed(String),
    /// It is a proof, and not of this statement.
    #[error("the proof does not prove the statement: {0}")]
    Invalid(String),
}

/// A proof system. The module's documentation is its contract.
pub trait ProofSystem: Send + Sync + 'static {
    /// The name that the configuration chooses it by.
    fn name(&self) -> &'static str;

    /// Proves a statement from children and fresh signatures, which together cover its keys and
    /// may overlap.
    ///
    /// # Errors
    /// [`ProveError`].
    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError>;

    /// Joins single-message proofs, each with its statement, into one multi-message proof of the
    /// statements in this order.
    ///
    /// # Errors
    /// [`ProveError`].
    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError>;

    /// Takes the proof of `statements[index]` out of a multi-message proof of `statements`.
    ///
    /// # Errors
    /// [`ProveError`].
    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError>;

    /// Checks a single-message proof.
    ///
    /// # Errors
    /// [`VerifyError`].
    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError>;

    /// Checks a multi-message proof of these statements in this order.
    ///
    /// # Errors
    /// [`VerifyError`].
    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError>;
}
