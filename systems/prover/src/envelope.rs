//! The bytes around the proofs of `multisig` and `stark`.
//!
//! Integers are little-endian. A **single-message** envelope:
//!
//! | bytes | what | bound |
//! | --- | --- | --- |
//! | 4 | [`MAGIC`] | |
//! | 1 | [`VERSION`] | |
//! | 1 | form: 1 | |
//! | 2 | keys of the statement, `n` | 1 to [`MAX_SIGNERS`] |
//! | 1 | parts | 1 to [`MAX_PARTS`] |
//! | … | the parts | to the end |
//!
//! and each of its parts:
//!
//! | bytes | what | bound |
//! | --- | --- | --- |
//! | 1 | kind of part | |
//! | ⌈n / 8⌉ | signers: bit `i % 8` of byte `i / 8` for the statement's key `i` | at least one, spare bits 0 |
//! | 4 | length of the payload | the bytes left |
//! | … | payload | |
//!
//! A **multi-message** envelope:
//!
//! | bytes | what | bound |
//! | --- | --- | --- |
//! | 4 | [`MAGIC`] | |
//! | 1 | [`VERSION`] | |
//! | 1 | form: 2 | |
//! | 1 | statements | 1 to [`MAX_STATEMENTS`] |
//! | … | for each, 4 bytes of length and its single-message envelope | to the end |
//!
//! Every content has one encoding: parts ascend by kind and, within a kind, by first signer; each
//! key of the statement is in exactly one part; nothing follows the last part. The kind
//! [`RAW_SIGNATURES`] has for its payload the signatures of its signers in ascending order, all of the
//! scheme's length, and stands in an envelope once; `multisig` knows no other. Those of `stark` are
//! described with [`Hybrid`](crate::Hybrid). The decoders here leave kinds and payloads to their
//! caller.
//!
//! Decoding borrows from the input. It allocates one small descriptor a part, whose number is
//! bounded before it is read, and ends at the first fault.

mod multi;
mod reader;
mod signers;
mod single;

pub use multi::Multi;
pub use signers::Signers;
pub use single::{Part, Single};

pub(crate) use multi::{multi_len, write_multi_header, write_single};
pub(crate) use signers::{bit_list_len, last_byte_mask};
pub(crate) use single::{part_len, raw_single_len, single_len, write_raw_header};

use crate::MAX_SIGNERS;

/// The first bytes of every envelope.
pub const MAGIC: [u8; 4] = *b"QMSE";
/// The version that this crate reads and writes.
pub const VERSION: u8 = 1;
/// Parts of a single-message envelope at most.
pub const MAX_PARTS: usize = 16;
/// Statements of a multi-message envelope at most.
pub const MAX_STATEMENTS: usize = 64;
/// The kind of part that carries the signatures themselves.
pub const RAW_SIGNATURES: u8 = 1;

/// The two forms of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Single = 1,
    Multi = 2,
}

/// The reason bytes are not a valid envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Longer than a proof may be; nothing of it was read.
    #[error("{bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It ends within a field.
    #[error("truncated: {wanted} bytes wanted, {left} left")]
    Truncated {
        /// The field's length.
        wanted: usize,
        /// The bytes there are.
        left: usize,
    },
    /// Bytes follow the end.
    #[error("{0} bytes after the end")]
    TrailingBytes(usize),
    /// It does not begin as an envelope does.
    #[error("not an envelope: wrong magic")]
    Magic,
    /// It has another version.
    #[error("version {0}, only version {VERSION} is known")]
    Version(u8),
    /// It is the other form, or none.
    #[error("form {found}, expected {expected}")]
    Form {
        /// Its form.
        found: u8,
        /// The form asked for.
        expected: u8,
    },
    /// The number of keys is out of bounds.
    #[error("{0} keys, expected 1 to {MAX_SIGNERS}")]
    Keys(usize),
    /// The number of parts is out of bounds.
    #[error("{0} parts, expected 1 to {MAX_PARTS}")]
    Parts(usize),
    /// The number of statements is out of bounds.
    #[error("{0} statements, expected 1 to {MAX_STATEMENTS}")]
    Statements(usize),
    /// A bit list has bits past the last key.
    #[error("part {part}: bits past the last key")]
    SpareBits {
        /// The part.
        part: usize,
    },
    /// A part has no signer.
    #[error("part {part}: no signer")]
    EmptyPart {
        /// The part.
        part: usize,
    },
    /// Parts do not ascend by kind and first signer.
    #[error("part {part}: out of order")]
    Order {
        /// The later part.
        part: usize,
    },
    /// A signer is in two parts.
    #[error("part {part}: signer {signer} is in an earlier part")]
    DuplicateSigner {
        /// The later part.
        part: usize,
        /// The signer's position among the statement's keys.
        signer: usize,
    },
    /// A signer is in no part.
    #[error("signer {signer} is in no part")]
    MissingSigner {
        /// The signer's position among the statement's keys.
        signer: usize,
    },
    /// A statement's single-message envelope is not one.
    #[error("statement {index}: {fault}")]
    Statement {
        /// The statement.
        index: usize,
        /// The reason.
        fault: Box<EnvelopeError>,
    },
}

/// A length that the decoders or the statement bounded, as the bytes of a field.
fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("lengths are bounded by the proof's").to_le_bytes()
}

fn write_prologue(out: &mut Vec<u8>, form: Form) {
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    out.push(form as u8);
}
