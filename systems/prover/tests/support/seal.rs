//! A cheap engine, in the place of succinct proofs.

use std::ops::Range;

use quintet_prover::{CancelToken, Engine, NoProof};
use quintet_stark::Claim;

use super::sign;

/// Proofs that are a hash of the claims, so that they are short and quick.
#[derive(Clone, Copy, Debug)]
pub struct Seal;

/// The same for an engine whose proofs are best over a multiple of this many signatures.
#[derive(Clone, Copy, Debug)]
pub struct SealOf(pub usize);

/// The proof of some claims.
pub fn seal(claims: &[Claim<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for claim in claims {
        bytes.extend(claim.slot.to_le_bytes());
        bytes.extend(claim.public_keys.len().to_le_bytes());
        bytes.extend(claim.public_keys.concat());
        bytes.extend(claim.message);
    }
    sign(&bytes, 0, &[0; 32]).repeat(4)
}

impl Engine for Seal {
    const FORMAT: u8 = 9;

    fn prove(
        &self,
        claims: &[Claim<'_>],
        signatures: &[&[u8]],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, NoProof> {
        if cancel.is_cancelled() {
            return Err(NoProof::Cancelled);
        }
        let signed: Vec<_> = claims
            .iter()
            .flat_map(|claim| {
                claim.public_keys.iter().map(|key| sign(key, claim.slot, &claim.message))
            })
            .collect();
        if signed.as_flattened() == signatures.concat() {
            Ok(seal(claims))
        } else {
            Err(NoProof::Invalid("a forged signature".to_owned()))
        }
    }

    fn verify(&self, claims: &[Claim<'_>], proof: &[u8]) -> Result<(), String> {
        if proof == seal(claims) { Ok(()) } else { Err("another seal".to_owned()) }
    }

    fn proof_bytes(&self, _: usize, _: usize) -> Range<usize> {
        24..24
    }

    fn working_bytes(&self, signatures: usize) -> usize {
        signatures
    }

    fn max_signatures(&self) -> usize {
        64
    }
}

impl Engine for SealOf {
    const FORMAT: u8 = Seal::FORMAT;

    fn prove(
        &self,
        claims: &[Claim<'_>],
        signatures: &[&[u8]],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, NoProof> {
        Seal.prove(claims, signatures, cancel)
    }

    fn verify(&self, claims: &[Claim<'_>], proof: &[u8]) -> Result<(), String> {
        Seal.verify(claims, proof)
    }

    fn proof_bytes(&self, signatures: usize, claims: usize) -> Range<usize> {
        Seal.proof_bytes(signatures, claims)
    }

    fn working_bytes(&self, signatures: usize) -> usize {
        Seal.working_bytes(signatures)
    }

    fn max_signatures(&self) -> usize {
        Seal.max_signatures()
    }

    fn full_proof(&self, signatures: usize) -> usize {
        signatures / self.0 * self.0
    }
}
