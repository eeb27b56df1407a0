//! SSZ and serde formats of a secret key.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::SigningKey;
use crate::array::FieldArray;
use crate::field::{ELEMENT_BYTES, PARAMETER_LEN};
use crate::params::Params;
use crate::prf::{PRF_KEY_BYTES, PrfKey};
use crate::tree::{SubTree, SubTreeForm};
use crate::wire::{Reader, WireError, put_elements, put_offset};

/// Bytes before the trees.
const FIXED: usize = PRF_KEY_BYTES + PARAMETER_LEN * ELEMENT_BYTES + 3 * 8 + 3 * 4;

impl SigningKey {
    pub(crate) fn encoded_len(&self) -> usize {
        let trees = [&self.top_tree, &self.left_bottom_tree, &self.right_bottom_tree];
        FIXED + trees.map(SubTree::encoded_len).iter().sum::<usize>()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let left_at = FIXED + self.top_tree.encoded_len();
        out.extend_from_slice(self.prf_key.as_bytes());
        put_elements(out, &self.parameter);
        out.extend_from_slice(&self.activation_epoch.to_le_bytes());
        out.extend_from_slice(&self.num_active_epochs.to_le_bytes());
        put_offset(out, FIXED);
        out.extend_from_slice(&self.left_bottom_tree_index.to_le_bytes());
        put_offset(out, left_at);
        put_offset(out, left_at + self.left_bottom_tree.encoded_len());
        self.top_tree.encode(out);
        self.left_bottom_tree.encode(out);
        self.right_bottom_tree.encode(out);
    }

    /// The encoding, in memory that is erased when dropped, without other copies.
    pub(crate) fn encoded(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.encoded_len()));
        self.encode(&mut bytes);
        bytes
    }

    pub(crate) fn decode(params: &'static Params, bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let prf_key = PrfKey::from_bytes(reader.bytes()?);
        let parameter = reader.elements()?;
        let activation_epoch = reader.u64()?;
        let num_active_epochs = reader.u64()?;
        reader.expect_offset(FIXED)?;
        let left_bottom_tree_index = reader.u64()?;
        let left_at = reader.offset()?;
        let right_at = reader.offset()?;

        // The depth, which is the first number of the top tree, shows whether the key is of another
        // scheme.
        let depth = Reader::new(reader.rest()).u64()?;
        if depth != u64::from(params.log_lifetime) {
            let expected = u64::from(params.log_lifetime);
            return Err(WireError::OtherScheme { expected, found: depth });
        }
        let part = |start: usize, end: usize| {
            bytes.get(start..end).ok_or(WireError::Offset { expected: end, found: start })
        };
        Self {
            params,
            prf_key,
            parameter,
            activation_epoch,
            num_active_epochs,
            top_tree: SubTree::decode(part(FIXED, left_at)?)?,
            left_bottom_tree_index,
            left_bottom_tree: SubTree::decode(part(left_at, right_at)?)?,
            right_bottom_tree: SubTree::decode(part(right_at, bytes.len())?)?,
        }
        .check()
    }
}

/// A secret key for serde, with upstream's field names.
#[derive(Serialize, Deserialize)]
pub(crate) struct SigningKeyForm {
    prf_key: [u8; PRF_KEY_BYTES],
    parameter: FieldArray<PARAMETER_LEN>,
    activation_epoch: u64,
    num_active_epochs: u64,
    top_tree: SubTreeForm,
    left_bottom_tree_index: u64,
    left_bottom_tree: SubTreeForm,
    right_bottom_tree: SubTreeForm,
    #[serde(default)]
    _encoding_type: (),
}

impl From<&SigningKey> for SigningKeyForm {
    fn from(key: &SigningKey) -> Self {
        Self {
            prf_key: *key.prf_key.as_bytes(),
            parameter: FieldArray(key.parameter),
            activation_epoch: key.activation_epoch,
            num_active_epochs: key.num_active_epochs,
            top_tree: (&key.top_tree).into(),
            left_bottom_tree_index: key.left_bottom_tree_index,
            left_bottom_tree: (&key.left_bottom_tree).into(),
            right_bottom_tree: (&key.right_bottom_tree).into(),
            _encoding_type: (),
        }
    }
}

impl SigningKeyForm {
    pub(crate) fn into_key(mut self, params: &'static Params) -> Result<SigningKey, WireError> {
        SigningKey {
            params,
            prf_key: PrfKey::from_bytes(&self.prf_key),
            parameter: self.parameter.0,
            activation_epoch: self.activation_epoch,
            num_active_epochs: self.num_active_epochs,
            top_tree: std::mem::take(&mut self.top_tree).into(),
            left_bottom_tree_index: self.left_bottom_tree_index,
            left_bottom_tree: std::mem::take(&mut self.left_bottom_tree).into(),
            right_bottom_tree: std::mem::take(&mut self.right_bottom_tree).into(),
        }
        .check()
    }
}

impl Drop for SigningKeyForm {
    fn drop(&mut self) {
        self.prf_key.zeroize();
    }
}
