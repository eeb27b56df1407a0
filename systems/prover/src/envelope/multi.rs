//! Multi-message envelopes.

use super::{
    EnvelopeError, Form, MAX_STATEMENTS, Single, length_field, reader::Reader, write_prologue,
};

/// Bytes before the first statement.
const HEADER_BYTES: usize = 7;
/// Bytes before each statement's envelope.
const LENGTH_BYTES: usize = 4;

/// A multi-message envelope whose structure, and that of every envelope in it, is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multi<'a>(Vec<(&'a [u8], Single<'a>)>);

impl<'a> Multi<'a> {
    /// Reads an envelope of at most `limit` bytes.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn decode(bytes: &'a [u8], limit: usize) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::open(bytes, limit, Form::Multi)?;
        let count = usize::from(reader.byte()?);
        if !(1..=MAX_STATEMENTS).contains(&count) {
            return Err(EnvelopeError::Statements(count));
        }
        let mut singles = Vec::with_capacity(count);
        for index in 0..count {
            let bytes = reader.sized()?;
            // The content must be a single envelope, so this never nests.
            let single = Single::decode(bytes, limit)
                .map_err(|fault| EnvelopeError::Statement { index, fault: Box::new(fault) })?;
            singles.push((bytes, single));
        }
        reader.finish()?;
        Ok(Self(singles))
    }

    /// The number of its statements.
    #[must_use]
    pub fn statements(&self) -> usize {
        self.0.len()
    }

    /// The envelope of each statement, in order.
    pub fn singles(&self) -> impl ExactSizeIterator<Item = &Single<'a>> {
        self.0.iter().map(|(_, single)| single)
    }

    /// The bytes of a statement's envelope.
    #[must_use]
    pub fn single_bytes(&self, index: usize) -> Option<&'a [u8]> {
        self.0.get(index).map(|(bytes, _)| *bytes)
    }

    /// Writes the envelope: the bytes that it was read from.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let singles: Vec<_> = self.singles().map(Single::encode).collect();
        let mut out = Vec::with_capacity(multi_len(singles.iter().map(Vec::len)));
        write_multi_header(&mut out, singles.len());
        for single in singles {
            write_single(&mut out, &single);
        }
        out
    }
}

/// Bytes of an envelope around single-message envelopes of these lengths.
pub(crate) fn multi_len(singles: impl Iterator<Item = usize>) -> usize {
    singles
        .fold(HEADER_BYTES, |sum, single| sum.saturating_add(LENGTH_BYTES).saturating_add(single))
}

/// Writes an envelope up to its first statement.
pub(crate) fn write_multi_header(out: &mut Vec<u8>, statements: usize) {
    write_prologue(out, Form::Multi);
    out.push(u8::try_from(statements).expect("bounded by the limit on statements"));
}

/// Writes the next statement's envelope.
pub(crate) fn write_single(out: &mut Vec<u8>, single: &[u8]) {
    out.extend_from_slice(&length_field(single.len()));
    out.extend_from_slice(single);
}
