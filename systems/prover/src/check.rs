//! The checks that every proof system has to pass: [`check`]. `quintet prover check` runs it.

use crate::{CancelToken, Child, ProofSystem, ProveError, RawSignature, Statement, VerifyError};

/// Keys, and who signs with them.
#[derive(Clone)]
pub struct Signers<'a> {
    /// Encoded keys, at least four. Neighbours have to differ, and so do the first and the last.
    pub public_keys: Vec<Vec<u8>>,
    /// The signature of the signer with this position, at a slot from 0 to 15, of a message.
    pub sign: &'a dyn Fn(usize, u32, &[u8; 32]) -> Vec<u8>,
}

/// The name of a check, and an error that says how it failed.
pub type Finding = (&'static str, Result<(), String>);

/// Tries a proof system. Whatever depends on a proof that was not made is not tried.
#[must_use]
pub fn check(system: &dyn ProofSystem, signers: &Signers<'_>) -> Vec<Finding> {
    let mut trial = Trial { system, signers, findings: Vec::new() };
    trial.sizes();
    if let Some(proof) = trial.fresh_signatures() {
        trial.statements(&proof);
        trial.bytes(&proof);
        trial.children(&proof);
        trial.several(&proof);
    }
    trial.refused_inputs();
    trial.cancelled();
    trial.findings
}

const SLOT: u64 = 3;
const MESSAGE: [u8; 32] = [7; 32];

struct Trial<'a> {
    system: &'a dyn ProofSystem,
    signers: &'a Signers<'a>,
    findings: Vec<Finding>,
}

fn that(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

impl<'a> Trial<'a> {
    fn note(&mut self, what: &'static str, outcome: Result<(), String>) {
        self.findings.push((what, outcome));
    }

    /// The statement that the signers of this range signed.
    fn statement(&self, signers: std::ops::Range<usize>) -> Statement<'a> {
        let keys = self.signers.public_keys[signers].iter().map(Vec::as_slice);
        Statement { slot: SLOT, message: MESSAGE, public_keys: keys.collect() }
    }

    fn all(&self) -> Statement<'a> {
        self.statement(0..self.signers.public_keys.len())
    }

    /// A proof from fresh signatures of signers that begin with `first`.
    fn prove(&self, statement: &Statement<'_>, first: usize) -> Result<Vec<u8>, ProveError> {
        self.aggregate(statement, &[], first, 0..statement.public_keys.len())
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        first: usize,
        fresh: std::ops::Range<usize>,
    ) -> Result<Vec<u8>, ProveError> {
        let slot = u32::try_from(statement.slot).unwrap_or(u32::MAX);
        let signatures: Vec<_> = fresh
            .map(|signer| (signer, (self.signers.sign)(first + signer, slot, &statement.message)))
            .collect();
        let raw: Vec<_> = signatures
            .iter()
            .map(|(signer, signature)| RawSignature { signer: *signer, signature })
            .collect();
        self.system.aggregate(statement, children, &raw, &CancelToken::default())
    }

    fn verify(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), String> {
        self.system.verify_single(statement, proof).map_err(|error| error.to_string())
    }

    fn refused(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), String> {
        that(self.system.verify_single(statement, proof).is_err(), "it was accepted")
    }

    fn sizes(&mut self) {
        let system = self.system;
        let (most, in_block) = (system.max_signers(), system.max_block_signers());
        self.note(
            "limits are in their order",
            that(
                1 <= in_block && in_block <= most && most <= crate::MAX_SIGNERS,
                "a block has room for more signers than a proof, or for none",
            ),
        );
        let bytes: Vec<_> = (0..=12).map(|log| system.single_proof_bytes(1 << log)).collect();
        self.note("more signers never take less", that(bytes.is_sorted(), "they do"));
    }

    fn fresh_signatures(&mut self) -> Option<Vec<u8>> {
        let all = self.all();
        let proof = self.prove(&all, 0);
        let outcome = match &proof {
            Ok(proof) => self.verify(&all, proof),
            Err(error) => Err(error.to_string()),
        };
        self.note("fresh signatures make a proof that verifies", outcome);
        let proof = proof.ok()?;
        let (bytes, least) = (proof.len(), self.system.single_proof_bytes(all.public_keys.len()));
        let most = self.system.max_proof_bytes();
        self.note(
            "the proof's size is within what was said",
            that((least..=most).contains(&bytes), &format!("{bytes} bytes, {least} to {most}")),
        );
        let again = self.prove(&all, 0);
        self.note(
            "the same inputs give the same proof",
            that(again.as_ref() == Ok(&proof), "not so"),
        );
        Some(proof)
    }

    fn statements(&mut self, proof: &[u8]) {
        let all = self.all();
        let outcome = self.refused(&Statement { slot: SLOT + 1, ..all.clone() }, proof);
        self.note("another slot is refused", outcome);
        let outcome = self.refused(&Statement { message: [8; 32], ..all.clone() }, proof);
        self.note("another message is refused", outcome);
        let mut swapped = all.clone();
        swapped.public_keys.swap(0, 1);
        let outcome = self.refused(&swapped, proof);
        self.note("another order of the keys is refused", outcome);
        let mut other = all.clone();
        other.public_keys[0] = other.public_keys[1];
        let outcome = self.refused(&other, proof);
        self.note("another key is refused", outcome);
        let fewer = self.statement(0..all.public_keys.len() - 1);
        let outcome = self.refused(&fewer, proof);
        self.note("fewer keys are refused", outcome);
        let mut none = all;
        none.public_keys.clear();
        let outcome = self.refused(&none, proof);
        self.note("a statement without keys is refused", outcome);
    }

    fn bytes(&mut self, proof: &[u8]) {
        let all = self.all();
        let step = (proof.len() / 16).max(1);
        let accepted = (0..proof.len()).step_by(step).find(|at| {
            let mut changed = proof.to_vec();
            changed[*at] ^= 1;
            self.system.verify_single(&all, &changed).is_ok()
        });
        let outcome = accepted.map_or(Ok(()), |at| Err(format!("byte {at} may change")));
        self.note("a changed byte is refused", outcome);
        let lengths = [0, 1, proof.len() / 2, proof.len() - 1];
        let malformed = |bytes: &[u8]| {
            matches!(self.system.verify_single(&all, bytes), Err(VerifyError::Malformed(_)))
        };
        let outcome = that(
            lengths.into_iter().all(|len| malformed(&proof[..len])),
            "a cut proof is not called malformed",
        );
        self.note("a cut proof is malformed", outcome);
        let outcome = self.refused(&all, &[proof, &[0]].concat());
        self.note("bytes after a proof are refused", outcome);
        let outcome = self.refused(&all, &vec![0xff; proof.len()]);
        self.note("bytes that are no proof are refused", outcome);
    }

    fn children(&mut self, proof: &[u8]) {
        let (all, len) = (self.all(), self.signers.public_keys.len());
        let part = self.statement(0..len - 1);
        let outcome = self.prove(&part, 0).map_err(|error| error.to_string()).and_then(|child| {
            let child = Child { signers: (0..len - 1).collect(), proof: &child };
            let joined = self.aggregate(&all, &[child], 0, len - 1..len);
            self.verify(&all, &joined.map_err(|error| error.to_string())?)
        });
        self.note("a child and a fresh signature make a proof", outcome);
        let whole = Child { signers: (0..len).collect(), proof };
        let outcome = self.aggregate(&all, &[whole.clone(), whole], 0, 0..0);
        let outcome = outcome
            .map_err(|error| error.to_string())
            .and_then(|joined| self.verify(&all, &joined));
        self.note("children that overlap make a proof", outcome);
    }

    fn several(&mut self, proof: &[u8]) {
        let all = self.all();
        let one = Statement { message: [9; 32], ..self.statement(1..2) };
        let second = match self.prove(&one, 1) {
            Ok(second) => second,
            Err(error) => {
                return self.note("a single signature makes a proof", Err(error.to_string()));
            }
        };
        let parts = [(all.clone(), proof), (one.clone(), &second[..])];
        let merged = match self.system.merge(&parts, &CancelToken::default()) {
            Ok(merged) => merged,
            Err(error) => return self.note("two proofs are merged", Err(error.to_string())),
        };
        let (ours, turned) = ([all.clone(), one.clone()], [one.clone(), all.clone()]);
        let verdict = self.system.verify_multi(&ours, &merged);
        self.note("two proofs are merged", verdict.map_err(|error| error.to_string()));
        let verdict = self.system.verify_multi(&turned, &merged);
        self.note("another order of statements is refused", that(verdict.is_err(), "accepted"));
        let verdict = self.system.verify_multi(&ours[..1], &merged);
        self.note("fewer statements are refused", that(verdict.is_err(), "accepted"));
        let outcome = (0..2).try_for_each(|index| {
            let part = self.system.split(&merged, &ours, index, &CancelToken::default());
            self.verify(&ours[index], &part.map_err(|error| error.to_string())?)
        });
        self.note("what was merged is split", outcome);
        let part = self.system.split(&merged, &ours, 2, &CancelToken::default());
        self.note("a part that is not there is refused", that(part.is_err(), "accepted"));
    }

    fn refused_inputs(&mut self) {
        let (all, len) = (self.all(), self.signers.public_keys.len());
        let made = self.aggregate(&all, &[], 0, 1..len);
        self.note(
            "a signer without a signature is refused",
            that(matches!(made, Err(ProveError::Coverage(_))), "not with the error for it"),
        );
        let garbage = Child { signers: (0..len).collect(), proof: b"garbage" };
        let made = self.aggregate(&all, &[garbage], 0, 0..0);
        self.note(
            "a child that is no proof is refused",
            that(matches!(made, Err(ProveError::InvalidInput(_))), "not with the error for it"),
        );
        let nothing = self.system.merge(&[], &CancelToken::default());
        self.note("nothing to merge is refused", that(nothing.is_err(), "accepted"));
    }

    fn cancelled(&mut self) {
        let (all, cancel) = (self.all(), CancelToken::default());
        cancel.cancel();
        let made = self.system.aggregate(&all, &[], &[], &cancel);
        self.note(
            "a cancelled proof is not made",
            that(made == Err(ProveError::Cancelled), "not with the error for it"),
        );
    }
}
