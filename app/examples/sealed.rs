//! `sealed`: proofs of the embedded system behind a tag that names the network and the kind of
//! proof.
//!
//! A proof that verifies was signed, as with the embedded system, which checks every signature. The
//! tag keeps different proofs apart: those of two networks, and those of one attestation and of a
//! whole block. It is no signature: whoever sends a proof can write any tag.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quintet::prover::{
    CancelToken, Child, MAX_PROOF_BYTES, Multisig, ProofSystem, ProveError, RawSignature,
    Statement, VerifyError,
};

/// Bytes of a tag: six of the network, one of the version, one of the kind of proof.
pub(crate) const TAG_BYTES: usize = 8;
/// The version of the format.
const VERSION: u8 = 1;

/// Counts the calls of a proof system's functions, over all threads.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) aggregate: AtomicU64,
    pub(crate) merge: AtomicU64,
    pub(crate) split: AtomicU64,
    pub(crate) verify_single: AtomicU64,
    pub(crate) verify_multi: AtomicU64,
}

impl Calls {
    /// The counts: aggregate, merge, split, verify single, verify multi.
    pub(crate) fn counts(&self) -> [u64; 5] {
        [&self.aggregate, &self.merge, &self.split, &self.verify_single, &self.verify_multi]
            .map(|count| count.load(Ordering::Relaxed))
    }
}

/// The proof system.
pub(crate) struct Sealed {
    inner: Multisig,
    network: [u8; 6],
    calls: Arc<Calls>,
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Single = b'1',
    Multi = b'M',
}

impl Sealed {
    /// The name that the configuration chooses it by.
    pub(crate) const NAME: &str = "sealed";

    /// Proofs of one network, from signatures of this scheme.
    pub(crate) fn new(
        scheme: leansig::scheme::Scheme,
        network: [u8; 6],
        calls: Arc<Calls>,
    ) -> Self {
        let inner = Multisig::with_limit(scheme, MAX_PROOF_BYTES - TAG_BYTES);
        Self { inner, network, calls }
    }

    fn tag(&self, kind: Kind) -> [u8; TAG_BYTES] {
        let [a, b, c, d, e, f] = self.network;
        [a, b, c, d, e, f, VERSION, kind as u8]
    }

    fn seal(&self, kind: Kind, inner: &[u8]) -> Vec<u8> {
        [&self.tag(kind), inner].concat()
    }

    /// The proof behind the tag. The slice is of the input: hostile bytes cost nothing here.
    fn open<'a>(&self, kind: Kind, sealed: &'a [u8]) -> Result<&'a [u8], String> {
        sealed
            .strip_prefix(&self.tag(kind))
            .ok_or_else(|| "its tag is of another network, version or kind".to_owned())
    }
}

/// The inner system does not count the tag.
fn with_tag(error: ProveError) -> ProveError {
    match error {
        ProveError::TooLarge { bytes, limit } => {
            ProveError::TooLarge { bytes: bytes + TAG_BYTES, limit: limit + TAG_BYTES }
        }
        error => error,
    }
}

fn count(calls: &AtomicU64) {
    calls.fetch_add(1, Ordering::Relaxed);
}

impl ProofSystem for Sealed {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        count(&self.calls.aggregate);
        let children = children
            .iter()
            .map(|child| {
                let proof = self.open(Kind::Single, child.proof);
                Ok(Child {
                    signers: child.signers.clone(),
                    proof: proof.map_err(ProveError::InvalidInput)?,
                })
            })
            .collect::<Result<Vec<_>, ProveError>>()?;
        let proof = self.inner.aggregate(statement, &children, signatures, cancel);
        proof.map(|proof| self.seal(Kind::Single, &proof)).map_err(with_tag)
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        count(&self.calls.merge);
        let parts = parts
            .iter()
            .map(|(statement, proof)| {
                let proof = self.open(Kind::Single, proof).map_err(ProveError::InvalidInput)?;
                Ok((statement.clone(), proof))
            })
            .collect::<Result<Vec<_>, ProveError>>()?;
        let proof = self.inner.merge(&parts, cancel);
        proof.map(|proof| self.seal(Kind::Multi, &proof)).map_err(with_tag)
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        count(&self.calls.split);
        let proof = self.open(Kind::Multi, proof).map_err(ProveError::InvalidInput)?;
        let proof = self.inner.split(proof, statements, index, cancel);
        proof.map(|proof| self.seal(Kind::Single, &proof)).map_err(with_tag)
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        count(&self.calls.verify_single);
        let proof = self.open(Kind::Single, proof).map_err(VerifyError::Malformed)?;
        self.inner.verify_single(statement, proof)
    }

    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        count(&self.calls.verify_multi);
        let proof = self.open(Kind::Multi, proof).map_err(VerifyError::Malformed)?;
        self.inner.verify_multi(statements, proof)
    }

    // Sessions and blocks are planned by these sizes, so the tag has to be in them.

    fn single_proof_bytes(&self, signers: usize) -> usize {
        TAG_BYTES + self.inner.single_proof_bytes(signers)
    }

    fn multi_proof_bytes(&self, signers: &[usize]) -> usize {
        TAG_BYTES + self.inner.multi_proof_bytes(signers)
    }
    fn joins_proofs(&self) -> bool {
        self.inner.joins_proofs()
    }
}
