//! The bytes of a proof: fixed widths, and one encoding for each value.
//!
//! A field element takes 4 bytes, a word of a digest 8, both little-endian; a list has its length in
//! 2 bytes before it; what there may or may not be has a byte before it, 0 or 1. Nothing else is
//! written: structures and arrays are their parts. A field element's 4 bytes are its Montgomery
//! form, which is below the modulus.
//!
//! A list grows with the elements that are read: its stated length allocates nothing.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;

use serde::{de, ser};

/// The reason bytes are not a proof, or a proof cannot be written as bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("truncated: {wanted} bytes wanted, {left} left")]
    Truncated { wanted: usize, left: usize },
    #[error("{0} bytes after the end")]
    TrailingBytes(usize),
    #[error("{0} is not 0 or 1")]
    Flag(u8),
    #[error("a list of {0} elements")]
    List(usize),
    #[error("the codec has no {0}")]
    Unsupported(&'static str),
    #[error("{0}")]
    Value(String),
}

impl ser::Error for CodecError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}

impl de::Error for CodecError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Value(message.to_string())
    }
}
