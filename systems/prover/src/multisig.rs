//! The embedded proof system: an envelope of the signatures themselves.

mod check;
mod gather;

pub(crate) use gather::{check_signers, out_of_range};

use leansig::scheme::Scheme;

pub use check::{Refused, SignatureCheck, SignedItem};

use crate::{
    CancelToken, Child, MAX_PROOF_BYTES, MAX_SIGNERS, ProofSystem, ProveError, RawSignature,
    Statement, VerifyError,
    envelope::{
        MAX_STATEMENTS, Multi, RAW_SIGNATURES, Single, multi_len, raw_single_len,
        write_multi_header, write_raw_header, write_single,
    },
    fault::Fault,
};

/// Signatures that are checked in one call: whole vectors, and few enough that a proof of invalid
/// ones is refused early.
const CHECK_BATCH: usize = 64;
/// Signatures that are copied between two looks at the cancel token.
const COPY_BATCH: usize = 64;

/// A signature for each of a statement's keys, in their order.
type Signatures<'a> = Vec<&'a [u8]>;

/// Proofs that carry the contributing signatures.
///
/// - Sound: what verifies was signed, by the signature scheme alone.
/// - Immediate: proving copies bytes. It checks structure, and no signature.
/// - Linear: a proof takes one signature a signer and at most 526 bytes more. With the
///   2536 bytes of the production scheme, 206 signers fit into [`MAX_PROOF_BYTES`].
/// - Verifying checks every signature, in batches of 64, after the whole structure was checked.
///
/// [`envelope`](crate::envelope) describes the bytes. An envelope's structure has room for parts
/// of other kinds; this version refuses kinds that it does not know.
#[derive(Clone, Debug)]
pub struct Multisig<C = Scheme> {
    pub(crate) check: C,
    pub(crate) limit: usize,
}

impl Multisig {
    /// The name that the configuration chooses it by.
    pub const NAME: &str = "multisig";
}

impl<C: SignatureCheck> Multisig<C> {
    /// Proofs from signatures that `check` checks, of at most [`MAX_PROOF_BYTES`].
    #[must_use]
    pub fn new(check: C) -> Self {
        Self::with_limit(check, MAX_PROOF_BYTES)
    }

    /// Proofs of at most `limit` bytes, for a block format that allows more or less. Whatever the
    /// limit, a length has to fit the envelope's fields of 32 bits.
    #[must_use]
    pub fn with_limit(check: C, limit: usize) -> Self {
        Self { check, limit: limit.min(u32::MAX as usize) }
    }

    /// The signature of each key, in order, that the proof's structure requires to be checked.
    fn signatures<'a>(&self, single: &Single<'a>, keys: usize) -> Result<Signatures<'a>, Fault> {
        if single.keys() != keys {
            return Err(Fault::Keys { found: single.keys(), expected: keys });
        }
        let signature_len = self.check.signature_len();
        // Raw signatures are the only kind so far, in one part over every key.
        for (part, content) in single.parts().iter().enumerate() {
            if content.kind != RAW_SIGNATURES {
                return Err(Fault::Kind { part, kind: content.kind });
            }
            if part > 0 {
                return Err(Fault::RepeatedKind { part, kind: content.kind });
            }
            let expected = content.signers.count().saturating_mul(signature_len);
            if content.payload.len() != expected {
                let found = content.payload.len();
                return Err(Fault::RawLength { part, found, expected });
            }
        }
        let mut left = single.parts()[0].payload;
        let mut signatures = Vec::with_capacity(keys);
        for _ in 0..keys {
            let (signature, rest) = left.split_at(signature_len);
            signatures.push(signature);
            left = rest;
        }
        Ok(signatures)
    }

    fn decode_single<'a>(&self, proof: &'a [u8], keys: usize) -> Result<Signatures<'a>, Fault> {
        self.signatures(&Single::decode(proof, self.limit)?, keys)
    }

    /// Reads a multi-message proof and checks its structure against all statements.
    fn decode_multi<'a>(
        &self,
        proof: &'a [u8],
        statements: &[Statement<'_>],
    ) -> Result<(Multi<'a>, Vec<Signatures<'a>>), Fault> {
        let multi = Multi::decode(proof, self.limit)?;
        if multi.statements() != statements.len() {
            let (found, expected) = (multi.statements(), statements.len());
            return Err(Fault::Statements { found, expected });
        }
        let signatures = multi
            .singles()
            .zip(statements)
            .enumerate()
            .map(|(index, (single, statement))| {
                self.signatures(single, statement.public_keys.len())
                    .map_err(|fault| Fault::Statement { index, fault: Box::new(fault) })
            })
            .collect::<Result<_, _>>()?;
        Ok((multi, signatures))
    }

    /// The statement's epoch, if the statement is one that can be signed.
    pub(crate) fn epoch(&self, statement: &Statement<'_>) -> Result<u32, String> {
        let keys = statement.public_keys.len();
        if !(1..=MAX_SIGNERS).contains(&keys) {
            return Err(format!("the statement has {keys} keys, expected 1 to {MAX_SIGNERS}"));
        }
        let expected = self.check.public_key_len();
        let wrong = statement.public_keys.iter().position(|key| key.len() != expected);
        if let Some(signer) = wrong {
            let found = statement.public_keys[signer].len();
            return Err(format!(
                "the statement's key {signer} has {found} bytes, expected {expected}"
            ));
        }
        u32::try_from(statement.slot).map_err(|_| {
            format!("the statement's slot {} is beyond the last epoch {}", statement.slot, u32::MAX)
        })
    }

    pub(crate) fn epochs(&self, statements: &[Statement<'_>]) -> Result<Vec<u32>, String> {
        let epochs = statements.iter().enumerate().map(|(index, statement)| {
            self.epoch(statement).map_err(|reason| format!("statement {index}: {reason}"))
        });
        epochs.collect()
    }

    /// Checks signatures in batches; gives the first that is not valid.
    pub(crate) fn check_all(&self, items: &[SignedItem<'_>]) -> Result<(), (usize, String)> {
        for (batch, items) in items.chunks(CHECK_BATCH).enumerate() {
            self.check
                .check(items)
                .map_err(|refused| (batch * CHECK_BATCH + refused.index, refused.reason))?;
        }
        Ok(())
    }
}

impl<C: SignatureCheck> ProofSystem for Multisig<C> {
    fn name(&self) -> &'static str {
        Multisig::NAME
    }

    /// The first of the children, in order, that covers a signer gives its signature; then the
    /// first of the signatures.
    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        go_on(cancel)?;
        self.epoch(statement).map_err(ProveError::InvalidInput)?;
        let keys = statement.public_keys.len();
        let bytes = self.single_proof_bytes(keys);
        within(bytes, self.limit)?;

        let gathered = self.gather(keys, children, signatures, cancel)?;
        let mut proof = Vec::with_capacity(bytes);
        write_raw_header(&mut proof, keys, self.check.signature_len());
        for batch in gathered.chunks(COPY_BATCH) {
            go_on(cancel)?;
            for signature in batch {
                proof.extend_from_slice(signature);
            }
        }
        Ok(proof)
    }

    fn merge(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        if !(1..=MAX_STATEMENTS).contains(&parts.len()) {
            return Err(ProveError::InvalidInput(format!(
                "{} proofs to merge, expected 1 to {MAX_STATEMENTS}",
                parts.len()
            )));
        }
        for (index, (statement, proof)) in parts.iter().enumerate() {
            go_on(cancel)?;
            let refused =
                |reason: String| ProveError::InvalidInput(format!("proof {index}: {reason}"));
            self.epoch(statement).map_err(refused)?;
            self.decode_single(proof, statement.public_keys.len())
                .map_err(|fault| refused(fault.to_string()))?;
        }
        let bytes = multi_len(parts.iter().map(|(_, proof)| proof.len()));
        within(bytes, self.limit)?;

        let mut merged = Vec::with_capacity(bytes);
        write_multi_header(&mut merged, parts.len());
        for (_, proof) in parts {
            go_on(cancel)?;
            write_single(&mut merged, proof);
        }
        Ok(merged)
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        go_on(cancel)?;
        self.epochs(statements).map_err(ProveError::InvalidInput)?;
        let (multi, _) = self
            .decode_multi(proof, statements)
            .map_err(|fault| ProveError::InvalidInput(fault.to_string()))?;
        go_on(cancel)?;
        multi.single_bytes(index).map(<[u8]>::to_vec).ok_or_else(|| {
            ProveError::InvalidInput(format!("no statement {index} of {}", statements.len()))
        })
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        let epoch = self.epoch(statement).map_err(VerifyError::Invalid)?;
        let signatures = self.decode_single(proof, statement.public_keys.len())?;
        let items: Vec<_> = items(statement, epoch, &signatures).collect();
        self.check_all(&items).map_err(|(signer, reason)| {
            VerifyError::Invalid(format!("signature of signer {signer}: {reason}"))
        })
    }

    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        let epochs = self.epochs(statements).map_err(VerifyError::Invalid)?;
        let (_, signatures) = self.decode_multi(proof, statements)?;
        let items: Vec<_> = statements
            .iter()
            .zip(&epochs)
            .zip(&signatures)
            .flat_map(|((statement, epoch), signatures)| items(statement, *epoch, signatures))
            .collect();
        self.check_all(&items).map_err(|(mut item, reason)| {
            let mut index = 0;
            while item >= signatures[index].len() {
                item -= signatures[index].len();
                index += 1;
            }
            VerifyError::Invalid(format!("statement {index}: signature of signer {item}: {reason}"))
        })
    }

    fn max_proof_bytes(&self) -> usize {
        self.limit
    }

    /// Exactly.
    fn single_proof_bytes(&self, signers: usize) -> usize {
        raw_single_len(signers, self.check.signature_len())
    }

    /// Exactly.
    fn multi_proof_bytes(&self, signers: &[usize]) -> usize {
        multi_len(signers.iter().map(|&count| self.single_proof_bytes(count)))
    }
}

/// A statement's keys with their signatures, as the signature check takes them.
fn items<'a>(
    statement: &'a Statement<'_>,
    epoch: u32,
    signatures: &'a [&'a [u8]],
) -> impl Iterator<Item = SignedItem<'a>> {
    statement
        .public_keys
        .iter()
        .zip(signatures)
        .map(move |(key, signature)| (*key, epoch, &statement.message, *signature))
}

pub(crate) fn go_on(cancel: &CancelToken) -> Result<(), ProveError> {
    if cancel.is_cancelled() { Err(ProveError::Cancelled) } else { Ok(()) }
}

pub(crate) fn within(bytes: usize, limit: usize) -> Result<(), ProveError> {
    if bytes > limit { Err(ProveError::TooLarge { bytes, limit }) } else { Ok(()) }
}
