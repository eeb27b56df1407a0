//! The encoding of requests and responses.
//!
//! A request is a payload: its length before compression as a varint, then framed snappy. A
//! response is a sequence of chunks. Each chunk is a code byte and a payload.

use quintet_components::network::ResponseError;

use super::{
    MAX_ERROR_BYTES, MAX_PAYLOAD_BYTES,
    snappy::{FrameReader, SnappyError, compress_framed},
    varint::{self, VarintError, VarintReader},
};

/// The reason bytes are not a request or response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length is not a varint.
    #[error(transparent)]
    Length(#[from] VarintError),
    /// The payload is longer than allowed.
    #[error("a payload of {actual} bytes, the limit is {limit}")]
    TooLong {
        /// The claimed number of bytes.
        actual: u64,
        /// The limit.
        limit: usize,
    },
    /// The payload cannot be decompressed.
    #[error(transparent)]
    Snappy(#[from] SnappyError),
    /// The bytes end too early.
    #[error("cut off")]
    Truncated,
    /// Bytes follow the end.
    #[error("{0} bytes too many")]
    Trailing(usize),
}

/// The code byte of a response chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// 0: the payload is the requested data.
    Success,
    /// 1: the payload is an error text, as for the following codes.
    InvalidRequest,
    /// 2.
    ServerError,
    /// 3.
    ResourceUnavailable,
}

impl ResponseCode {
    /// The code of a byte. Unknown codes below 128 are server errors, others are invalid requests.
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Success,
            1 | 128.. => Self::InvalidRequest,
            3 => Self::ResourceUnavailable,
            2 | 4..=127 => Self::ServerError,
        }
    }

    /// Its byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::InvalidRequest => 1,
            Self::ServerError => 2,
            Self::ResourceUnavailable => 3,
        }
    }
}

/// Encodes a payload.
///
/// # Errors
/// [`WireError::TooLong`] above 10 MiB.
pub fn encode_request(payload: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::new();
    append_payload(payload, &mut bytes)?;
    Ok(bytes)
}

/// Encodes a response chunk.
///
/// # Errors
/// [`WireError::TooLong`] above 10 MiB.
pub fn encode_chunk(code: ResponseCode, payload: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![code.byte()];
    append_payload(payload, &mut bytes)?;
    Ok(bytes)
}

/// Encodes an error. Its text is cut to 256 bytes.
pub fn encode_error(error: &ResponseError) -> Vec<u8> {
    let (code, text) = match error {
        ResponseError::InvalidRequest(text) => (ResponseCode::InvalidRequest, text),
        ResponseError::ServerError(text) => (ResponseCode::ServerError, text),
        ResponseError::ResourceUnavailable(text) => (ResponseCode::ResourceUnavailable, text),
    };
    let text = cut(text, MAX_ERROR_BYTES);
    encode_chunk(code, text.as_bytes()).expect("256 bytes are within the limit")
}

/// The error in a chunk with this code and payload; `None` if the code is success. Invalid UTF-8 in
/// the text is replaced.
pub fn decode_error(code: ResponseCode, payload: &[u8]) -> Option<ResponseError> {
    let text = || cut(&String::from_utf8_lossy(payload), MAX_ERROR_BYTES).to_owned();
    match code {
        ResponseCode::Success => None,
        ResponseCode::InvalidRequest => Some(ResponseError::InvalidRequest(text())),
        ResponseCode::ServerError => Some(ResponseError::ServerError(text())),
        ResponseCode::ResourceUnavailable => Some(ResponseError::ResourceUnavailable(text())),
    }
}

/// The longest prefix of a text that has at most `limit` bytes.
pub fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

fn append_payload(payload: &[u8], bytes: &mut Vec<u8>) -> Result<(), WireError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        let actual = payload.len() as u64;
        return Err(WireError::TooLong { actual, limit: MAX_PAYLOAD_BYTES });
    }
    varint::append(payload.len() as u64, bytes);
    bytes.extend(compress_framed(payload));
    Ok(())
}

/// Reads one payload piece by piece: call `wants` for the number of bytes, `feed` them, and repeat.
#[derive(Debug)]
pub struct PayloadReader {
    limit: usize,
    /// True if a length of zero is a complete payload, whether frames follow or not.
    may_be_bare: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Length(VarintReader),
    Header(FrameReader),
    Body(FrameReader, usize),
    Done(Vec<u8>),
}

impl PayloadReader {
    /// Makes a reader for a payload of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, may_be_bare: false, state: State::Length(VarintReader::default()) }
    }

    /// Makes a reader for the payload of a response chunk with this code: at most `limit` bytes of
    /// data, or an error's text. Some clients write no frame for an empty text. An error ends its
    /// response, so nothing is needed after the length.
    pub fn of_chunk(code: ResponseCode, limit: usize) -> Self {
        match code {
            ResponseCode::Success => Self::new(limit),
            _ => Self { may_be_bare: true, ..Self::new(MAX_ERROR_BYTES) },
        }
    }

    /// The number of bytes that come next, at most 16 MiB; `None` if the payload is complete.
    pub fn wants(&self) -> Option<usize> {
        match &self.state {
            State::Length(_) => Some(1),
            State::Header(_) => Some(4),
            State::Body(_, length) => Some(*length),
            State::Done(_) => None,
        }
    }

    /// Adds as many bytes as were wanted.
    ///
    /// # Errors
    /// [`WireError`]. The reader cannot be used after that.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let done = State::Done(Vec::new());
        self.state = match std::mem::replace(&mut self.state, done) {
            State::Length(mut reader) => {
                let byte = bytes.first().ok_or(WireError::Truncated)?;
                match reader.push(*byte)? {
                    None => State::Length(reader),
                    Some(length) => {
                        let length = usize::try_from(length)
                            .ok()
                            .filter(|length| *length <= self.limit)
                            .ok_or(WireError::TooLong { actual: length, limit: self.limit })?;
                        if length == 0 && self.may_be_bare {
                            State::Done(Vec::new())
                        } else {
                            State::Header(FrameReader::new(length))
                        }
                    }
                }
            }
            State::Header(mut reader) => {
                let header = bytes.first_chunk().ok_or(WireError::Truncated)?;
                let length = reader.header(*header)?;
                State::Body(reader, length)
            }
            State::Body(mut reader, length) => {
                reader.body(bytes.get(..length).ok_or(WireError::Truncated)?)?;
                if reader.is_full() {
                    State::Done(reader.into_content())
                } else {
                    State::Header(reader)
                }
            }
            done @ State::Done(_) => done,
        };
        Ok(())
    }

    /// The payload if it is complete; empty before.
    pub fn into_payload(self) -> Vec<u8> {
        match self.state {
            State::Done(payload) => payload,
            _ => Vec::new(),
        }
    }
}

/// Reads a payload from the front of `bytes`. Also returns the bytes after it.
///
/// # Errors
/// [`WireError`].
pub fn decode_payload(bytes: &[u8], limit: usize) -> Result<(Vec<u8>, &[u8]), WireError> {
    let mut reader = PayloadReader::new(limit);
    let mut rest = bytes;
    while let Some(wanted) = reader.wants() {
        let (piece, after) = rest.split_at_checked(wanted).ok_or(WireError::Truncated)?;
        reader.feed(piece)?;
        rest = after;
    }
    Ok((reader.into_payload(), rest))
}

/// Decodes a whole request.
///
/// # Errors
/// [`WireError`].
pub fn decode_request(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    match decode_payload(bytes, MAX_PAYLOAD_BYTES)? {
        (payload, []) => Ok(payload),
        (_, rest) => Err(WireError::Trailing(rest.len())),
    }
}

/// Decodes a whole response: its chunks in order. An error with an empty text may have only the
/// length.
///
/// # Errors
/// [`WireError`].
pub fn decode_chunks(mut bytes: &[u8]) -> Result<Vec<(ResponseCode, Vec<u8>)>, WireError> {
    let mut chunks = Vec::new();
    while let Some((code, rest)) = bytes.split_first() {
        let code = ResponseCode::from_byte(*code);
        let (payload, rest) = match rest {
            [0] if code != ResponseCode::Success => (Vec::new(), &[][..]),
            rest => decode_payload(rest, MAX_PAYLOAD_BYTES)?,
        };
        chunks.push((code, payload));
        bytes = rest;
    }
    Ok(chunks)
}
