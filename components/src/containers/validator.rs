//! The validator registry.

use std::collections::BTreeMap;

use alloy_primitives::FixedBytes;
use milhouse::List;
use typenum::U4096;

use super::{
    ValidatorIndex,
    macros::{containers, tree_hash_root},
};
use crate::preset::PUBLIC_KEY_BYTES;

/// An XMSS public key as bytes.
pub type PublicKey = FixedBytes<PUBLIC_KEY_BYTES>;

containers! {
    /// A validator's entry in the registry.
    pub struct Validator {
        /// The key that verifies its attestations.
        pub attestation_public_key: PublicKey,
        /// The key that verifies its proposals.
        pub proposal_public_key: PublicKey,
        /// Its position in the registry.
        pub index: ValidatorIndex,
    }
}

type ValidatorList = List<Validator, U4096, BTreeMap<usize, Validator>>;

/// The registry: at most 4096 validators, each at the position of its index. Clones share the
/// entries and their hashes.
#[derive(Clone, Debug, PartialEq, ssz_derive::Encode)]
#[ssz(struct_behaviour = "transparent")]
pub struct Validators(ValidatorList);

tree_hash_root!(List, [] Validators, |this| this.0.tree_hash_root());

impl Eq for Validators {}

impl Validators {
    /// Makes the registry of these validators.
    ///
    /// # Errors
    /// More than 4096 validators, or an index that is not the position.
    pub fn new(validators: Vec<Validator>) -> Result<Self, String> {
        let list =
            ValidatorList::new(validators).map_err(|_| "more than 4096 validators".to_owned())?;
        Self::checked(list)
    }

    fn checked(list: ValidatorList) -> Result<Self, String> {
        match list.iter().enumerate().find(|(position, entry)| *position as u64 != entry.index) {
            Some((position, entry)) => Err(format!(
                "the validator at position {position} has index {}: they must be equal",
                entry.index
            )),
            None => Ok(Self(list)),
        }
    }

    /// The number of validators.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The validator of this index.
    pub fn get(&self, index: ValidatorIndex) -> Option<&Validator> {
        self.0.get(usize::try_from(index).ok()?)
    }

    /// The validators in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Validator> {
        self.0.iter()
    }
}

impl Default for Validators {
    fn default() -> Self {
        Self(ValidatorList::empty())
    }
}

impl ssz::Decode for Validators {
    fn is_ssz_fixed_len() -> bool {
        false
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, ssz::DecodeError> {
        Self::checked(ValidatorList::from_ssz_bytes(bytes)?).map_err(ssz::DecodeError::BytesInvalid)
    }
}

impl serde::Serialize for Validators {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::json::write_list(self.iter(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Validators {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(crate::json::read_list(deserializer)?).map_err(serde::de::Error::custom)
    }
}
