//! Attestations: their data, and the containers that carry them.

use ssz_types::VariableList;
use tree_hash::{TreeHash, mix_in_length};
use typenum::{U4096, Unsigned};

use super::{
    AggregationBits, Checkpoint, Root, Signature, SingleMessageAggregate, Slot, ValidatorIndex,
    in_field,
    macros::{containers, tree_hash_root},
    merkle::{depth_of, merkle_root},
};

containers! {
    /// The chain that a validator attests to: the one that it sees.
    #[derive(Copy, Default, Hash, PartialOrd, Ord)]
    pub struct AttestationData {
        /// The slot of the attestation.
        pub slot: Slot,
        /// The block that the validator sees as head.
        pub head: Checkpoint,
        /// The block that it wants to be justified.
        pub target: Checkpoint,
        /// The justified block that it starts from.
        pub source: Checkpoint,
    }

    /// One validator's attestation, unsigned.
    pub struct Attestation {
        /// The validator.
        pub validator_index: ValidatorIndex,
        /// The attestation data.
        pub data: AttestationData,
    }

    /// Attestation data with the validators that signed it, as a block carries it.
    pub struct AggregatedAttestation {
        /// The validators.
        pub aggregation_bits: AggregationBits,
        /// The attestation data.
        pub data: AttestationData,
    }

    /// Attestation data with a proof of its participants' signatures, as gossip carries it.
    pub struct SignedAggregatedAttestation {
        /// The attestation data.
        pub data: AttestationData,
        /// The participants and the proof.
        pub proof: SingleMessageAggregate,
    }
}

/// One validator's attestation, with a signature of its attestation key.
///
/// On the wire the signature has a fixed length, so it follows the data without an offset. The
/// length depends on the preset: decoding accepts every preset's length, admission only that of the
/// run.
#[derive(
    Clone, Debug, PartialEq, Eq, tree_hash_derive::TreeHash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct SignedAttestation {
    /// The validator.
    pub validator_index: ValidatorIndex,
    /// The attestation data.
    pub data: AttestationData,
    /// Signature over the data's root, at the epoch `data.slot`.
    pub signature: Signature,
}

impl SignedAttestation {
    /// Bytes before the signature.
    const UNSIGNED_BYTES: usize = 8 + 128;
}

impl ssz::Encode for SignedAttestation {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        Self::UNSIGNED_BYTES + self.signature.as_bytes().len()
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        self.validator_index.ssz_append(buf);
        self.data.ssz_append(buf);
        buf.extend_from_slice(self.signature.as_bytes());
    }
}

impl ssz::Decode for SignedAttestation {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
        let Some((unsigned, signature)) = bytes.split_at_checked(Self::UNSIGNED_BYTES) else {
            return Err(ssz::DecodeError::BytesInvalid(format!(
                "data: {} bytes are too few for an attestation",
                bytes.len()
            )));
        };
        let unsigned = Attestation::from_ssz_bytes(unsigned)?;
        let signature =
            Signature::from_ssz_bytes(signature).map_err(|error| in_field("signature", error))?;
        Ok(Self { validator_index: unsigned.validator_index, data: unsigned.data, signature })
    }
}

/// A block's attestations, at most 4096.
#[derive(Clone, Debug, Default, PartialEq, Eq, ssz_derive::Encode)]
#[ssz(struct_behaviour = "transparent")]
pub struct AggregatedAttestations(pub VariableList<AggregatedAttestation, U4096>);

tree_hash_root!(List, [] AggregatedAttestations, |this| {
    let mut leaves: Vec<Root> = this.0.iter().map(TreeHash::tree_hash_root).collect();
    mix_in_length(&merkle_root(&mut leaves, depth_of(U4096::USIZE)), this.0.len())
});

impl ssz::Decode for AggregatedAttestations {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
        // The first offset says how many items follow. Room is made for that many, but for no more
        // than the bytes can contain.
        if !bytes.is_empty() {
            let count = ssz::read_offset(bytes)? / ssz::BYTES_PER_LENGTH_OFFSET;
            if count > bytes.len() / Self::MIN_ITEM_BYTES {
                return Err(ssz::DecodeError::BytesInvalid(format!(
                    "{} bytes are too few for {count} attestations",
                    bytes.len()
                )));
            }
        }
        VariableList::from_ssz_bytes(bytes).map(Self)
    }
}

impl AggregatedAttestations {
    /// An item's offset in the list, its own offset to the bits, the attestation data, and the
    /// bits' length bit.
    const MIN_ITEM_BYTES: usize = 4 + 4 + 128 + 1;

    /// Makes the list of these attestations; `None` above the limit.
    pub fn new(items: Vec<AggregatedAttestation>) -> Option<Self> {
        VariableList::new(items).ok().map(Self)
    }

    /// The attestations in body order.
    pub fn iter(&self) -> std::slice::Iter<'_, AggregatedAttestation> {
        self.0.iter()
    }

    /// The number of attestations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a AggregatedAttestations {
    type Item = &'a AggregatedAttestation;
    type IntoIter = std::slice::Iter<'a, AggregatedAttestation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl serde::Serialize for AggregatedAttestations {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::json::write_list(self.iter(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for AggregatedAttestations {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = crate::json::read_list(deserializer)?;
        Self::new(items).ok_or_else(|| serde::de::Error::custom("more than 4096 attestations"))
    }
}
