//! Snappy: raw for gossip, framed for requests and responses.
//!
//! Frames are read by [`FrameReader`] and not by `snap::read::FrameDecoder`: that one waits for a
//! blocking reader and reads on beyond the content, while a stream of the network is read piece by
//! piece, ends its content at a length that was announced, and goes on with the next response. It
//! also takes any number of frames that have no content.

use std::io::Write;

/// The first bytes of every framed stream.
pub const STREAM_IDENTIFIER: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";
/// The largest content of a frame in bytes.
const MAX_FRAME_BYTES: usize = 64 * 1024;
/// The shortest element of the raw format writes 64 bytes for three, so data grows at most by this
/// factor.
const MAX_EXPANSION: usize = 22;
const COMPRESSED: u8 = 0x00;
const UNCOMPRESSED: u8 = 0x01;
const IDENTIFIER: u8 = 0xff;
const CHECKSUM_BYTES: usize = 4;

/// The reason bytes cannot be decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnappyError {
    /// The content is longer than the limit.
    #[error("{actual} bytes uncompressed, the limit is {limit}")]
    TooLong {
        /// The length.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes are not valid snappy.
    #[error("undecodable snappy: {0}")]
    Malformed(&'static str),
}

/// Compresses without frames.
pub fn compress(data: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(data).expect("shorter than 4 GiB")
}

/// Decompresses without frames.
///
/// # Errors
/// [`SnappyError`]. Nothing is allocated for a length above `limit`, or for one that so few bytes
/// cannot have.
pub fn decompress(data: &[u8], limit: usize) -> Result<Vec<u8>, SnappyError> {
    let length =
        snap::raw::decompress_len(data).map_err(|_| SnappyError::Malformed("bad length"))?;
    if length > limit {
        return Err(SnappyError::TooLong { actual: length, limit });
    }
    if length > data.len().saturating_mul(MAX_EXPANSION) {
        return Err(SnappyError::Malformed("a length that the bytes cannot hold"));
    }
    snap::raw::Decoder::new()
        .decompress_vec(data)
        .map_err(|_| SnappyError::Malformed("bad element"))
}

/// Compresses into frames of at most 64 KiB, after the stream's identifier.
pub fn compress_framed(data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        // The encoder would write nothing.
        return STREAM_IDENTIFIER.to_vec();
    }
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(data).expect("a vector takes all");
    encoder.into_inner().expect("a vector takes all")
}

/// Decompresses a whole framed stream.
///
/// # Errors
/// [`SnappyError`]; never more than `limit` bytes are allocated.
pub fn decompress_framed(data: &[u8], limit: usize) -> Result<Vec<u8>, SnappyError> {
    let mut reader = FrameReader::new(limit);
    let mut rest = data;
    loop {
        let Some((header, after)) = rest.split_first_chunk::<4>() else {
            if rest.is_empty() && reader.started {
                return Ok(reader.output);
            }
            return Err(SnappyError::Malformed("a frame's header is cut off"));
        };
        let length = reader.header(*header)?;
        let Some((body, after)) = after.split_at_checked(length) else {
            return Err(SnappyError::Malformed("a frame is cut off"));
        };
        reader.body(body)?;
        rest = after;
    }
}

/// Reads a framed stream frame by frame.
#[derive(Debug)]
pub struct FrameReader {
    output: Vec<u8>,
    limit: usize,
    /// The number of bytes that may still be read, so that there is an end to frames without
    /// content.
    allowance: usize,
    started: bool,
    kind: u8,
}

impl FrameReader {
    /// Makes a reader for at most `limit` bytes of content.
    pub fn new(limit: usize) -> Self {
        let allowance = limit.saturating_add(limit / 6).saturating_add(1024);
        Self { output: Vec::new(), limit, allowance, started: false, kind: IDENTIFIER }
    }

    /// Returns true if the content has reached the limit. Before the first frame this is false.
    pub fn is_full(&self) -> bool {
        self.started && self.output.len() == self.limit
    }

    /// Reads a frame's header. Returns how many bytes of body follow it.
    ///
    /// # Errors
    /// [`SnappyError`] for a frame that is not allowed here, or is too long.
    pub fn header(&mut self, header: [u8; 4]) -> Result<usize, SnappyError> {
        let [kind, low, middle, high] = header;
        let length = u32::from_le_bytes([low, middle, high, 0]);
        let length = usize::try_from(length).expect("24 bits");
        if !self.started && kind != IDENTIFIER {
            return Err(SnappyError::Malformed("no stream identifier"));
        }
        let most = match kind {
            COMPRESSED => CHECKSUM_BYTES + snap::raw::max_compress_len(MAX_FRAME_BYTES),
            UNCOMPRESSED => CHECKSUM_BYTES + MAX_FRAME_BYTES,
            IDENTIFIER => 6,
            0x80..=0xfe => self.allowance,
            _ => return Err(SnappyError::Malformed("an unknown frame that may not be skipped")),
        };
        self.allowance = self
            .allowance
            .checked_sub(length + 4)
            .filter(|_| length <= most)
            .ok_or(SnappyError::Malformed("a frame is too long"))?;
        self.kind = kind;
        Ok(length)
    }

    /// Reads the body after the last header.
    ///
    /// # Errors
    /// [`SnappyError`].
    pub fn body(&mut self, body: &[u8]) -> Result<(), SnappyError> {
        match self.kind {
            IDENTIFIER if body == &STREAM_IDENTIFIER[4..] => self.started = true,
            IDENTIFIER => return Err(SnappyError::Malformed("a wrong stream identifier")),
            COMPRESSED | UNCOMPRESSED => {
                let Some((expected, content)) = body.split_first_chunk::<CHECKSUM_BYTES>() else {
                    return Err(SnappyError::Malformed("a frame without a checksum"));
                };
                let room = MAX_FRAME_BYTES.min(self.limit - self.output.len());
                let decompressed;
                let content = if self.kind == COMPRESSED {
                    decompressed = decompress(content, room)?;
                    decompressed.as_slice()
                } else {
                    content
                };
                if content.len() > room {
                    return Err(SnappyError::TooLong { actual: content.len(), limit: room });
                }
                if checksum(content) != u32::from_le_bytes(*expected) {
                    return Err(SnappyError::Malformed("a wrong checksum"));
                }
                self.output.extend_from_slice(content);
            }
            _ => {}
        }
        Ok(())
    }

    /// The content.
    pub fn into_content(self) -> Vec<u8> {
        self.output
    }
}

/// CRC-32C, masked as the framing format requires.
fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}
