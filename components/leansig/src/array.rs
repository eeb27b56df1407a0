//! Short arrays of field elements, as they appear in keys and signatures.

use p3_field::PrimeField32;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use ssz::{Decode, DecodeError, Encode};

use crate::field::{ELEMENT_BYTES, F};
use crate::wire::{WireError, elements, put_elements};

/// `N` elements of the `KoalaBear` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldArray<const N: usize>(pub(crate) [F; N]);

impl<const N: usize> FieldArray<N> {
    /// Elements from integers.
    ///
    /// # Errors
    /// If an integer is not below the field's modulus.
    pub fn from_canonical(values: [u32; N]) -> Result<Self, WireError> {
        match values.into_iter().find(|value| *value >= F::ORDER_U32) {
            Some(value) => Err(WireError::NotCanonical { value }),
            None => Ok(Self(values.map(F::new))),
        }
    }

    /// The elements as integers below the field's modulus.
    #[must_use]
    pub fn to_canonical(&self) -> [u32; N] {
        self.0.map(|element| element.as_canonical_u32())
    }
}

impl<const N: usize> Encode for FieldArray<N> {
    fn is_ssz_fixed_len() -> bool {
        true
    }

    fn ssz_fixed_len() -> usize {
        N * ELEMENT_BYTES
    }

    fn ssz_bytes_len(&self) -> usize {
        N * ELEMENT_BYTES
    }

    fn ssz_append(&self, buf: &mut Vec<u8>) {
        put_elements(buf, &self.0);
    }
}

impl<const N: usize> Decode for FieldArray<N> {
    fn is_ssz_fixed_len() -> bool {
        true
    }

    fn ssz_fixed_len() -> usize {
        N * ELEMENT_BYTES
    }

    fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(Self(elements(bytes)?))
    }
}

/// serde's format has the same numbers as upstream's: integers in Montgomery form.
impl<const N: usize> Serialize for FieldArray<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for FieldArray<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<F>::deserialize(deserializer)?;
        let found = values.len();
        let values =
            values.try_into().map_err(|_| D::Error::invalid_length(found, &"a field array"))?;
        Ok(Self(values))
    }
}
