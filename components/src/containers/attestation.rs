//! Votes: their content, and the envelopes that carry it.

use ssz_types::VariableList;
use typenum::U4096;

use super::{
    AggregationBits, Checkpoint, Signature, SingleMessageAggregate, Slot, ValidatorIndex, in_field,
    macros::{containers, tree_hash_root},
};

containers! {
    /// What a vote says: the chain its validator saw.
    #[derive(Copy, Default, Hash, PartialOrd, Ord)]
    pub struct AttestationData {
        /// The slot voted in.
        pub slot: Slot,
        /// The head block seen.
        pub head: Checkpoint,
        /// The block voted to be justified.
        pub target: Checkpoint,
        /// The justified block voted from.
        pub source: Checkpoint,
    }

    /// One validator's vote, unsigned.
    pub struct Attestation {
        /// Who votes.
        pub validator_index: ValidatorIndex,
        /// What is voted.
        pub data: AttestationData,
    }

    /// One vote's content with the validators that gave it, as a block carries it.
    pub struct AggregatedAttestation {
        /// Who votes.
        pub aggregation_bits: AggregationBits,
        /// What is voted.
        pub data: AttestationData,
    }

    /// One vote's content with the proof of its participants' signatures, as gossip carries it.
    pub struct SignedAggregatedAttestation {
        /// What is voted.
        pub data: AttestationData,
        /// Who votes, and the proof.
        pub proof: SingleMessageAggregate,
    }
}

/// One validator's vote with the signature of its attestation key.
///
/// On the wire the signature has a fixed length, so it follows the vote without an offset. Which
/// length is the preset's affair: decoding takes any preset's, admission takes the run's.
#[derive(
    Clone, Debug, PartialEq, Eq, tree_hash_derive::TreeHash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct SignedAttestation {
    /// Who votes.
    pub validator_index: ValidatorIndex,
    /// What is voted.
    pub data: AttestationData,
    /// Signature over the data's root, at the epoch `data.slot`.
    pub signature: Signature,
}

impl SignedAttestation {
    /// Bytes before the signature.
    const VOTE_BYTES: usize = 8 + 128;
}

impl ssz::Encode for SignedAttestation {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn ssz_bytes_len(&self) -> usize {
        Self::VOTE_BYTES + self.signature.as_bytes().len()
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
        let Some((vote, signature)) = bytes.split_at_checked(Self::VOTE_BYTES) else {
            return Err(ssz::DecodeError::BytesInvalid(format!(
                "data: {} bytes are too few for a vote",
                bytes.len()
            )));
        };
        let vote = Attestation::from_ssz_bytes(vote)?;
        let signature =
            Signature::from_ssz_bytes(signature).map_err(|error| in_field("signature", error))?;
        Ok(Self { validator_index: vote.validator_index, data: vote.data, signature })
    }
}

/// A block's attestations, at most 4096.
#[derive(Clone, Debug, Default, PartialEq, Eq, ssz_derive::Encode)]
#[ssz(struct_behaviour = "transparent")]
pub struct AggregatedAttestations(pub VariableList<AggregatedAttestation, U4096>);

tree_hash_root!(List, [] AggregatedAttestations, |this| this.0.tree_hash_root());

impl ssz::Decode for AggregatedAttestations {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
        // The first offset tells how many items follow, and room is made for that many: only for
        // as many as the bytes can hold.
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
    /// An item's offset in the list, its own offset to the bits, the vote, and the bits' length
    /// bit.
    const MIN_ITEM_BYTES: usize = 4 + 4 + 128 + 1;

    /// The list of these attestations; `None` above the limit.
    pub fn new(items: Vec<AggregatedAttestation>) -> Option<Self> {
        VariableList::new(items).ok().map(Self)
    }

    /// The attestations in body order.
    pub fn iter(&self) -> std::slice::Iter<'_, AggregatedAttestation> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
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
