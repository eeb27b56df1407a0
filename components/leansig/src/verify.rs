//! Verifies one signature or many at once.

use p3_field::{PackedValue, PrimeCharacteristicRing};
use thiserror::Error;

use crate::chain::{self, ChainJob};
use crate::encoding::{
    Codeword, MAX_HASH_ELEMENTS, RANDOMNESS_AT, decode_codeword, message_hash_input,
};
use crate::field::{DIGEST_LEN, Digest, F, PARAMETER_LEN, Packed};
use crate::packing::LANES;
use crate::params::{Params, STEPS};
use crate::poseidon::{compress_24, hash_leaf};
use crate::tree::{hash_node, hash_nodes};
use crate::tweak;
use crate::wire::{PublicKeyParts, SignatureParts, WireError};

/// The reason a signature was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The public key cannot be decoded.
    #[error("malformed public key: {0}")]
    PublicKey(#[source] WireError),
    /// The signature cannot be decoded.
    #[error("malformed signature: {0}")]
    Signature(#[source] WireError),
    /// The scheme has no such epoch.
    #[error("epoch {epoch} is past the scheme's lifetime of {lifetime} epochs")]
    Epoch {
        /// The epoch.
        epoch: u32,
        /// Epochs in the lifetime.
        lifetime: u64,
    },
    /// The message, hashed with the signature's randomness, does not reach the target sum.
    #[error("the message hash is not a codeword")]
    NotACodeword,
    /// The signature leads to a root that is not the public key's.
    #[error("the signature does not lead to the public key's root")]
    Root,
}

/// The input of a verification.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) public_key: &'a PublicKeyParts,
    pub(crate) epoch: u32,
    pub(crate) message: &'a [u8; 32],
    pub(crate) signature: &'a SignatureParts,
}

/// Verifies signatures together, so that hashes of different signatures share vectors.
pub(crate) fn verify_all(params: &Params, items: &[Item<'_>]) -> Vec<Result<(), VerifyError>> {
    let mut verdicts = vec![Ok(()); items.len()];
    let mut live = Vec::with_capacity(items.len());
    let mut inputs = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match check_shape(params, item) {
            Ok(()) => {
                let mut input =
                    message_hash_input(&item.public_key.parameter, item.epoch, item.message);
                input[RANDOMNESS_AT..23].copy_from_slice(&item.signature.rho);
                inputs.push(input);
                live.push(index);
            }
            Err(error) => verdicts[index] = Err(error),
        }
    }

    let mut jobs = Vec::with_capacity(live.len() * params.dimension);
    let mut kept = Vec::with_capacity(live.len());
    for (index, codeword) in live.into_iter().zip(codewords(params, &inputs)) {
        let Some(codeword) = codeword else {
            verdicts[index] = Err(VerifyError::NotACodeword);
            continue;
        };
        kept.push(index);
        let item = &items[index];
        for ((chain_index, digit), value) in (0..).zip(codeword).zip(&item.signature.hashes) {
            jobs.push(ChainJob {
                parameter: &item.public_key.parameter,
                epoch: item.epoch,
                chain_index,
                step: digit,
                end: STEPS,
                value: *value,
            });
        }
    }
    chain::walk(&mut jobs);

    let ends: Vec<Digest> = jobs.iter().map(|job| job.value).collect();
    for (group, ends) in kept.chunks(LANES).zip(ends.chunks(LANES * params.dimension)) {
        let roots = roots(params, items, group, ends);
        for (index, root) in group.iter().zip(roots) {
            if root != items[*index].public_key.root {
                verdicts[*index] = Err(VerifyError::Root);
            }
        }
    }
    verdicts
}

fn check_shape(params: &Params, item: &Item<'_>) -> Result<(), VerifyError> {
    if u64::from(item.epoch) >= params.lifetime() {
        return Err(VerifyError::Epoch { epoch: item.epoch, lifetime: params.lifetime() });
    }
    item.signature.check_shape(params).map_err(VerifyError::Signature)
}

/// Hashes the inputs, one vector at a time, and decodes the codewords.
pub(crate) fn codewords(params: &Params, inputs: &[[F; 24]]) -> Vec<Option<Codeword>> {
    let mut codewords = Vec::with_capacity(inputs.len());
    for group in inputs.chunks(LANES) {
        if let [input] = group {
            codewords.push(decode_codeword(params, &compress_24(input)));
            continue;
        }
        let packed = std::array::from_fn(|i| {
            Packed::from_fn(|lane| group.get(lane).map_or(F::ZERO, |input| input[i]))
        });
        let hashes: [Packed; MAX_HASH_ELEMENTS] = compress_24(&packed);
        for lane in 0..group.len() {
            let hash = std::array::from_fn(|i| hashes[i].as_slice()[lane]);
            codewords.push(decode_codeword(params, &hash));
        }
    }
    codewords
}

/// The roots for the chain ends of a group of signatures.
fn roots(params: &Params, items: &[Item<'_>], group: &[usize], ends: &[Digest]) -> Vec<Digest> {
    if let [index] = group {
        return vec![root(params, &items[*index], ends)];
    }
    let item = |lane: usize| group.get(lane).map(|index| &items[*index]);
    let parameter: [Packed; PARAMETER_LEN] = std::array::from_fn(|i| {
        Packed::from_fn(|lane| item(lane).map_or(F::ZERO, |item| item.public_key.parameter[i]))
    });
    let tweaks = |level: u32| -> [Packed; 2] {
        let lanes: [[F; 2]; LANES] = std::array::from_fn(|lane| {
            item(lane).map_or([F::ZERO; 2], |item| tweak::tree(level, shifted(item.epoch, level)))
        });
        std::array::from_fn(|limb| Packed::from_fn(|lane| lanes[lane][limb]))
    };

    let packed_ends: Vec<[Packed; DIGEST_LEN]> = (0..params.dimension)
        .map(|chain_index| {
            std::array::from_fn(|i| {
                Packed::from_fn(|lane| {
                    ends.get(lane * params.dimension + chain_index).map_or(F::ZERO, |end| end[i])
                })
            })
        })
        .collect();
    let mut node = hash_leaf(params.leaf_capacity(), &parameter, &tweaks(0), &packed_ends);

    for (level, depth) in (0..params.log_lifetime).zip(0usize..) {
        let mut left = node;
        let mut right = node;
        for (lane, index) in group.iter().enumerate() {
            let item = &items[*index];
            let is_right = shifted(item.epoch, level) & 1 == 1;
            let siblings = if is_right { &mut left } else { &mut right };
            for (slot, value) in siblings.iter_mut().zip(&item.signature.path[depth]) {
                slot.as_slice_mut()[lane] = *value;
            }
        }
        node = hash_nodes(&parameter, &tweaks(level + 1), &left, &right);
    }
    (0..group.len()).map(|lane| std::array::from_fn(|i| node[i].as_slice()[lane])).collect()
}

/// The root for the chain ends of one signature.
fn root(params: &Params, item: &Item<'_>, ends: &[Digest]) -> Digest {
    let parameter = &item.public_key.parameter;
    let tweak = tweak::tree(0, item.epoch);
    let mut node = hash_leaf(params.leaf_capacity(), parameter, &tweak, ends);
    for (level, sibling) in (0..).zip(&item.signature.path) {
        let right = shifted(item.epoch, level) & 1 == 1;
        let (left, right) = if right { (sibling, &node) } else { (&node, sibling) };
        let tweak = tweak::tree(level + 1, shifted(item.epoch, level + 1));
        node = hash_node(parameter, tweak, left, right);
    }
    node
}

/// The index of an epoch's ancestor at a level; level 32 has one node.
#[must_use]
pub fn shifted(epoch: u32, level: u32) -> u32 {
    epoch.checked_shr(level).unwrap_or(0)
}
