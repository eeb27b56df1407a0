//! Writing envelopes.

use quintet_stark::Claim;

use super::{
    Hybrid,
    engine::Engine,
    gather::Gathered,
    joint_claims,
    parsed::{MAX_PROOFS, Parsed},
    parts::{JOINT, KeyList, PROOF, SHARE, claim_of, write_others},
};
use crate::{
    CancelToken, ProveError, SignatureCheck, Statement,
    envelope::{
        MAX_PARTS, Multi, Part, RAW_SIGNATURES, Single, bit_list_len, multi_len, part_len,
        single_len, write_multi_header, write_single,
    },
    multisig::{go_on, within},
};

/// A part before it is written.
struct Built {
    kind: u8,
    counted: KeyList,
    payload: Vec<u8>,
}

impl Built {
    fn raw(keys: usize, raw: &[(usize, &[u8])]) -> Self {
        let payload = raw.iter().flat_map(|(_, signature)| *signature).copied().collect();
        Self {
            kind: RAW_SIGNATURES,
            counted: KeyList::of(keys, raw.iter().map(|(signer, _)| *signer)),
            payload,
        }
    }

    /// A part whose proof is over `covered`; `rest` is its payload from there on.
    fn proof(kind: u8, counted: KeyList, covered: &KeyList, rest: &[&[u8]]) -> Self {
        let mut payload = covered.as_bytes().to_vec();
        for bytes in rest {
            payload.extend_from_slice(bytes);
        }
        Self { kind, counted, payload }
    }

    fn part(&self) -> Part<'_> {
        Part { kind: self.kind, signers: self.counted.as_signers(), payload: &self.payload }
    }
}

/// The envelope of these parts.
fn encode(keys: usize, parts: &[Built]) -> Vec<u8> {
    Single::of(keys, parts.iter().map(Built::part).collect()).encode()
}

/// The parts that a parsed envelope carries unchanged: its proofs, except a joint one.
fn carried(keys: usize, parsed: &Parsed<'_>) -> Vec<Built> {
    let parts = parsed.proofs.iter().filter(|part| part.kind != JOINT);
    let built = parts.map(|part| {
        let counted = KeyList::of(keys, part.counted.positions());
        let covered = KeyList::of(keys, part.covered.positions());
        Built::proof(part.kind, counted, &covered, &[part.rest])
    });
    built.collect()
}

impl<C: SignatureCheck, E: Engine> Hybrid<C, E> {
    pub(super) fn build_single(
        &self,
        statement: &Statement<'_>,
        slot: u32,
        gathered: Gathered<'_>,
        has_fresh: bool,
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let keys = statement.public_keys.len();
        let mut parts: Vec<_> = gathered
            .proofs
            .iter()
            .map(|(counted, child)| {
                let counted = KeyList::of(keys, counted.iter().copied());
                let covered = KeyList::of(keys, child.covered.iter().copied());
                Built::proof(child.part.kind, counted, &covered, &[child.part.rest])
            })
            .collect();
        if parts.len() >= MAX_PROOFS.min(MAX_PARTS) {
            return Err(ProveError::InvalidInput(format!(
                "{} proofs are needed, expected fewer than {MAX_PROOFS}",
                parts.len()
            )));
        }
        within(parts.iter().map(|part| part.payload.len()).sum(), self.raw.limit)?;
        let raw = &gathered.raw[..];
        let carried = single_len(keys, parts.iter().map(|part| part.payload.len()));
        let all = carried + part_len(keys, raw.len() * self.raw.check.signature_len());
        let proved = if !has_fresh && self.carries(raw.len(), all) {
            0
        } else {
            self.proved_of(keys, raw.len(), carried)
        };
        let (proved, beside) = raw.split_at(proved);
        if !beside.is_empty() {
            parts.push(Built::raw(keys, beside));
        }
        if !proved.is_empty() {
            parts.push(self.proof_part(statement, slot, proved, cancel)?);
        }
        let proof = encode(keys, &parts);
        within(proof.len(), self.raw.limit)?;
        Ok(proof)
    }

    /// The number of signatures to prove; the others are carried. They are carried beside a proof that
    /// would take much longer with them, if that leaves a sixteenth of the limit to the rest of a block.
    /// `carried` is the length of the envelope without any of them.
    fn proved_of(&self, keys: usize, signatures: usize, carried: usize) -> usize {
        if self.stays_raw(signatures, 1) {
            return 0;
        }
        let full = self.engine.full_proof(signatures);
        let beside = (signatures - full).saturating_mul(self.raw.check.signature_len());
        let proof = bit_list_len(keys) + 1 + self.engine.proof_bytes(full, 1).end;
        let bytes = carried + part_len(keys, beside) + part_len(keys, proof);
        let is_worth_it = self.crossover.is_none()
            && !self.stays_raw(full, 1)
            && bytes <= self.raw.limit - self.raw.limit / 16;
        if is_worth_it { full } else { signatures }
    }

    /// A part that proves signatures of one statement.
    fn proof_part(
        &self,
        statement: &Statement<'_>,
        slot: u32,
        raw: &[(usize, &[u8])],
        cancel: &CancelToken,
    ) -> Result<Built, ProveError> {
        let signers = || raw.iter().map(|(signer, _)| *signer);
        let signatures: Vec<_> = raw.iter().map(|(_, signature)| *signature).collect();
        let claim = claim_of(statement, slot, signers());
        let proof = self.prove(&[claim], &signatures, cancel)?;
        let counted = KeyList::of(statement.public_keys.len(), signers());
        let covered = counted.clone();
        Ok(Built::proof(PROOF, counted, &covered, &[&[E::FORMAT], &proof]))
    }

    pub(super) fn build_multi(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        slots: &[u32],
        parsed: &[Parsed<'_>],
        cancel: &CancelToken,
    ) -> Result<Vec<u8>, ProveError> {
        let with_raw = || parsed.iter().filter(|parsed| !parsed.raw.is_empty());
        let (claims, signatures) =
            (with_raw().count(), with_raw().map(|parsed| parsed.raw.len()).sum());
        let whole = multi_len(parts.iter().map(|(_, proof)| proof.len()));
        let is_carried = self.carries(signatures, whole) || self.stays_raw(signatures, claims);
        let mut singles = Vec::with_capacity(parts.len());
        if claims == 0 || is_carried {
            within(whole, self.raw.limit)?;
            singles.extend(parts.iter().map(|(_, proof)| proof.to_vec()));
        } else {
            let raw: usize = signatures * self.raw.check.signature_len();
            // Parts other than signatures stay.
            within(whole - raw, self.raw.limit)?;
            singles = self.build_joint(parts, slots, parsed, claims, cancel)?;
        }
        go_on(cancel)?;
        let bytes = multi_len(singles.iter().map(Vec::len));
        within(bytes, self.raw.limit)?;
        let mut merged = Vec::with_capacity(bytes);
        write_multi_header(&mut merged, singles.len());
        for single in &singles {
            write_single(&mut merged, single);
        }
        Ok(merged)
    }

    /// The statements' envelopes, whose raw signatures became one proof.
    fn build_joint(
        &self,
        parts: &[(Statement<'_>, &[u8])],
        slots: &[u32],
        parsed: &[Parsed<'_>],
        claims: usize,
        cancel: &CancelToken,
    ) -> Result<Vec<Vec<u8>>, ProveError> {
        let statements = || parts.iter().zip(slots).zip(parsed);
        // A proof of one claim needs no other claims to be verified.
        let mut proof = Vec::new();
        if claims > 1 {
            let claims: Vec<Claim<'_>> = statements()
                .filter(|(_, parsed)| !parsed.raw.is_empty())
                .map(|(((statement, _), slot), parsed)| {
                    claim_of(statement, *slot, parsed.raw.iter().map(|(signer, _)| *signer))
                })
                .collect();
            let signatures: Vec<_> =
                parsed.iter().flat_map(|parsed| &parsed.raw).map(|(_, raw)| *raw).collect();
            proof.push(E::FORMAT);
            proof.extend(self.prove(&claims, &signatures, cancel)?);
        }
        let mut singles = Vec::with_capacity(parts.len());
        for (((statement, single), slot), parsed) in statements() {
            if parsed.raw.is_empty() {
                singles.push(single.to_vec());
                continue;
            }
            let keys = statement.public_keys.len();
            let mut built = carried(keys, parsed);
            if claims == 1 {
                built.push(self.proof_part(statement, *slot, &parsed.raw, cancel)?);
            } else {
                let counted = KeyList::of(keys, parsed.raw.iter().map(|(signer, _)| *signer));
                let covered = counted.clone();
                // Only the first part has the proof.
                let rest = std::mem::take(&mut proof);
                built.push(Built::proof(JOINT, counted, &covered, &[&rest]));
            }
            singles.push(encode(keys, &built));
        }
        Ok(singles)
    }

    /// A statement's envelope out of a multi-message one; its part of the joint proof becomes a share.
    pub(super) fn build_share(
        &self,
        proof: &[u8],
        statements: &[Statement<'_>],
        slots: &[u32],
        parsed: &[Parsed<'_>],
        index: usize,
    ) -> Result<Vec<u8>, ProveError> {
        let own = &parsed[index];
        let Some(joint) = own.joint() else {
            let multi = Multi::decode(proof, self.raw.limit)
                .map_err(|fault| ProveError::InvalidInput(fault.to_string()))?;
            return Ok(multi.single_bytes(index).unwrap_or_default().to_vec());
        };
        let keys = statements[index].public_keys.len();
        let claims = joint_claims(statements, slots, parsed);
        let place = parsed[..index].iter().filter_map(Parsed::joint).count();
        let whole = parsed.iter().find_map(Parsed::joint).map_or(&[][..], |first| first.proof);
        let mut others = vec![E::FORMAT];
        write_others(&mut others, &claims, place);

        let mut built = carried(keys, own);
        if !own.raw.is_empty() {
            built.push(Built::raw(keys, &own.raw));
        }
        let counted = KeyList::of(keys, joint.counted.positions());
        let covered = counted.clone();
        built.push(Built::proof(SHARE, counted, &covered, &[&others, whole]));
        let share = encode(keys, &built);
        within(share.len(), self.raw.limit)?;
        Ok(share)
    }
}
