//! A hybrid envelope whose structure is sound.

use super::parts::{JOINT, Others, PROOF, SHARE, split_format, split_list, split_others};
use crate::{
    Statement,
    envelope::{Multi, RAW_SIGNATURES, Signers, Single},
    fault::Fault,
};

/// Proofs in an envelope at most.
pub(super) const MAX_PROOFS: usize = 8;

/// The facts that all envelopes of a system share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) key_len: usize,
    pub(super) signature_len: usize,
    /// The format of proofs.
    pub(super) format: u8,
    /// Bytes of an envelope at most.
    pub(super) limit: usize,
}

/// A part that is a proof, or a share of one.
#[derive(Clone, Debug)]
pub(super) struct ProofPart<'a> {
    pub(super) kind: u8,
    /// The keys that it counts for.
    pub(super) counted: Signers<'a>,
    /// The keys that it is over.
    pub(super) covered: Signers<'a>,
    /// The payload after the list of keys: what another envelope carries unchanged.
    pub(super) rest: &'a [u8],
    /// Of a share, the other claims.
    pub(super) others: Option<Others<'a>>,
    /// The proof; empty in a joint part that is not the first.
    pub(super) proof: &'a [u8],
}

/// The parts of a statement's envelope.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsed<'a> {
    /// Raw signatures, each with its signer.
    pub(super) raw: Vec<(usize, &'a [u8])>,
    pub(super) proofs: Vec<ProofPart<'a>>,
}

impl<'a> Parsed<'a> {
    /// The part that is a share of the multi-message envelope's proof.
    pub(super) fn joint(&self) -> Option<&ProofPart<'a>> {
        self.proofs.iter().find(|part| part.kind == JOINT)
    }
}

impl Form {
    /// Reads a single-message envelope over so many keys.
    pub(super) fn single<'a>(&self, proof: &'a [u8], keys: usize) -> Result<Parsed<'a>, Fault> {
        let parsed = self.parse(&Single::decode(proof, self.limit)?, keys)?;
        match parsed.proofs.iter().position(|part| part.kind == JOINT) {
            Some(part) => Err(Fault::Kind { part, kind: JOINT }),
            None => Ok(parsed),
        }
    }

    /// Reads a multi-message envelope of these statements.
    pub(super) fn multi<'a>(
        &self,
        proof: &'a [u8],
        statements: &[Statement<'_>],
    ) -> Result<Vec<Parsed<'a>>, Fault> {
        let multi = Multi::decode(proof, self.limit)?;
        let (found, expected) = (multi.statements(), statements.len());
        if found != expected {
            return Err(Fault::Statements { found, expected });
        }
        let parsed: Vec<_> = multi
            .singles()
            .zip(statements)
            .enumerate()
            .map(|(index, (single, statement))| {
                self.parse(single, statement.public_keys.len())
                    .map_err(|fault| Fault::Statement { index, fault: Box::new(fault) })
            })
            .collect::<Result<_, _>>()?;
        // One joint part alone would be a proof of one claim.
        let joint: Vec<_> = parsed.iter().filter_map(Parsed::joint).collect();
        let first = joint.first().is_none_or(|part| !part.proof.is_empty());
        if joint.len() == 1 || !first || joint.iter().skip(1).any(|part| !part.rest.is_empty()) {
            return Err(Fault::Joint);
        }
        let proofs = parsed.iter().map(|parsed| parsed.proofs.len()).sum::<usize>();
        if proofs - joint.len().saturating_sub(1) > MAX_PROOFS {
            return Err(Fault::Proofs(MAX_PROOFS));
        }
        Ok(parsed)
    }

    fn parse<'a>(&self, single: &Single<'a>, keys: usize) -> Result<Parsed<'a>, Fault> {
        if single.keys() != keys {
            return Err(Fault::Keys { found: single.keys(), expected: keys });
        }
        let mut parsed = Parsed::default();
        for (index, part) in single.parts().iter().enumerate() {
            let once = |already: bool| match already {
                true => Err(Fault::RepeatedKind { part: index, kind: part.kind }),
                false => Ok(()),
            };
            if part.kind == RAW_SIGNATURES {
                once(!parsed.raw.is_empty())?;
                parsed.raw = self.raw(index, part.signers, part.payload)?;
                continue;
            }
            if part.kind == JOINT {
                once(parsed.joint().is_some())?;
            }
            parsed.proofs.push(self.proof(index, part.kind, part.signers, part.payload, keys)?);
        }
        if parsed.proofs.len() > MAX_PROOFS {
            return Err(Fault::Proofs(MAX_PROOFS));
        }
        Ok(parsed)
    }

    fn raw<'a>(
        &self,
        part: usize,
        signers: Signers<'a>,
        payload: &'a [u8],
    ) -> Result<Vec<(usize, &'a [u8])>, Fault> {
        let expected = signers.count().saturating_mul(self.signature_len);
        if payload.len() != expected {
            return Err(Fault::RawLength { part, found: payload.len(), expected });
        }
        Ok(signers.positions().zip(payload.chunks_exact(self.signature_len)).collect())
    }

    fn proof<'a>(
        &self,
        part: usize,
        kind: u8,
        counted: Signers<'a>,
        payload: &'a [u8],
        keys: usize,
    ) -> Result<ProofPart<'a>, Fault> {
        if !matches!(kind, PROOF | SHARE | JOINT) {
            return Err(Fault::Kind { part, kind });
        }
        let (covered, rest) = split_list(part, keys, counted, payload)?;
        if kind == JOINT && covered != counted {
            return Err(Fault::Payload {
                part,
                reason: "it is over keys that it does not count for",
            });
        }
        let whole = ProofPart { kind, counted, covered, rest, others: None, proof: &[] };
        if kind == JOINT && rest.is_empty() {
            return Ok(whole);
        }
        let proof = split_format(part, self.format, rest)?;
        if kind != SHARE {
            return Ok(ProofPart { proof, ..whole });
        }
        let (others, proof) = split_others(part, self.key_len, proof)?;
        Ok(ProofPart { others: Some(others), proof, ..whole })
    }
}
