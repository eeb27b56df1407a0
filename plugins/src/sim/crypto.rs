//! Signatures and proofs that cost nothing. Like real ones they bind key, slot and message.
//!
//! Any code that knows a public key could make them. In a simulation only the signer that holds the
//! key and the proof system do so; adversaries get signers for their own validators.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quintet_components::{
    chain::Registry,
    containers::{MultiMessageAggregate, ProofBytes, PublicKey, Signature, Validator, Validators},
    preset::SignaturePreset,
};
use quintet_prover::{
    CancelToken, Child, ProofSystem, ProveError, RawSignature, Statement, VerifyError,
};
use quintet_systems::verification::{SignatureCheck, SignatureVerifier, block_statements};

use super::random::Fingerprint;

/// The preset whose signatures are the shortest.
pub(super) const PRESET: SignaturePreset = SignaturePreset::Test;
/// The place of the randomness in a signature of any preset. Here it holds a fingerprint of key,
/// slot and message.
const MARK: std::ops::Range<usize> = 4..20;

/// The attestation key of a validator.
pub(super) fn attestation_key(index: u64) -> PublicKey {
    PublicKey::right_padding_from(&(2 * index + 1).to_be_bytes())
}

/// The proposal key of a validator.
pub(super) fn proposal_key(index: u64) -> PublicKey {
    PublicKey::right_padding_from(&(2 * index + 2).to_be_bytes())
}

/// A registry with this many validators.
pub(super) fn registry(count: u64) -> Validators {
    let validators = (0..count).map(|index| Validator {
        attestation_public_key: attestation_key(index),
        proposal_public_key: proposal_key(index),
        index,
    });
    Validators::new(validators.collect()).expect("in order, and no more than there may be")
}

fn mark(key: &[u8], slot: u64, message: &[u8; 32]) -> [u8; 16] {
    Fingerprint::new(1).bytes(key).word(slot).bytes(message).finish()
}

/// The signature of a key on a message for a slot.
pub(super) fn sign(key: &PublicKey, slot: u64, message: &[u8; 32]) -> Signature {
    let mut bytes = Signature::placeholder(PRESET).as_bytes().to_vec();
    bytes[MARK].copy_from_slice(&mark(key.as_slice(), slot, message));
    Signature::new(bytes).expect("only the randomness is another")
}

/// Checks simulated signatures.
#[derive(Clone, Copy, Debug)]
pub(super) struct SimVerifier;

impl SignatureVerifier for SimVerifier {
    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        checks.iter().map(is_valid).collect()
    }
}

fn is_valid(check: &SignatureCheck<'_>) -> bool {
    check.signature.get(MARK) == Some(&mark(check.public_key, check.slot, check.message)[..])
}

/// Makes and checks proofs of sixteen bytes. If the statement was not signed, the proof does not
/// verify.
#[derive(Clone, Default)]
pub(super) struct SimProofs {
    panics: Arc<AtomicBool>,
    is_wrong: Arc<AtomicBool>,
}

impl SimProofs {
    /// Makes every job panic from now on if `panics` is true.
    pub(super) fn set_panics(&self, panics: bool) {
        self.panics.store(panics, Ordering::Relaxed);
    }

    /// Makes every proof wrong from now on if `is_wrong` is true.
    pub(super) fn set_wrong(&self, is_wrong: bool) {
        self.is_wrong.store(is_wrong, Ordering::Relaxed);
    }

    fn made(&self, proof: [u8; 16], is_sound: bool) -> Vec<u8> {
        if self.panics.load(Ordering::Relaxed) {
            // This does not call the panic hook, which would report every panic.
            std::panic::resume_unwind(Box::new("the simulated prover panics"));
        }
        let mut proof = proof.to_vec();
        proof[0] ^= u8::from(!is_sound || self.is_wrong.load(Ordering::Relaxed));
        proof
    }
}

fn single(statement: &Statement<'_>) -> [u8; 16] {
    let mut print = Fingerprint::new(2);
    print.word(statement.slot).bytes(&statement.message);
    for key in &statement.public_keys {
        print.bytes(key);
    }
    print.finish()
}

fn multi(statements: &[Statement<'_>]) -> [u8; 16] {
    let mut print = Fingerprint::new(3);
    for statement in statements {
        print.bytes(&single(statement));
    }
    print.finish()
}

/// The proof of a block whose parts have all been signed.
pub(super) fn block_proof(
    block: &quintet_components::containers::Block,
    registry: &Registry,
) -> MultiMessageAggregate {
    let root = tree_hash::TreeHash::tree_hash_root(block);
    let proof = block_statements(block, root, registry).map(|all| multi(&all).to_vec());
    let proof = ProofBytes::new(proof.unwrap_or_default()).expect("short");
    MultiMessageAggregate { proof }
}

/// The keys that a child covers.
fn part<'a>(statement: &Statement<'a>, child: &Child<'_>) -> Option<Statement<'a>> {
    let keys = child.signers.iter().map(|at| statement.public_keys.get(*at).copied());
    Some(Statement { public_keys: keys.collect::<Option<_>>()?, ..*statement })
}

impl ProofSystem for SimProofs {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        if cancel.is_cancelled() {
            return Err(ProveError::Cancelled);
        }
        let of_child = |child: &Child<'_>| {
            part(statement, child).is_some_and(|part| single(&part) == *child.proof)
        };
        let of_signature = |raw: &RawSignature<'_>| {
            statement.public_keys.get(raw.signer).is_some_and(|public_key| {
                is_valid(&SignatureCheck {
                    public_key,
                    slot: statement.slot,
                    message: &statement.message,
                    signature: raw.signature,
                })
            })
        };
        let mut covered = vec![false; statement.public_keys.len()];
        let named = children.iter().flat_map(|child| child.signers.iter().copied());
        for signer in named.chain(signatures.iter().map(|raw| raw.signer)) {
            let place = covered.get_mut(signer);
            *place.ok_or_else(|| ProveError::Coverage("no such signer".into()))? = true;
        }
        if covered.contains(&false) {
            return Err(ProveError::Coverage("a signer has no input".into()));
        }
        let is_sound = children.iter().all(of_child) && signatures.iter().all(of_signature);
        Ok(self.made(single(statement), is_sound))
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        if cancel.is_cancelled() {
            return Err(ProveError::Cancelled);
        }
        let is_sound = parts.iter().all(|(statement, proof)| single(statement) == **proof);
        let statements: Vec<_> = parts.iter().map(|(statement, _)| statement.clone()).collect();
        Ok(self.made(multi(&statements), is_sound))
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        if cancel.is_cancelled() {
            return Err(ProveError::Cancelled);
        }
        let statement = statements.get(index);
        let statement =
            statement.ok_or_else(|| ProveError::InvalidInput("no such statement".into()))?;
        Ok(self.made(single(statement), multi(statements) == *proof))
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        verdict(single(statement) == *proof)
    }

    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        verdict(multi(statements) == *proof)
    }
}

fn verdict(is_valid: bool) -> Result<(), VerifyError> {
    is_valid.then_some(()).ok_or_else(|| VerifyError::Invalid("it proves something else".into()))
}
