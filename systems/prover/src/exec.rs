//! A proof system in a separate process.
//!
//! [`Exec`] starts a command and speaks with it over its standard input and output; `docs/proofs.md`
//! has the protocol. [`serve`] is the other side. A process that dies, hangs or answers garbage is
//! killed and started anew; the node goes on.

mod facts;
mod link;
mod serve;
mod supervisor;
mod wire;

use std::{fmt, panic::resume_unwind, time::Duration};

use leansig::scheme::Scheme;

pub use serve::serve;

use self::{
    facts::Facts,
    link::{Answer, Broken},
    supervisor::Supervisor,
    wire::{Body, Kind, Reason},
};
use crate::{
    CancelToken, Child, ProofSystem, ProveError, RawSignature, Statement, VerifyError,
    multisig::go_on,
};

/// Bytes of a phase's name at most; a longer one is cut.
const MAX_PHASE: usize = 64;

/// The limits of a prover process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecLimits {
    /// The longest time for its start.
    pub start: Duration,
    /// The longest time for making a proof.
    pub prove: Duration,
    /// The longest time for checking a proof, or for splitting one.
    pub check: Duration,
    /// The longest time for stopping work that was cancelled. After it the process is killed.
    pub stop: Duration,
    /// Address space in bytes, where the system can limit it. Threads and allocators ask for more
    /// than they use.
    pub memory_bytes: Option<u64>,
    /// The time for which no process is started after the first failure in a row. Each further
    /// failure doubles it, up to a minute.
    pub backoff: Duration,
}

impl Default for ExecLimits {
    /// A minute to begin; 64 s for a proof, as long as one may run; 10 s for a check; 2 s to stop;
    /// 32 GiB of address space; 200 ms of backoff.
    fn default() -> Self {
        Self {
            start: Duration::from_secs(60),
            prove: Duration::from_secs(64),
            check: Duration::from_secs(10),
            stop: Duration::from_secs(2),
            memory_bytes: Some(32 << 30),
            backoff: Duration::from_millis(200),
        }
    }
}

/// No process could be started, or it is no prover.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{command:?} is no prover: {reason}")]
pub struct ExecError {
    /// The command.
    pub command: String,
    /// The reason.
    pub reason: String,
}

/// A proof system that runs in separate processes: one makes proofs, and another checks them, so
/// that no check waits for a proof or ends with one.
///
/// - A proof that a process made is checked before it is returned.
/// - A process that does not answer in time, does not stop when asked or says what no prover says is
///   killed. What it was doing fails with [`ProveError::Unavailable`]; the next request starts a
///   new process, later and later while these fail.
/// - A check that has no answer is tried once more, with another process. After that it panics: the
///   fault is this node's, and no peer is blamed for the proof.
pub struct Exec {
    name: &'static str,
    facts: Facts,
    limits: ExecLimits,
    prover: Supervisor,
    checker: Supervisor,
}

impl Exec {
    /// The prefix of the command in a configuration.
    pub const PREFIX: &str = "exec:";

    /// Starts `command` for signatures of a scheme. The command is split at spaces; there is no shell.
    ///
    /// # Errors
    /// [`ExecError`]: it does not start, or is no prover of this version of the protocol.
    pub fn start(command: &str, scheme: Scheme, limits: ExecLimits) -> Result<Self, ExecError> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let refused =
            |broken: Broken| ExecError { command: command.to_owned(), reason: broken.to_string() };
        let prover = Supervisor::new(words.clone(), scheme, limits, true);
        let checker = Supervisor::new(words, scheme, limits, false);
        let facts = prover.begin().map_err(refused)?;
        checker.begin().map_err(refused)?;
        // One for each system that is made.
        let name = Box::leak(facts.name.clone().into_boxed_str());
        Ok(Self { name, facts, limits, prover, checker })
    }

    fn prove(&self, request: (Kind, Vec<u8>), cancel: &CancelToken) -> Result<Vec<u8>, ProveError> {
        go_on(cancel)?;
        let unavailable = |broken: Broken| match broken {
            // It was killed because it was given up.
            Broken::GivenUp => ProveError::Cancelled,
            Broken::TooLong(_) => ProveError::InvalidInput(broken.to_string()),
            _ => ProveError::Unavailable(broken.to_string()),
        };
        let answer = self.prover.call(request, Some(cancel), self.limits.prove);
        match answer.map_err(unavailable)? {
            Answer::Done(proof) => self.within(proof),
            Answer::Refused(Reason::Prove(error)) => Err(error),
            Answer::Refused(Reason::Verify(_)) => {
                Err(ProveError::Unavailable("the prover answered another question".into()))
            }
        }
    }

    fn within(&self, proof: Vec<u8>) -> Result<Vec<u8>, ProveError> {
        let (bytes, limit) = (proof.len(), self.facts.max_proof_bytes);
        if bytes > limit { Err(ProveError::TooLarge { bytes, limit }) } else { Ok(proof) }
    }

    fn verify(&self, kind: Kind, body: &Body) -> Result<(), VerifyError> {
        let mut broken = None;
        for _ in 0..2 {
            match self.checker.call((kind, body.0.clone()), None, self.limits.check) {
                Ok(Answer::Done(_)) => return Ok(()),
                Ok(Answer::Refused(Reason::Verify(error))) => return Err(error),
                Ok(Answer::Refused(Reason::Prove(_))) => {
                    broken = Some("the prover answered another question".to_owned());
                }
                Err(reason) => broken = Some(reason.to_string()),
            }
        }
        resume_unwind(Box::new(format!("a proof was not checked: {}", broken.unwrap_or_default())))
    }

    /// An own proof that its verifier refuses is not handed out.
    fn checked(proof: Vec<u8>, verdict: Result<(), VerifyError>) -> Result<Vec<u8>, ProveError> {
        match verdict {
            Ok(()) => Ok(proof),
            Err(error) => Err(ProveError::InvalidInput(format!(
                "the proof that was made is refused: {error}"
            ))),
        }
    }
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl ProofSystem for Exec {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let mut body = Body::default();
        body.statement(statement).number(children.len());
        for child in children {
            body.child(child);
        }
        body.number(signatures.len());
        for raw in signatures {
            body.signature(raw);
        }
        let proof = self.prove((Kind::Aggregate, body.0), cancel)?;
        let verdict = self.verify_single(statement, &proof);
        Self::checked(proof, verdict)
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let mut body = Body::default();
        body.number(parts.len());
        for (statement, proof) in parts {
            body.statement(statement).bytes(proof);
        }
        let proof = self.prove((Kind::Merge, body.0), cancel)?;
        let statements: Vec<_> = parts.iter().map(|(statement, _)| statement.clone()).collect();
        let verdict = self.verify_multi(&statements, &proof);
        Self::checked(proof, verdict)
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let mut body = Body::default();
        body.bytes(proof).statements(statements).number(index);
        self.prove((Kind::Split, body.0), cancel)
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        self.verify(Kind::VerifySingle, Body::default().statement(statement).bytes(proof))
    }

    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        self.verify(Kind::VerifyMulti, Body::default().statements(statements).bytes(proof))
    }

    fn max_proof_bytes(&self) -> usize {
        self.facts.max_proof_bytes
    }

    fn single_proof_bytes(&self, signers: usize) -> usize {
        self.facts.single_proof_bytes(signers)
    }

    /// As for one statement with as many signers.
    fn multi_proof_bytes(&self, signers: &[usize]) -> usize {
        let all = signers.iter().fold(0, |sum: usize, &count| sum.saturating_add(count));
        self.facts.single_proof_bytes(all)
    }

    fn joins_proofs(&self) -> bool {
        self.facts.joins_proofs
    }

    fn working_bytes(&self, input_bytes: usize) -> usize {
        self.facts.working_bytes(input_bytes)
    }

    fn max_signers(&self) -> usize {
        self.facts.max_signers
    }

    fn max_block_signers(&self) -> usize {
        self.facts.max_block_signers
    }

    fn max_validators(&self) -> usize {
        self.facts.max_validators
    }
}
