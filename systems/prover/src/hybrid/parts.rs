//! The parts of a hybrid envelope beside raw signatures.
//!
//! A part's signers are those that it counts for. A proof cannot be cut, so it may be over more keys
//! than it counts for; its payload begins with the list of the statement's keys that it is over.
//!
//! | kind | payload |
//! | --- | --- |
//! | [`PROOF`] | the list; the format; a proof of one claim: these keys |
//! | [`SHARE`] | the list; the format; the claim's index; the other claims; the proof of all |
//! | [`JOINT`] | in a multi-message envelope: the list; in the first such part also the format and a proof of all of its statements' joint parts, in order |
//!
//! The other claims of a share are a byte with their number, and for each the slot in 4 bytes, the
//! message in 32, the number of keys in 2, and the keys.

use quintet_stark::Claim;

use crate::fault::Fault;
use crate::{
    MAX_SIGNERS, Statement,
    envelope::{MAX_STATEMENTS, Signers, bit_list_len, last_byte_mask},
};

/// The kind of part that carries a proof.
pub(super) const PROOF: u8 = 2;
/// The kind of part that carries a proof over other claims too.
pub(super) const SHARE: u8 = 3;
/// The kind of part that is a share of its multi-message envelope's own proof.
pub(super) const JOINT: u8 = 4;

/// A list of a statement's keys, as owned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyList(Vec<u8>);

impl KeyList {
    pub(super) fn of(keys: usize, positions: impl IntoIterator<Item = usize>) -> Self {
        let mut bytes = vec![0; bit_list_len(keys)];
        for position in positions {
            bytes[position / 8] |= 1 << (position % 8);
        }
        Self(bytes)
    }

    pub(super) fn as_signers(&self) -> Signers<'_> {
        Signers::new(&self.0)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The other claims of a share.
#[derive(Clone, Debug)]
pub(super) struct Others<'a> {
    /// The position of the statement's own claim among them.
    index: usize,
    claims: Vec<Claim<'a>>,
}

impl<'a> Others<'a> {
    /// All claims of the proof, with the statement's own.
    pub(super) fn with(&self, own: Claim<'a>) -> Vec<Claim<'a>> {
        let mut claims = self.claims.clone();
        claims.insert(self.index, own);
        claims
    }
}

/// Reads a payload's list of keys, which has to have all that the part counts for.
pub(super) fn split_list<'a>(
    part: usize,
    keys: usize,
    counted: Signers<'_>,
    payload: &'a [u8],
) -> Result<(Signers<'a>, &'a [u8]), Fault> {
    let malformed = |reason| Fault::Payload { part, reason };
    let (list, rest) =
        payload.split_at_checked(bit_list_len(keys)).ok_or(malformed("it has no list of keys"))?;
    if list.last().is_some_and(|byte| byte & !last_byte_mask(keys) != 0) {
        return Err(malformed("its list has keys past the last one"));
    }
    if counted.as_bytes().iter().zip(list).any(|(counted, covered)| counted & !covered != 0) {
        return Err(malformed("it counts for keys that it is not over"));
    }
    Ok((Signers::new(list), rest))
}

/// Takes the format off, which has to be this one.
pub(super) fn split_format(part: usize, format: u8, bytes: &[u8]) -> Result<&[u8], Fault> {
    match bytes.split_first() {
        Some((found, proof)) if *found == format => Ok(proof),
        Some((found, _)) => Err(Fault::Format { part, found: *found, expected: format }),
        None => Err(Fault::Payload { part, reason: "it has no proof" }),
    }
}

/// Reads the claims of a share. `key_len` is the length of every key.
pub(super) fn split_others(
    part: usize,
    key_len: usize,
    bytes: &[u8],
) -> Result<(Others<'_>, &[u8]), Fault> {
    let malformed = |reason| Fault::Payload { part, reason };
    let truncated = || malformed("its claims are truncated");
    let (&[index, count], mut rest) = bytes.split_first_chunk().ok_or_else(truncated)?;
    let (index, count) = (usize::from(index), usize::from(count));
    if !(1..MAX_STATEMENTS).contains(&count) || index > count {
        return Err(malformed("its number of claims is out of bounds"));
    }
    let mut claims = Vec::with_capacity(count + 1);
    let mut total = 0;
    for _ in 0..count {
        let (slot, after) = rest.split_first_chunk().ok_or_else(truncated)?;
        let (message, after) = after.split_first_chunk().ok_or_else(truncated)?;
        let (keys, after) = after.split_first_chunk().ok_or_else(truncated)?;
        let keys = usize::from(u16::from_le_bytes(*keys));
        total += keys;
        if keys == 0 || total > MAX_SIGNERS {
            return Err(malformed("its number of keys is out of bounds"));
        }
        let (bytes, after) = after.split_at_checked(keys * key_len).ok_or_else(truncated)?;
        claims.push(Claim {
            slot: u32::from_le_bytes(*slot),
            message: *message,
            public_keys: bytes.chunks_exact(key_len).collect(),
        });
        rest = after;
    }
    Ok((Others { index, claims }, rest))
}

/// Writes the claims of a share, all but the one at `index`.
pub(super) fn write_others(out: &mut Vec<u8>, claims: &[Claim<'_>], index: usize) {
    out.push(u8::try_from(index).expect("bounded by the limit on statements"));
    out.push(u8::try_from(claims.len() - 1).expect("bounded by the limit on statements"));
    for (_, claim) in claims.iter().enumerate().filter(|(at, _)| *at != index) {
        out.extend_from_slice(&claim.slot.to_le_bytes());
        out.extend_from_slice(&claim.message);
        let keys = u16::try_from(claim.public_keys.len()).expect("bounded by the limit on signers");
        out.extend_from_slice(&keys.to_le_bytes());
        for key in &claim.public_keys {
            out.extend_from_slice(key);
        }
    }
}

/// The claim that some of a statement's keys signed it.
pub(super) fn claim_of<'a>(
    statement: &Statement<'a>,
    slot: u32,
    keys: impl IntoIterator<Item = usize>,
) -> Claim<'a> {
    let public_keys = keys.into_iter().map(|position| statement.public_keys[position]).collect();
    Claim { slot, message: statement.message, public_keys }
}
