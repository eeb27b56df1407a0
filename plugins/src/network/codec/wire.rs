//! Requests and responses as bytes.
//!
//! A request is a payload: its length before compression as a varint, then framed snappy. A
//! response is a row of chunks, each a code byte and a payload.

use quintet_components::network::ResponseError;

use super::{
    MAX_ERROR_BYTES, MAX_PAYLOAD_BYTES,
    snappy::{FrameReader, SnappyError, compress_framed},
    varint::{self, VarintError, VarintReader},
};

/// Why bytes are no request or response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length is no varint.
    #[error(transparent)]
    Length(#[from] VarintError),
    /// A longer payload than may be here.
    #[error("a payload of {actual} bytes, the limit is {limit}")]
    TooLong {
        /// How many bytes it claims.
        actual: u64,
        /// The limit.
        limit: usize,
    },
    /// The payload does not decompress.
    #[error(transparent)]
    Snappy(#[from] SnappyError),
    /// The bytes end too early.
    #[error("cut off")]
    Truncated,
    /// Bytes follow the end.
    #[error("{0} bytes too many")]
    Trailing(usize),
}

/// How a chunk of a response begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// 0: the payload is what was asked for.
    Success,
    /// 1: the payload is an error text, as below.
    InvalidRequest,
    /// 2.
    ServerError,
    /// 3.
    ResourceUnavailable,
}

impl ResponseCode {
    /// What a byte says: unknown codes below 128 are server errors, those above say that the
    /// request was invalid.
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

/// A payload's bytes on the wire.
///
/// # Errors
/// [`WireError::TooLong`] above 10 MiB.
pub fn encode_request(payload: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut bytes = Vec::new();
    append_payload(payload, &mut bytes)?;
    Ok(bytes)
}

/// A response chunk's bytes.
///
/// # Errors
/// [`WireError::TooLong`] above 10 MiB.
pub fn encode_chunk(code: ResponseCode, payload: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![code.byte()];
    append_payload(payload, &mut bytes)?;
    Ok(bytes)
}

/// An error's bytes; its text is cut to 256 bytes.
pub fn encode_error(error: &ResponseError) -> Vec<u8> {
    let (code, text) = match error {
        ResponseError::InvalidRequest(text) => (ResponseCode::InvalidRequest, text),
        ResponseError::ServerError(text) => (ResponseCode::ServerError, text),
        ResponseError::ResourceUnavailable(text) => (ResponseCode::ResourceUnavailable, text),
    };
    let text = cut(text, MAX_ERROR_BYTES);
    encode_chunk(code, text.as_bytes()).expect("256 bytes are within the limit")
}

/// The error that a chunk with this code and payload is; `None` when it is a success. Texts that
/// are not UTF-8 are read as well as they can be.
pub fn decode_error(code: ResponseCode, payload: &[u8]) -> Option<ResponseError> {
    let text = || cut(&String::from_utf8_lossy(payload), MAX_ERROR_BYTES).to_owned();
    match code {
        ResponseCode::Success => None,
        ResponseCode::InvalidRequest => Some(ResponseError::InvalidRequest(text())),
        ResponseCode::ServerError => Some(ResponseError::ServerError(text())),
        ResponseCode::ResourceUnavailable => Some(ResponseError::ResourceUnavailable(text())),
    }
}

/// The longest front of a text that has at most `limit` bytes.
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

/// Reads one payload piece by piece: ask how many bytes it wants, bring them, ask again.
#[derive(Debug)]
pub struct PayloadReader {
    limit: usize,
    /// True if a length of zero is the whole payload, whether frames follow or not.
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
    /// For a payload of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, may_be_bare: false, state: State::Length(VarintReader::default()) }
    }

    /// For the payload of a response's chunk with this code: at most `limit` bytes of what was asked
    /// for, or an error's text. Some clients write no frame for an empty text, and since an error ends
    /// its response, nothing behind the length is needed.
    pub fn of_chunk(code: ResponseCode, limit: usize) -> Self {
        match code {
            ResponseCode::Success => Self::new(limit),
            _ => Self { may_be_bare: true, ..Self::new(MAX_ERROR_BYTES) },
        }
    }

    /// How many bytes come next, at most 16 MiB; `None` when the payload is whole.
    pub fn wants(&self) -> Option<usize> {
        match &self.state {
            State::Length(_) => Some(1),
            State::Header(_) => Some(4),
            State::Body(_, length) => Some(*length),
            State::Done(_) => None,
        }
    }

    /// Takes as many bytes as were wanted.
    ///
    /// # Errors
    /// [`WireError`]; the reader is of no more use then.
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

    /// The payload once it is whole; empty before.
    pub fn into_payload(self) -> Vec<u8> {
        match self.state {
            State::Done(payload) => payload,
            _ => Vec::new(),
        }
    }
}

/// Reads a payload from the front of `bytes`; tells what follows it.
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

/// Reads a whole request.
///
/// # Errors
/// [`WireError`].
pub fn decode_request(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    match decode_payload(bytes, MAX_PAYLOAD_BYTES)? {
        (payload, []) => Ok(payload),
        (_, rest) => Err(WireError::Trailing(rest.len())),
    }
}

/// Reads a whole response: its chunks in order. An error's empty text may be a length alone.
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
