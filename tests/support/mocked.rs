//! The proof system of the conformance vectors, which were made without a prover: a proof is a
//! prefix and a fingerprint of its inputs, and every proof with the prefix is accepted.

use quintet_prover::{
    CancelToken, Child, MAX_PROOF_BYTES, ProofSystem, ProveError, RawSignature, Statement,
    VerifyError,
};

/// How every placeholder proof begins.
pub const PREFIX: &[u8] = b"\0MOCKED-AGGREGATION-PROOF\0";

/// Accepts placeholders and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct MockedProofs;

/// A placeholder that differs where the inputs differ.
fn placeholder(parts: &[&[u8]]) -> Vec<u8> {
    let mut input = Vec::new();
    for part in parts {
        input.extend((part.len() as u64).to_le_bytes());
        input.extend_from_slice(part);
    }
    let fingerprint = tree_hash::merkle_root(&input, 0);
    [PREFIX, fingerprint.as_slice()].concat()
}

/// A placeholder for a proof whose inputs a vector does not tell.
pub fn placeholder_of(text: &str) -> Vec<u8> {
    placeholder(&[text.as_bytes()])
}

fn accept(proof: &[u8]) -> Result<(), VerifyError> {
    if proof.starts_with(PREFIX) {
        Ok(())
    } else {
        Err(VerifyError::Invalid("no placeholder".into()))
    }
}

impl ProofSystem for MockedProofs {
    fn name(&self) -> &'static str {
        "mocked"
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        _cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let slot = statement.slot.to_le_bytes();
        let mut parts: Vec<&[u8]> = vec![&statement.message, &slot];
        parts.extend(children.iter().map(|child| child.proof));
        parts.extend(signatures.iter().map(|raw| raw.signature));
        parts.extend(&statement.public_keys);
        Ok(placeholder(&parts))
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        _cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        Ok(placeholder(&parts.iter().map(|(_, proof)| *proof).collect::<Vec<_>>()))
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        _cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        Ok(placeholder(&[proof, &statements[index].message]))
    }

    fn verify_single(&self, _: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        accept(proof)
    }

    fn verify_multi(&self, _: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        accept(proof)
    }
}

/// What a test has placeholder proofs do besides.
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
}

/// What goes into an aggregate.
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
}
