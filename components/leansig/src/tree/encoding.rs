//! SSZ and serde formats of trees and their parts.

use serde::{Deserialize, Serialize};
use ssz::{Decode, DecodeError, Encode};

use super::{HashTreeLayer, HashTreeOpening, SubTree};
use crate::array::FieldArray;
use crate::field::DIGEST_BYTES;
use crate::wire::{Reader, WireError, digests, put_elements, put_offset};

/// Fixed part of a layer: its start and one offset.
const LAYER_FIXED: usize = 8 + 4;
/// Fixed part of a subtree: depth, lowest layer and one offset.
const SUBTREE_FIXED: usize = 8 + 8 + 4;

impl HashTreeLayer {
    fn encoded_len(&self) -> usize {
        LAYER_FIXED + self.nodes.len() * DIGEST_BYTES
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.start_index.to_le_bytes());
        put_offset(out, LAYER_FIXED);
        put_elements(out, self.nodes.as_flattened());
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let start_index = reader.u64()?;
        reader.expect_offset(LAYER_FIXED)?;
        Ok(Self { start_index, nodes: digests(reader.rest())? })
    }
}

impl HashTreeOpening {
    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.expect_offset(4)?;
        Ok(Self { siblings: digests(reader.rest())? })
    }
}

impl SubTree {
    pub(crate) fn encoded_len(&self) -> usize {
        let layers = self.layers.iter().map(|layer| 4 + layer.encoded_len());
        SUBTREE_FIXED + layers.sum::<usize>()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.depth.to_le_bytes());
        out.extend_from_slice(&self.lowest_layer.to_le_bytes());
        put_offset(out, SUBTREE_FIXED);
        let mut offset = 4 * self.layers.len();
        for layer in &self.layers {
            put_offset(out, offset);
            offset += layer.encoded_len();
        }
        for layer in &self.layers {
            layer.encode(out);
        }
    }

    /// Reads a subtree. Its layers must follow one another without gaps.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let depth = reader.u64()?;
        let lowest_layer = reader.u64()?;
        reader.expect_offset(SUBTREE_FIXED)?;

        let list = reader.rest();
        let mut offsets = Reader::new(list);
        let mut layers = Vec::new();
        if !list.is_empty() {
            let mut start = offsets.offset()?;
            // There must be at least an offset and a fixed part for each layer.
            if start == 0 || !start.is_multiple_of(4) || start > list.len() {
                return Err(WireError::Offset { expected: 4, found: start });
            }
            let table = start;
            for at in (4..=table).step_by(4) {
                let end = if at == table { list.len() } else { offsets.offset()? };
                let Some(layer) = list.get(start..end) else {
                    return Err(WireError::Offset { expected: start, found: end });
                };
                layers.push(HashTreeLayer::decode(layer)?);
                start = end;
            }
        }
        Ok(Self { depth, lowest_layer, layers })
    }
}

macro_rules! variable_len_ssz {
    ($type:ty, $len:expr, $encode:expr) => {
        impl Encode for $type {
            fn is_ssz_fixed_len() -> bool {
                false
            }

            fn ssz_bytes_len(&self) -> usize {
                $len(self)
            }

            fn ssz_append(&self, buf: &mut Vec<u8>) {
                $encode(self, buf);
            }
        }

        impl Decode for $type {
            fn is_ssz_fixed_len() -> bool {
                false
            }

            fn from_ssz_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
                Ok(Self::decode(bytes)?)
            }
        }
    };
}

variable_len_ssz!(HashTreeLayer, Self::encoded_len, HashTreeLayer::encode);
variable_len_ssz!(
    HashTreeOpening,
    |opening: &Self| 4 + opening.siblings.len() * DIGEST_BYTES,
    |opening: &HashTreeOpening, buf: &mut Vec<u8>| {
        put_offset(buf, 4);
        put_elements(buf, opening.siblings.as_flattened());
    }
);

/// A layer for serde, with upstream's field names.
#[derive(Serialize, Deserialize)]
pub(crate) struct LayerForm {
    start_index: u64,
    nodes: Vec<FieldArray<8>>,
}

/// A subtree for serde, with upstream's field names.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SubTreeForm {
    depth: u64,
    lowest_layer: u64,
    layers: Vec<LayerForm>,
}

impl From<&SubTree> for SubTreeForm {
    fn from(tree: &SubTree) -> Self {
        let layers = tree.layers.iter().map(|layer| LayerForm {
            start_index: layer.start_index,
            nodes: layer.nodes().collect(),
        });
        Self { depth: tree.depth, lowest_layer: tree.lowest_layer, layers: layers.collect() }
    }
}

impl From<SubTreeForm> for SubTree {
    fn from(form: SubTreeForm) -> Self {
        let layers =
            form.layers.into_iter().map(|layer| HashTreeLayer::new(layer.start_index, layer.nodes));
        Self { depth: form.depth, lowest_layer: form.lowest_layer, layers: layers.collect() }
    }
}
