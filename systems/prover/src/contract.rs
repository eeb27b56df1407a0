//! The contract between a node and a proof system.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// Bytes of a proof at most, as the block format has it: 512 KiB.
pub const MAX_PROOF_BYTES: usize = 512 * 1024;

/// Keys of a statement at most: as many as a validator registry holds.
pub const MAX_SIGNERS: usize = 4096;

/// Phases of one piece of work that are recorded at most; later ones are not.
const MAX_PHASES: usize = 64;

/// Asks work to stop, and is told what the work does; the work looks at it between steps. Clones are
/// for the same work.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_cancelled: AtomicBool,
    phases: Mutex<Vec<(Cow<'static, str>, Instant)>>,
}

impl CancelToken {
    /// Asks.
    pub fn cancel(&self) {
        self.0.is_cancelled.store(true, Ordering::Release);
    }

    /// Returns true once anyone asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Acquire)
    }

    /// Says what the work is about to do.
    pub fn enter(&self, phase: impl Into<Cow<'static, str>>) {
        let mut phases = self.lock();
        if phases.len() < MAX_PHASES {
            phases.push((phase.into(), Instant::now()));
        }
    }

    /// The last phase that the work reported; `None` if it reported none.
    pub fn phase(&self) -> Option<Cow<'static, str>> {
        self.lock().last().map(|(phase, _)| phase.clone())
    }

    /// The phases that the work reported after this many of them, each with the time at which it
    /// began.
    pub fn phases_after(&self, count: usize) -> Vec<(Cow<'static, str>, Instant)> {
        self.lock().get(count..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Cow<'static, str>, Instant)>> {
        self.0.phases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A statement that a proof proves: each of these keys signed this message at this slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The slot signed for: the signatures' epoch, so at most `u32::MAX`.
    pub slot: u64,
    /// The message signed.
    pub message: [u8; 32],
    /// The signers' encoded keys, in the order in which the caller lists the signers: 1 to
    /// [`MAX_SIGNERS`] of them.
    pub public_keys: Vec<&'a [u8]>,
}

/// A proof over a part of a statement's keys.
#[derive(Clone, Debug)]
pub struct Child<'a> {
    /// Positions among the statement's keys, strictly ascending, at least one.
    pub signers: Vec<usize>,
    /// The single-message proof over those keys and the same message and slot.
    pub proof: &'a [u8],
}

/// A fresh signature under one of a statement's keys.
#[derive(Clone, Copy, Debug)]
pub struct RawSignature<'a> {
    /// The position among the statement's keys.
    pub signer: usize,
    /// The encoded signature.
    pub signature: &'a [u8],
}

/// The reason no proof was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The token was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A signer of the statement is in neither a child nor a signature, or one is named that the
    /// statement does not have.
    #[error("the inputs do not cover the statement: {0}")]
    Coverage(String),
    /// An input is not valid: a statement that nobody can sign, a malformed proof or signature, or
    /// a proof for other keys.
    #[error("invalid input: {0}")]
    InvalidInput(String),
    /// The proof would be longer than a block allows.
    #[error("the proof would have {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The largest length.
        limit: usize,
    },
    /// The prover did not answer: its process died or was killed.
    #[error("the prover is not available: {0}")]
    Unavailable(String),
}

/// The reason a proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The bytes are no proof of this system.
    #[error("malformed proof: {0}")]
    Malformed(String),
    /// It is a proof of another statement, or the statement is one that nobody can sign.
    #[error("the proof does not prove the statement: {0}")]
    Invalid(String),
}

/// A statement of a multi-message proof, before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergePart {
    /// The number of its signers.
    pub signers: usize,
    /// Bytes of the single-message proofs that it will be made of, together.
    pub bytes: usize,
}

/// A proof system. The contract is in the crate's documentation.
pub trait ProofSystem: Send + Sync + 'static {
    /// The name that the configuration chooses it by.
    fn name(&self) -> &'static str;

    /// Proves a statement from children and fresh signatures, which together cover its keys and
    /// may overlap. Children and signatures were verified by the caller.
    ///
    /// # Errors
    /// - [`ProveError::Coverage`]: a signer has neither child nor signature, or an input names one
    ///   that the statement does not have.
    /// - [`ProveError::InvalidInput`]: the statement, a child or a signature has the wrong shape.
    /// - [`ProveError::TooLarge`], [`ProveError::Cancelled`].
    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError>;

    /// Joins single-message proofs, each with its statement, into one multi-message proof of the
    /// statements in this order. Two of them may state the same.
    ///
    /// # Errors
    /// - [`ProveError::InvalidInput`]: nothing to merge, more than the system can hold, or a part
    ///   that does not fit its statement.
    /// - [`ProveError::TooLarge`], [`ProveError::Cancelled`].
    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError>;

    /// Takes the proof of `statements[index]` out of a multi-message proof of `statements`.
    ///
    /// # Errors
    /// - [`ProveError::InvalidInput`]: `index` is out of range, or the proof does not fit the
    ///   statements.
    /// - [`ProveError::Cancelled`].
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
    /// [`VerifyError::Malformed`] for what is no proof, [`VerifyError::Invalid`] for one of
    /// something else.
    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError>;

    /// Checks a multi-message proof of these statements in this order.
    ///
    /// # Errors
    /// As [`ProofSystem::verify_single`].
    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError>;

    /// Bytes of a proof at most, single or multi. Default: [`MAX_PROOF_BYTES`].
    fn max_proof_bytes(&self) -> usize {
        MAX_PROOF_BYTES
    }

    /// Bytes that a single-message proof over this many signers takes, at least; never falls as
    /// `signers` grows. Default: 0, for a system that cannot say.
    fn single_proof_bytes(&self, signers: usize) -> usize {
        let _ = signers;
        0
    }

    /// Bytes that a multi-message proof takes, at least, over statements with these numbers of
    /// signers; never falls as one of them grows or one is added. Default: the sum of the
    /// single-message proofs, which a system that joins them into something shorter has to override.
    fn multi_proof_bytes(&self, signers: &[usize]) -> usize {
        signers.iter().fold(0, |sum, &count| sum.saturating_add(self.single_proof_bytes(count)))
    }

    /// Returns true if a proof that is made of proofs is not longer because they are. Otherwise it
    /// carries them unchanged. Default: true.
    fn joins_proofs(&self) -> bool {
        true
    }

    /// Bytes of the multi-message proof of statements whose single-message proofs exist: an estimate
    /// by which a block's attestations are chosen. Default:
    /// [`multi_proof_bytes`](Self::multi_proof_bytes), or the sum of the proofs if the system
    /// does not join them.
    fn merged_bytes(&self, parts: &[MergePart]) -> usize {
        if self.joins_proofs() {
            let signers: Vec<usize> = parts.iter().map(|part| part.signers).collect();
            self.multi_proof_bytes(&signers)
        } else {
            parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.bytes))
        }
    }

    /// Bytes that making a proof needs while it is made, at most, for inputs of this many bytes
    /// together; the node's memory budget goes by it. Default: the inputs twice, and the longest
    /// proof.
    fn working_bytes(&self, input_bytes: usize) -> usize {
        input_bytes.saturating_mul(2).saturating_add(self.max_proof_bytes())
    }

    /// Signers of one statement at most. Default: the largest number whose
    /// [`single_proof_bytes`](Self::single_proof_bytes) is within the limit, no more than
    /// [`MAX_SIGNERS`].
    fn max_signers(&self) -> usize {
        let limit = self.max_proof_bytes();
        largest(MAX_SIGNERS, |signers| self.single_proof_bytes(signers) <= limit)
    }

    /// Signers of one attestation at most, so that a block's proof has room for it beside the
    /// proposer's signature. Default: by [`multi_proof_bytes`](Self::multi_proof_bytes), no more
    /// than [`max_signers`](Self::max_signers).
    fn max_block_signers(&self) -> usize {
        let limit = self.max_proof_bytes();
        largest(self.max_signers(), |signers| self.multi_proof_bytes(&[signers, 1]) <= limit)
    }

    /// Validators of a registry at most, so that one attestation in a block can justify: two thirds
    /// of them are no more than [`max_block_signers`](Self::max_block_signers). No more than
    /// [`MAX_SIGNERS`].
    fn max_validators(&self) -> usize {
        MAX_SIGNERS.min(self.max_block_signers().saturating_mul(3) / 2)
    }
}

/// The largest number up to `most` that fits; 0 if none does. What is above one that does not fit
/// does not fit either.
fn largest(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    // `low` fits or is 0, and nothing above `high` does.
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = high - (high - low) / 2;
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}
