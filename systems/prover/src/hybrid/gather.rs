//! Gathers the parts of a new proof of a statement.

use super::parsed::{Parsed, ProofPart};
use crate::{Child, ProveError, RawSignature, multisig::out_of_range};

/// A child's proof, with its keys' positions in the statement.
#[derive(Clone, Debug)]
pub(super) struct ChildProof<'a> {
    /// The statement's keys that it is over, ascending.
    pub(super) covered: Vec<usize>,
    pub(super) part: ProofPart<'a>,
}

/// The parts that cover a statement's keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered<'a> {
    /// Raw signatures, each with its signer, ascending.
    pub(super) raw: Vec<(usize, &'a [u8])>,
    /// Proofs that stay as they are, each with the keys that it counts for.
    pub(super) proofs: Vec<(Vec<usize>, ChildProof<'a>)>,
}

/// Everything that the inputs offer.
pub(super) struct Offers<'a> {
    raw: Vec<Option<&'a [u8]>>,
    proofs: Vec<ChildProof<'a>>,
}

impl<'a> Offers<'a> {
    pub(super) fn none(keys: usize) -> Self {
        Self { raw: vec![None; keys], proofs: Vec::new() }
    }

    /// Adds a child, whose keys are these of the statement's.
    pub(super) fn add_child(&mut self, child: &Child<'a>, parsed: Parsed<'a>) {
        for (signer, signature) in parsed.raw {
            self.raw[child.signers[signer]].get_or_insert(signature);
        }
        for part in parsed.proofs {
            let covered = part.covered.positions().map(|at| child.signers[at]).collect();
            self.proofs.push(ChildProof { covered, part });
        }
    }

    /// Adds a fresh signature.
    pub(super) fn add_raw(&mut self, raw: &RawSignature<'a>) -> Result<(), ProveError> {
        let keys = self.raw.len();
        let Some(slot) = self.raw.get_mut(raw.signer) else {
            let signer = raw.signer;
            return Err(out_of_range("a signature", signer, keys));
        };
        slot.get_or_insert(raw.signature);
        Ok(())
    }

    /// Chooses what covers every key: proofs only where no signature is at hand, those that add most
    /// first; then signatures for all that no proof covers.
    pub(super) fn choose(mut self) -> Result<Gathered<'a>, ProveError> {
        let keys = self.raw.len();
        let mut covered = vec![false; keys];
        let mut chosen = Vec::new();
        let missing =
            |covered: &[bool], raw: &[Option<&[u8]>], at: usize| !covered[at] && raw[at].is_none();
        while let Some(signer) = (0..keys).find(|at| missing(&covered, &self.raw, *at)) {
            let adds = |proof: &ChildProof<'_>| {
                proof.covered.iter().filter(|at| missing(&covered, &self.raw, **at)).count()
            };
            // The first of those that add the same number.
            let best = (0..self.proofs.len()).rev().max_by_key(|at| adds(&self.proofs[*at]));
            let Some(best) = best.filter(|at| adds(&self.proofs[*at]) > 0) else {
                return Err(ProveError::Coverage(format!(
                    "signer {signer} has neither child nor signature"
                )));
            };
            let proof = self.proofs.remove(best);
            let counted: Vec<_> =
                proof.covered.iter().copied().filter(|at| !covered[*at]).collect();
            for at in &counted {
                covered[*at] = true;
            }
            chosen.push((counted, proof));
        }
        let raw = self.raw.into_iter().enumerate().filter(|(at, _)| !covered[*at]);
        let raw = raw.filter_map(|(at, signature)| Some((at, signature?))).collect();
        Ok(Gathered { raw, proofs: chosen })
    }
}
