//! Single-message envelopes.

use super::{
    EnvelopeError, Form, MAX_PARTS, RAW_SIGNATURES, length_field,
    reader::Reader,
    signers::{Seen, Signers, bit_list_len, last_byte_mask},
    write_prologue,
};
use crate::MAX_SIGNERS;

/// Bytes before the first part.
const HEADER_BYTES: usize = 9;

/// A part of a single-message envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The kind of the payload.
    pub kind: u8,
    /// Whom it covers.
    pub signers: Signers<'a>,
    /// The payload, which the kind explains.
    pub payload: &'a [u8],
}

/// A single-message envelope whose structure is sound: its parts are in order, and each key is in
/// exactly one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Single<'a> {
    keys: usize,
    parts: Vec<Part<'a>>,
}

impl<'a> Single<'a> {
    /// Reads an envelope of at most `limit` bytes.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn decode(bytes: &'a [u8], limit: usize) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::open(bytes, limit, Form::Single)?;
        let keys = usize::from(reader.short()?);
        if !(1..=MAX_SIGNERS).contains(&keys) {
            return Err(EnvelopeError::Keys(keys));
        }
        let count = usize::from(reader.byte()?);
        if !(1..=MAX_PARTS).contains(&count) {
            return Err(EnvelopeError::Parts(count));
        }
        let mut parts = Vec::with_capacity(count);
        let mut seen = Seen::none();
        let mut last = None;
        for index in 0..count {
            let part = Part {
                kind: reader.byte()?,
                signers: Signers::new(reader.take(bit_list_len(keys))?),
                payload: reader.sized()?,
            };
            let first = check_signers(index, part.signers, keys)?;
            seen.add(part.signers)
                .map_err(|signer| EnvelopeError::DuplicateSigner { part: index, signer })?;
            if last.replace((part.kind, first)) >= Some((part.kind, first)) {
                return Err(EnvelopeError::Order { part: index });
            }
            parts.push(part);
        }
        reader.finish()?;
        match seen.first_missing(keys) {
            Some(signer) => Err(EnvelopeError::MissingSigner { signer }),
            None => Ok(Self { keys, parts }),
        }
    }

    /// An envelope of these parts, which are put in order. The caller makes sure that each key is in
    /// exactly one of them.
    pub(crate) fn of(keys: usize, mut parts: Vec<Part<'a>>) -> Self {
        parts.sort_by_key(|part| (part.kind, part.signers.positions().next()));
        Self { keys, parts }
    }

    /// The number of keys in its statement.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Its parts, ascending by kind and first signer.
    #[must_use]
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// Writes the envelope: the bytes that it was read from.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let parts = self.parts.iter().map(|part| part_len(self.keys, part.payload.len()));
        let mut out = Vec::with_capacity(HEADER_BYTES + parts.sum::<usize>());
        write_header(&mut out, self.keys, self.parts.len());
        for part in &self.parts {
            out.push(part.kind);
            out.extend_from_slice(part.signers.as_bytes());
            out.extend_from_slice(&length_field(part.payload.len()));
            out.extend_from_slice(part.payload);
        }
        out
    }
}

/// Checks a part's bit list by itself and gives its first signer.
fn check_signers(part: usize, signers: Signers<'_>, keys: usize) -> Result<usize, EnvelopeError> {
    let spare = signers.as_bytes().last().is_some_and(|byte| byte & !last_byte_mask(keys) != 0);
    if spare {
        return Err(EnvelopeError::SpareBits { part });
    }
    signers.positions().next().ok_or(EnvelopeError::EmptyPart { part })
}

/// Bytes of a part with a payload of this length.
pub(crate) fn part_len(keys: usize, payload: usize) -> usize {
    (1 + bit_list_len(keys) + 4).saturating_add(payload)
}

/// Bytes of an envelope whose parts have payloads of these lengths.
pub(crate) fn single_len(keys: usize, payloads: impl IntoIterator<Item = usize>) -> usize {
    let parts = payloads.into_iter().map(|payload| part_len(keys, payload));
    parts.fold(HEADER_BYTES, usize::saturating_add)
}

/// Bytes of an envelope with one part of raw signatures over all its keys.
pub(crate) fn raw_single_len(keys: usize, signature_len: usize) -> usize {
    single_len(keys, [keys.saturating_mul(signature_len)])
}

/// Writes such an envelope up to its signatures.
pub(crate) fn write_raw_header(out: &mut Vec<u8>, keys: usize, signature_len: usize) {
    write_header(out, keys, 1);
    out.push(RAW_SIGNATURES);
    out.extend(std::iter::repeat_n(u8::MAX, bit_list_len(keys) - 1));
    out.push(last_byte_mask(keys));
    out.extend_from_slice(&length_field(keys * signature_len));
}

fn write_header(out: &mut Vec<u8>, keys: usize, parts: usize) {
    write_prologue(out, Form::Single);
    let keys = u16::try_from(keys).expect("bounded by the limit on signers");
    out.extend_from_slice(&keys.to_le_bytes());
    out.push(u8::try_from(parts).expect("bounded by the limit on parts"));
}
