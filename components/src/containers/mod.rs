//! leanSpec's containers: SSZ encoding, tree roots and JSON of everything that is sent or hashed.
//! Decoding enforces limits, and its errors name the field.

mod aggregate;
mod attestation;
mod bits;
mod block;
mod checkpoint;
mod macros;
mod merkle;
mod network;
mod participation;
mod signature;
mod state;
mod validator;

pub use aggregate::{ByteList, MultiMessageAggregate, ProofBytes, SingleMessageAggregate};
pub use attestation::{
    AggregatedAttestation, AggregatedAttestations, Attestation, AttestationData,
    SignedAggregatedAttestation, SignedAttestation,
};
pub use bits::PersistentBits;
pub use block::{Block, BlockBody, BlockHeader, SignedBlock};
pub use checkpoint::Checkpoint;
pub use network::{BlocksByRangeRequest, BlocksByRootRequest, RequestedRoots, Status};
pub use participation::AggregationBits;
pub use signature::Signature;
pub use state::{GenesisConfig, JustificationVotes, JustifiedSlots, RootList, State};
pub use validator::{PublicKey, Validator, Validators};

/// A 32-byte hash tree root.
pub type Root = alloy_primitives::B256;
/// A slot number. Each slot lasts four seconds; slot 0 begins at genesis.
pub type Slot = u64;
/// A validator's position in the registry.
pub type ValidatorIndex = u64;

/// Puts a field's name before an error inside the field.
pub(crate) fn in_field(field: &str, error: ssz::DecodeError) -> ssz::DecodeError {
    match error {
        ssz::DecodeError::BytesInvalid(detail) => {
            ssz::DecodeError::BytesInvalid(format!("{field}: {detail}"))
        }
        other => ssz::DecodeError::BytesInvalid(format!("{field}: {}", decode_failure(&other))),
    }
}

/// Describes what is wrong with SSZ bytes, for an error message.
pub fn decode_failure(error: &ssz::DecodeError) -> String {
    use ssz::DecodeError;

    match error {
        DecodeError::InvalidByteLength { len, expected } => {
            format!("{len} bytes where {expected} are expected")
        }
        DecodeError::InvalidLengthPrefix { len, expected } => {
            format!("a length in {len} bytes where {expected} are expected")
        }
        DecodeError::BytesInvalid(reason) => reason.clone(),
        _ => "its offsets do not fit together".into(),
    }
}
