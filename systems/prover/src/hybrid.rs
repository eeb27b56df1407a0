//! Proofs that are signatures while these are shorter, and succinct proofs from there on.

mod build;
mod engine;
mod gather;
mod parsed;
mod parts;

use leansig::scheme::Scheme;
use quintet_stark::{Claim, Stark};

pub use engine::{Engine, NoProof};

use self::{
    gather::Offers,
    parsed::{Form, Parsed, ProofPart},
    parts::{JOINT, claim_of},
};
use crate::{
    CancelToken, Child, MAX_PROOF_BYTES, MergePart, Multisig, ProofSystem, ProveError,
    RawSignature, SignatureCheck, SignedItem, Statement, VerifyError,
    envelope::{MAX_STATEMENTS, multi_len, raw_single_len},
    multisig::{check_signers, go_on, within},
};

/// Proofs that carry signatures, a succinct proof that they are valid, or both.
///
/// - Sound: raw signatures by the signature scheme alone, proofs as `docs/proofs.md` says.
/// - By size: fresh signatures are carried raw while they are shorter than a proof of them, and then
///   the bytes are those of [`Multisig`]. A few of them that would make the proof take much longer are
///   carried beside it. Making a proof takes from some hundred milliseconds to seconds.
/// - Joining children without fresh signatures, and merging, are what a proposer does within its
///   interval. They carry raw signatures as long as the result is within the limit, and prove only
///   what is too long.
/// - A proof of others cannot be joined with signatures into one: it is carried beside. So children
///   that still have their signatures make shorter proofs than those that are proofs.
/// - If merging proves, it proves the raw signatures of all statements at once. What is split off is
///   a share: it carries the whole proof, and what else that is over.
/// - A proof that is made here is verified before it is returned.
///
/// The parts of its envelopes, beside [`RAW_SIGNATURES`](crate::envelope::RAW_SIGNATURES), are
/// proofs (2), shares of a proof over other claims too (3) and, within a multi-message envelope,
/// shares of its own proof (4). A part's payload begins with the list of the statement's keys that
/// its proof is over, which may be more than those that it counts for.
#[derive(Clone, Debug)]
pub struct Hybrid<C = Scheme, E = Stark> {
    raw: Multisig<C>,
    engine: E,
    crossover: Option<usize>,
}

impl Hybrid {
    /// The name that the configuration chooses it by.
    pub const NAME: &str = "stark";

    /// The embedded system: proofs of at most [`MAX_PROOF_BYTES`].
    #[must_use]
    pub fn stark(scheme: Scheme) -> Self {
        Self::new(scheme, Stark::new(scheme), MAX_PROOF_BYTES)
    }
}

impl<C: SignatureCheck, E: Engine> Hybrid<C, E> {
    /// Proofs from signatures that `check` checks and `engine` proves, of at most `limit` bytes.
    #[must_use]
    pub fn new(check: C, engine: E, limit: usize) -> Self {
        Self { raw: Multisig::with_limit(check, limit), engine, crossover: None }
    }

    /// Carries at most so many signatures raw, whatever is shorter and whatever there is room for.
    #[must_use]
    pub fn with_crossover(self, signatures: usize) -> Self {
        Self { crossover: Some(signatures), ..self }
    }

    fn form(&self) -> Form {
        Form {
            key_len: self.raw.check.public_key_len(),
            signature_len: self.raw.check.signature_len(),
            format: E::FORMAT,
            limit: self.raw.limit,
        }
    }

    /// Returns true if this many signatures of this many claims are carried raw.
    fn stays_raw(&self, signatures: usize, claims: usize) -> bool {
        if signatures > self.engine.max_signatures() {
            return true;
        }
        match self.crossover {
            Some(most) => signatures <= most,
            None => {
                let raw = signatures.saturating_mul(self.raw.check.signature_len());
                raw <= self.engine.proof_bytes(signatures, claims).end
            }
        }
    }

    /// Returns true if so many signatures are carried raw where there is no time for a proof; `bytes`
    /// is the length of the result with them.
    fn carries(&self, signatures: usize, bytes: usize) -> bool {
        self.crossover.is_none_or(|most| signatures <= most) && bytes <= self.raw.limit
    }

    fn prove(
        &self,
        claims: &[Claim<'_>],
        signatures: &[&[u8]],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        self.engine.prove(claims, signatures, cancel).map_err(|error| match error {
            NoProof::Cancelled => ProveError::Cancelled,
            NoProof::Invalid(reason) => ProveError::InvalidInput(reason),
        })
    }

    /// Checks the raw signatures of statements, and then their proofs.
    fn check(
        &self,
        statements: &[Statement<'_>],
        slots: &[u32],
        parsed: &[Parsed<'_>],
    ) -> Result<(), VerifyError> {
        let (mut items, mut whose) = (Vec::new(), Vec::new());
        for (index, ((statement, slot), parsed)) in
            statements.iter().zip(slots).zip(parsed).enumerate()
        {
            for (signer, signature) in &parsed.raw {
                let item: SignedItem<'_> =
                    (statement.public_keys[*signer], *slot, &statement.message, *signature);
                items.push(item);
                whose.push((index, *signer));
            }
        }
        self.raw.check_all(&items).map_err(|(item, reason)| {
            let (index, signer) = whose[item];
            VerifyError::Invalid(format!(
                "statement {index}: signature of signer {signer}: {reason}"
            ))
        })?;
        for (index, ((statement, slot), parsed)) in
            statements.iter().zip(slots).zip(parsed).enumerate()
        {
            for part in parsed.proofs.iter().filter(|part| part.kind != JOINT) {
                self.check_proof(&proved_claims(statement, *slot, part), part.proof, index)?;
            }
        }
        let joint = joint_claims(statements, slots, parsed);
        let mut joint_parts = parsed.iter().filter_map(Parsed::joint);
        joint_parts.next().map_or(Ok(()), |first| {
            self.engine
                .verify(&joint, first.proof)
                .map_err(|reason| VerifyError::Invalid(format!("joint proof: {reason}")))
        })
    }

    fn check_proof(
        &self,
        claims: &[Claim<'_>],
        proof: &[u8],
        statement: usize,
    ) -> Result<(), VerifyError> {
        self.engine.verify(claims, proof).map_err(|reason| {
            VerifyError::Invalid(format!("statement {statement}: its proof: {reason}"))
        })
    }
}

/// The claims of a part's proof.
fn proved_claims<'a>(statement: &Statement<'a>, slot: u32, part: &ProofPart<'a>) -> Vec<Claim<'a>> {
    let own = claim_of(statement, slot, part.covered.positions());
    match &part.others {
        Some(others) => others.with(own),
        None => vec![own],
    }
}

/// The claims of a multi-message envelope's own proof, in the order of the statements.
fn joint_claims<'a>(
    statements: &[Statement<'a>],
    slots: &[u32],
    parsed: &[Parsed<'_>],
) -> Vec<Claim<'a>> {
    let statements = statements.iter().zip(slots).zip(parsed);
    let claims = statements.filter_map(|((statement, slot), parsed)| {
        Some(claim_of(statement, *slot, parsed.joint()?.covered.positions()))
    });
    claims.collect()
}

impl<C: SignatureCheck, E: Engine> ProofSystem for Hybrid<C, E> {
    fn name(&self) -> &'static str {
        Hybrid::NAME
    }

    /// A signature that is at hand counts before a proof, unless a proof is needed for another
    /// signer. Of several signatures, that of the first child counts, and then the first of the fresh
    /// ones.
    fn aggregate(
        &self,
        statement: &Statement<'_>,
        children: &[Child<'_>],
        signatures: &[RawSignature<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        go_on(cancel)?;
        let slot = self.raw.epoch(statement).map_err(ProveError::InvalidInput)?;
        let keys = statement.public_keys.len();
        within(self.single_proof_bytes(keys), self.raw.limit)?;
        let form = self.form();
        let mut offers = Offers::none(keys);
        for (index, child) in children.iter().enumerate() {
            go_on(cancel)?;
            check_signers(index, &child.signers, keys)?;
            let parsed = form
                .single(child.proof, child.signers.len())
                .map_err(|fault| ProveError::InvalidInput(format!("child {index}: {fault}")))?;
            offers.add_child(child, parsed);
        }
        for (index, raw) in signatures.iter().enumerate() {
            let (found, expected) = (raw.signature.len(), form.signature_len);
            if found != expected {
                return Err(ProveError::InvalidInput(format!(
                    "signature {index} has {found} bytes, expected {expected}"
                )));
            }
            offers.add_raw(raw)?;
        }
        self.build_single(statement, slot, offers.choose()?, !signatures.is_empty(), cancel)
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
        let (mut slots, mut parsed) = (Vec::new(), Vec::new());
        for (index, (statement, proof)) in parts.iter().enumerate() {
            go_on(cancel)?;
            let refused =
                |reason: String| ProveError::InvalidInput(format!("proof {index}: {reason}"));
            slots.push(self.raw.epoch(statement).map_err(refused)?);
            let single = self.form().single(proof, statement.public_keys.len());
            parsed.push(single.map_err(|fault| refused(fault.to_string()))?);
        }
        self.build_multi(parts, &slots, &parsed, cancel)
    }

    fn split(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        index: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        go_on(cancel)?;
        let slots = self.raw.epochs(statements).map_err(ProveError::InvalidInput)?;
        let parsed = self
            .form()
            .multi(proof, statements)
            .map_err(|fault| ProveError::InvalidInput(fault.to_string()))?;
        go_on(cancel)?;
        if index >= statements.len() {
            return Err(ProveError::InvalidInput(format!(
                "no statement {index} of {}",
                statements.len()
            )));
        }
        self.build_share(proof, statements, &slots, &parsed, index)
    }

    fn verify_single(&self, statement: &Statement<'_>, proof: &[u8]) -> Result<(), VerifyError> {
        let slot = self.raw.epoch(statement).map_err(VerifyError::Invalid)?;
        let parsed = self.form().single(proof, statement.public_keys.len())?;
        self.check(std::slice::from_ref(statement), &[slot], &[parsed])
    }

    fn verify_multi(&self, statements: &[Statement<'_>], proof: &[u8]) -> Result<(), VerifyError> {
        let slots = self.raw.epochs(statements).map_err(VerifyError::Invalid)?;
        let parsed = self.form().multi(proof, statements)?;
        self.check(statements, &slots, &parsed)
    }

    fn max_proof_bytes(&self) -> usize {
        self.raw.limit
    }

    /// The signatures, or the least proof of any.
    fn single_proof_bytes(&self, signers: usize) -> usize {
        let raw = raw_single_len(signers, self.raw.check.signature_len());
        raw.min(self.engine.proof_bytes(signers, 1).start)
    }

    /// The signatures, or the least proof of any.
    fn multi_proof_bytes(&self, signers: &[usize]) -> usize {
        let signature_len = self.raw.check.signature_len();
        let raw = multi_len(signers.iter().map(|&count| raw_single_len(count, signature_len)));
        let all = signers.iter().fold(0, |sum: usize, &count| sum.saturating_add(count));
        raw.min(self.engine.proof_bytes(all, signers.len()).start)
    }

    fn joins_proofs(&self) -> bool {
        false
    }

    /// Everything is carried if there is room for it. Otherwise, a statement whose parts are shorter
    /// than its signatures contains proofs, which are carried, and the signatures of the other
    /// statements are proved at once.
    fn merged_bytes(&self, parts: &[MergePart]) -> usize {
        let signature_len = self.raw.check.signature_len();
        let raw_len = |part: &MergePart| raw_single_len(part.signers, signature_len);
        let all = parts.iter().map(|part| part.signers).fold(0, usize::saturating_add);
        let whole = multi_len(parts.iter().map(|part| part.bytes));
        if self.carries(all, whole) {
            return whole;
        }
        let (proofs, raw): (Vec<&MergePart>, Vec<&MergePart>) =
            parts.iter().partition(|part| part.bytes < raw_len(part));
        let sum = |bytes: &mut dyn Iterator<Item = usize>| bytes.fold(0, usize::saturating_add);
        let (signers, raw_bytes) = (
            sum(&mut raw.iter().map(|part| part.signers)),
            sum(&mut raw.iter().map(|part| raw_len(part))),
        );
        let carried = multi_len(proofs.into_iter().map(|part| part.bytes));
        carried.saturating_add(if self.stays_raw(signers, raw.len()) {
            raw_bytes
        } else {
            // The envelopes stay, without the signatures.
            let around = raw_bytes.saturating_sub(signers.saturating_mul(signature_len));
            around.saturating_add(self.engine.proof_bytes(signers, raw.len()).end)
        })
    }

    fn working_bytes(&self, input_bytes: usize) -> usize {
        let signatures = input_bytes / self.raw.check.signature_len();
        let bytes = input_bytes.saturating_mul(2).saturating_add(self.max_proof_bytes());
        bytes
            .saturating_add(self.engine.working_bytes(signatures.min(self.engine.max_signatures())))
    }
}
