//! A cheap engine, in the place of succinct proofs.

use std::ops::Range;

use quintet_prover::{CancelToken, Engine, NoProof};
use quintet_stark::Claim;

use super::sign;

/// Proofs that are a hash of the claims, so that they are short and quick. They are best over a
/// multiple of `full` signatures.
#[derive(Clone, Copy, Debug)]
pub struct Seal {
    pub full: usize,
}

impl Default for Seal {
    fn default() -> Self {
        Self { full: 1 }
    }
}

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

    fn full_proof(&self, signatures: usize) -> usize {
        signatures / self.full * self.full
    }
}
