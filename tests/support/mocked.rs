//! The proof system of the conformance vectors, which is the test driver's, and what tests have it do
//! besides.

use quintet_prover::{
    CancelToken, Child, MAX_PROOF_BYTES, ProofSystem, ProveError, RawSignature, Statement,
    VerifyError,
};

#[allow(unused_imports, reason = "every test binary uses its own part")]
pub use quintet_plugins::scenario::placeholder::{
    PREFIX, PlaceholderProofs as MockedProofs, placeholder_of,
};

/// Additional behaviour of placeholder proofs.
pub trait Twist: Send + Sync + 'static {
    /// Comes before an aggregate is made; an error is its outcome.
    fn before_aggregate(&self, _: &Aggregate<'_>, _: &CancelToken) -> Result<(), ProveError> {
        Ok(())
    }

    /// Comes before a proof over so many keys is checked.
    fn before_check(&self, _keys: usize) {}

    /// Bytes of a proof at most.
    fn max_proof_bytes(&self) -> usize {
        MAX_PROOF_BYTES
    }

    /// Bytes of a proof over so many signers.
    fn single_proof_bytes(&self, _signers: usize) -> usize {
        0
    }

    /// Returns true if a block's proof is planned by its signers, and not by the proofs it carries.
    fn joins_proofs(&self) -> bool {
        true
    }
}

/// The inputs of an aggregate.
pub struct Aggregate<'a> {
    pub statement: &'a Statement<'a>,
    pub children: usize,
    pub signatures: usize,
}

/// Placeholder proofs with a twist.
pub struct Twisted<T>(pub T);

impl<T: Twist> ProofSystem for Twisted<T> {
    fn name(&self) -> &'static str {
        "twisted"
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let input = Aggregate { statement, children: children.len(), signatures: signatures.len() };
        self.0.before_aggregate(&input, cancel)?;
        MockedProofs.aggregate(statement, children, signatures, cancel)
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        MockedProofs.merge(parts, cancel)
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        MockedProofs.split(proof, statements, index, cancel)
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        self.0.before_check(statement.public_keys.len());
        MockedProofs.verify_single(statement, proof)
    }

    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        self.0.before_check(statements.iter().map(|each| each.public_keys.len()).sum());
        MockedProofs.verify_multi(statements, proof)
    }

    fn max_proof_bytes(&self) -> usize {
        self.0.max_proof_bytes()
    }

    fn single_proof_bytes(&self, signers: usize) -> usize {
        self.0.single_proof_bytes(signers)
    }

    fn joins_proofs(&self) -> bool {
        self.0.joins_proofs()
    }
}
