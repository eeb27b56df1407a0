//! Reads fields from bytes; each length is checked against what is left before it is used.

use super::{EnvelopeError, Form, MAGIC, VERSION};

#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts after the prologue of an envelope of this form.
    pub(super) fn open(
        bytes: &'a [u8],
        limit: usize,
        expected: Form,
    ) -> Result<Self, EnvelopeError> {
        if bytes.len() > limit {
            return Err(EnvelopeError::TooLong { bytes: bytes.len(), limit });
        }
        let mut reader = Self(bytes);
        if reader.array()? != MAGIC {
            return Err(EnvelopeError::Magic);
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        let found = reader.byte()?;
        if found != expected as u8 {
            return Err(EnvelopeError::Form { found, expected: expected as u8 });
        }
        Ok(reader)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], EnvelopeError> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            return Err(EnvelopeError::Truncated { wanted: count, left: self.0.len() });
        };
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EnvelopeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, EnvelopeError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn short(&mut self) -> Result<u16, EnvelopeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A field of bytes behind its length.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], EnvelopeError> {
        let length = u32::from_le_bytes(self.array()?);
        // A length that does not fit is longer than the remaining bytes.
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(super) fn finish(self) -> Result<(), EnvelopeError> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(EnvelopeError::TrailingBytes(left)),
        }
    }
}
