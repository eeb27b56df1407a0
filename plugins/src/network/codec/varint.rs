//! Unsigned LEB128: seven bits per byte, the lowest first.
//!
//! Not `unsigned-varint`: it refuses encodings with more bytes than needed. Protobuf allows them, and
//! leanSpec refuses a varint only for more than ten bytes or 64 bits, so a peer may send them.

/// The largest number of bytes of a varint.
pub const MAX_VARINT_BYTES: u32 = 10;

/// The reason bytes are not a varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VarintError {
    /// The bytes end before the varint does.
    #[error("the varint is cut off")]
    Truncated,
    /// More than ten bytes, or a value of more than 64 bits.
    #[error("the varint does not fit in 64 bits")]
    Overflow,
}

/// Reads a varint byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct VarintReader {
    value: u64,
    count: u32,
}

impl VarintReader {
    /// Adds the next byte. Returns the value if it was the last byte.
    ///
    /// # Errors
    /// [`VarintError::Overflow`].
    pub fn push(&mut self, byte: u8) -> Result<Option<u64>, VarintError> {
        let bits = u64::from(byte & 0x7f);
        // Nine bytes have 63 bits, so the tenth may have one.
        if self.count >= MAX_VARINT_BYTES || (self.count == MAX_VARINT_BYTES - 1 && bits > 1) {
            return Err(VarintError::Overflow);
        }
        self.value |= bits << (7 * self.count);
        self.count += 1;
        Ok((byte & 0x80 == 0).then_some(self.value))
    }
}

/// The value at the front, and its length in bytes.
///
/// # Errors
/// [`VarintError`].
pub fn decode(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut reader = VarintReader::default();
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(value) = reader.push(*byte)? {
            return Ok((value, at + 1));
        }
    }
    Err(VarintError::Truncated)
}

/// Appends `value`.
pub fn append(mut value: u64, bytes: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f).to_le_bytes()[0];
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_with_more_bytes_than_needed_is_read() {
        assert_eq!(decode(&[0x81, 0x80, 0x00]), Ok((1, 3)));
        assert_eq!(decode(&[0x80, 0x00]), Ok((0, 2)));
    }
}
