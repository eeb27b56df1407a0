//! Blocks, attestations and aggregates that only look like some.

use std::sync::Arc;

use quintet_components::{
    containers::{
        AttestationData, Block, MultiMessageAggregate, ProofBytes, Signature,
        SignedAggregatedAttestation, SignedAttestation, SignedBlock, SingleMessageAggregate,
    },
    preset::SignaturePreset,
};

/// A block of this slot.
pub fn block(slot: u64) -> Arc<SignedBlock> {
    block_with(slot, 100)
}

/// A block of this slot whose proof has so many bytes, hardly compressible.
pub fn block_with(slot: u64, bytes: usize) -> Arc<SignedBlock> {
    let mut random = slot;
    let proof: Vec<u8> = (0..bytes)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random.to_be_bytes()[0]
        })
        .collect();
    let proof = ProofBytes::new(proof).expect("at most 512 KiB");
    Arc::new(SignedBlock {
        block: Block { slot, ..Block::default() },
        proof: MultiMessageAggregate { proof },
    })
}

/// This validator's attestation in this slot.
pub fn attested_by(validator_index: u64, slot: u64) -> Arc<SignedAttestation> {
    Arc::new(SignedAttestation {
        validator_index,
        data: AttestationData { slot, ..AttestationData::default() },
        signature: Signature::placeholder(SignaturePreset::Test),
    })
}

/// An aggregate of this slot's attestations.
pub fn aggregate(slot: u64) -> Arc<SignedAggregatedAttestation> {
    Arc::new(SignedAggregatedAttestation {
        data: AttestationData { slot, ..AttestationData::default() },
        proof: SingleMessageAggregate::default(),
    })
}
