//! The fault of a proof.

use crate::{VerifyError, envelope::EnvelopeError};

/// The reason a proof does not prove a statement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    #[error("part {part}: unknown kind {kind}")]
    Kind { part: usize, kind: u8 },
    #[error("part {part}: a second part of kind {kind}")]
    RepeatedKind { part: usize, kind: u8 },
    #[error("part {part}: {found} bytes of signatures, expected {expected}")]
    RawLength { part: usize, found: usize, expected: usize },
    #[error("part {part}: {reason}")]
    Payload { part: usize, reason: &'static str },
    #[error("part {part}: format {found}, only format {expected} is known")]
    Format { part: usize, found: u8, expected: u8 },
    #[error("more than {0} proofs")]
    Proofs(usize),
    #[error("the joint proof stands elsewhere than in the first joint part")]
    Joint,
    #[error("it is over {found} keys, the statement has {expected}")]
    Keys { found: usize, expected: usize },
    #[error("it is over {found} statements, expected {expected}")]
    Statements { found: usize, expected: usize },
    #[error("statement {index}: {fault}")]
    Statement { index: usize, fault: Box<Fault> },
}

impl Fault {
    fn is_mismatch(&self) -> bool {
        match self {
            Self::Keys { .. } | Self::Statements { .. } => true,
            Self::Statement { fault, .. } => fault.is_mismatch(),
            _ => false,
        }
    }
}

impl From<Fault> for VerifyError {
    fn from(fault: Fault) -> Self {
        let reason = fault.to_string();
        if fault.is_mismatch() { Self::Invalid(reason) } else { Self::Malformed(reason) }
    }
}
