//! The encodings of public keys and signatures. Decoding is strict: each value has one encoding.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use thiserror::Error;

use crate::field::{
    DIGEST_BYTES, DIGEST_LEN, Digest, ELEMENT_BYTES, F, PARAMETER_LEN, Parameter, RANDOMNESS_LEN,
    Randomness,
};
use crate::params::Params;

/// The size of an encoded public key in bytes.
pub(crate) const PUBLIC_KEY_BYTES: usize = (DIGEST_LEN + PARAMETER_LEN) * ELEMENT_BYTES;
/// The position of the path in an encoded signature: after two offsets and the randomness.
const PATH_AT: usize = 2 * 4 + RANDOMNESS_LEN * ELEMENT_BYTES;

/// The reason bytes are not the encoding of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// There are too few or too many bytes.
    #[error("expected {expected} bytes, found {found}")]
    Length {
        /// The number of bytes that the value takes.
        expected: usize,
        /// The number of bytes found.
        found: usize,
    },
    /// An offset is not the start of the part that it belongs to.
    #[error("expected offset {expected}, found {found}")]
    Offset {
        /// The only valid offset.
        expected: usize,
        /// The offset found.
        found: usize,
    },
    /// The value belongs to another preset of the scheme.
    #[error("expected a key of lifetime 2^{expected}, found one of lifetime 2^{found}")]
    OtherScheme {
        /// Logarithm of the lifetime that was expected.
        expected: u64,
        /// Logarithm of the lifetime in the key.
        found: u64,
    },
    /// Parts of the value contradict each other.
    #[error("inconsistent key: {0}")]
    Inconsistent(&'static str),
    /// Four bytes hold a number that is not below the field's modulus.
    #[error("{value} is not below the field's modulus")]
    NotCanonical {
        /// The number.
        value: u32,
    },
}

impl From<WireError> for ssz::DecodeError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Length { expected, found } => {
                Self::InvalidByteLength { len: found, expected }
            }
            _ => Self::BytesInvalid(error.to_string()),
        }
    }
}

/// A decoded public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKeyParts {
    /// The root of the tree.
    pub root: Digest,
    /// The parameter that is an input of every hash of the key.
    pub parameter: Parameter,
}

/// A decoded signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureParts {
    /// The siblings on the way from the leaf to the root, leaf first.
    pub path: Vec<Digest>,
    /// The randomness of the message hash.
    pub rho: Randomness,
    /// The value of each chain.
    pub hashes: Vec<Digest>,
}

/// Reads one field element.
pub(crate) fn element(bytes: [u8; ELEMENT_BYTES]) -> Result<F, WireError> {
    let value = u32::from_le_bytes(bytes);
    if value < F::ORDER_U32 { Ok(F::new(value)) } else { Err(WireError::NotCanonical { value }) }
}

/// Reads `N` field elements from exactly as many bytes as they take.
pub(crate) fn elements<const N: usize>(bytes: &[u8]) -> Result<[F; N], WireError> {
    expect_len(bytes, N * ELEMENT_BYTES)?;
    let mut out = [F::ZERO; N];
    for (slot, chunk) in out.iter_mut().zip(bytes.as_chunks::<ELEMENT_BYTES>().0) {
        *slot = element(*chunk)?;
    }
    Ok(out)
}

/// Reads consecutive digests.
pub(crate) fn digests(bytes: &[u8]) -> Result<Vec<Digest>, WireError> {
    let (chunks, rest) = bytes.as_chunks::<DIGEST_BYTES>();
    if !rest.is_empty() {
        let expected = bytes.len() - rest.len();
        return Err(WireError::Length { expected, found: bytes.len() });
    }
    chunks.iter().map(|chunk| elements(chunk)).collect()
}

/// Appends field elements.
pub(crate) fn put_elements(out: &mut Vec<u8>, elements: &[F]) {
    for element in elements {
        out.extend_from_slice(&element.as_canonical_u32().to_le_bytes());
    }
}

/// Appends an offset or a length.
pub(crate) fn put_offset(out: &mut Vec<u8>, offset: usize) {
    let offset = u32::try_from(offset).expect("encodings of this crate are below 4 GiB");
    out.extend_from_slice(&offset.to_le_bytes());
}

pub(crate) fn expect_len(bytes: &[u8], expected: usize) -> Result<(), WireError> {
    if bytes.len() == expected {
        Ok(())
    } else {
        Err(WireError::Length { expected, found: bytes.len() })
    }
}

/// Reads the fixed part of a container, front to back.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    read: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, read: 0 }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Length {
            expected: self.read + len,
            found: self.read + self.rest.len(),
        })?;
        self.rest = rest;
        self.read += len;
        Ok(taken)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<&'a [u8; N], WireError> {
        Ok(self.take(N)?.first_chunk().expect("`take` returns as many bytes as asked for"))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        self.bytes().map(|bytes| u64::from_le_bytes(*bytes))
    }

    pub(crate) fn offset(&mut self) -> Result<usize, WireError> {
        self.bytes().map(|bytes| u32::from_le_bytes(*bytes) as usize)
    }

    pub(crate) fn expect_offset(&mut self, expected: usize) -> Result<(), WireError> {
        let found = self.offset()?;
        if found == expected { Ok(()) } else { Err(WireError::Offset { expected, found }) }
    }

    pub(crate) fn elements<const N: usize>(&mut self) -> Result<[F; N], WireError> {
        elements(self.take(N * ELEMENT_BYTES)?)
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl PublicKeyParts {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        expect_len(bytes, PUBLIC_KEY_BYTES)?;
        let (root, parameter) = bytes.split_at(DIGEST_BYTES);
        Ok(Self { root: elements(root)?, parameter: elements(parameter)? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_elements(out, &self.root);
        put_elements(out, &self.parameter);
    }
}

impl SignatureParts {
    /// Layout: offset of the path, randomness, offset of the chain values; then the path, which is
    /// a container with one offset of its own, and the chain values.
    pub(crate) fn decode(params: &Params, bytes: &[u8]) -> Result<Self, WireError> {
        expect_len(bytes, params.signature_len())?;
        let path_bytes = params.path_len() * DIGEST_BYTES;
        let mut reader = Reader::new(bytes);
        reader.expect_offset(PATH_AT)?;
        let rho = reader.elements()?;
        reader.expect_offset(PATH_AT + 4 + path_bytes)?;
        reader.expect_offset(4)?;
        let path = digests(reader.take(path_bytes)?)?;
        Ok(Self { path, rho, hashes: digests(reader.rest())? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_offset(out, PATH_AT);
        put_elements(out, &self.rho);
        put_offset(out, PATH_AT + 4 + self.path.len() * DIGEST_BYTES);
        put_offset(out, 4);
        put_elements(out, self.path.as_flattened());
        put_elements(out, self.hashes.as_flattened());
    }

    /// Checks that the lists have the lengths of the preset.
    pub(crate) fn check_shape(&self, params: &Params) -> Result<(), WireError> {
        if self.path.len() == params.path_len() && self.hashes.len() == params.dimension {
            return Ok(());
        }
        Err(WireError::Length { expected: params.signature_len(), found: self.encoded_len() })
    }

    pub(crate) fn encoded_len(&self) -> usize {
        PATH_AT + 4 + (self.path.len() + self.hashes.len()) * DIGEST_BYTES
    }
}
