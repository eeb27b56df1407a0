//! The proof system of leanSpec's vectors, which were made without a prover: a proof is a prefix
//! and a fingerprint of its inputs, and every proof with the prefix is accepted. It has no name in
//! the registry of proof systems, so no configuration can select it: only the test driver's own
//! world and the tests use it.

use quintet_prover::{
    CancelToken, Child, ProofSystem, ProveError, RawSignature, Statement, VerifyError,
};

/// The first bytes of every placeholder proof.
pub const PREFIX: &[u8] = b"\0MOCKED-AGGREGATION-PROOF\0";

/// Makes and accepts only placeholders.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlaceholderProofs;

/// A placeholder that differs if the inputs differ.
fn placeholder(parts: &[&[u8]]) -> Vec<u8> {
    let mut input = Vec::new();
    for part in parts {
        input.extend((part.len() as u64).to_le_bytes());
        input.extend_from_slice(part);
    }
    let fingerprint = tree_hash::merkle_root(&input, 0);
    [PREFIX, fingerprint.as_slice()].concat()
}

/// A placeholder for a proof whose inputs are not in the vector.
pub fn placeholder_of(text: &str) -> Vec<u8> {
    placeholder(&[text.as_bytes()])
}

fn accept(proof: &[u8]) -> Result<(), VerifyError> {
    if proof.starts_with(PREFIX) {
        Ok(())
    } else {
        Err(VerifyError::Invalid("not a placeholder".into()))
    }
}

impl ProofSystem for PlaceholderProofs {
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
