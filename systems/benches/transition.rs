//! Importing a block: the state transition with its state root, signatures excluded.
//!
//! 4096 validators, 8 attestations, a history of 2^18 roots. `finalizing` has finality a few
//! slots behind; `stalled` has had none since genesis, so that the justification window spans the
//! history and a thousand targets are pending. There, `known targets` are pending already, as in
//! almost every block; `new targets` come in for the first time, which shifts the votes for all
//! others in the state's flat list.

#![allow(clippy::cast_possible_truncation, reason = "a bench's numbers are small")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quintet_components::{
    constants::HISTORICAL_ROOTS_LIMIT,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AggregationBits, AttestationData, Block,
        BlockBody, BlockHeader, Checkpoint, JustificationVotes, JustifiedSlots, PublicKey, Root,
        RootList, State, Validator, Validators,
    },
};
use quintet_systems::transition::{
    is_justifiable_after, process_block, process_slots, state_transition,
};
use tree_hash::TreeHash;

const VALIDATORS: u64 = 4096;

fn root(slot: u64) -> Root {
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&slot.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Root::from(bytes)
}

fn checkpoint(slot: u64) -> Checkpoint {
    Checkpoint { root: root(slot), slot }
}

/// A state one slot before its history is full.
fn parent_state(finalized_slot: u64, newest_pending: u64) -> State {
    let slot = HISTORICAL_ROOTS_LIMIT as u64 - 1;
    let validators = (0..VALIDATORS)
        .map(|index| Validator {
            attestation_public_key: PublicKey::with_last_byte(index as u8),
            proposal_public_key: PublicKey::with_last_byte(!(index as u8)),
            index,
        })
        .collect();
    let mut targets: Vec<Root> = (finalized_slot + 1..newest_pending)
        .filter(|target| is_justifiable_after(*target, finalized_slot))
        .map(root)
        .collect();
    targets.sort_unstable();
    // Half of the validators voted for each pending target.
    let votes = (0..targets.len() * VALIDATORS as usize).map(|bit| bit % 2 == 0);
    let window = (slot - finalized_slot - 1) as usize;
    let mut state = State {
        slot,
        latest_block_header: BlockHeader { slot, ..BlockHeader::default() },
        latest_justified: checkpoint(finalized_slot),
        latest_finalized: checkpoint(finalized_slot),
        historical_block_hashes: RootList::new((0..slot).map(root).collect()).expect("fits"),
        justified_slots: std::iter::repeat_n(false, window).collect::<JustifiedSlots>(),
        validators: Validators::new(validators).expect("in order"),
        justifications_validators: votes.collect::<JustificationVotes>(),
        justifications_roots: RootList::new(targets).expect("fits"),
        ..State::default()
    };
    state.latest_block_header.state_root = Root::ZERO;
    state
}

/// A block on it with eight votes for the eight newest justifiable targets.
fn block_on(parent: &State) -> Block {
    let finalized_slot = parent.latest_finalized.slot;
    let attestations: Vec<AggregatedAttestation> = (finalized_slot + 1..parent.slot)
        .rev()
        .filter(|slot| is_justifiable_after(*slot, finalized_slot))
        .take(8)
        .map(|slot| AggregatedAttestation {
            // Less than two thirds, so that every tally is kept.
            aggregation_bits: AggregationBits::from_indices(
                (0..VALIDATORS).filter(|index| index % 2 == 0 || index % 8 == 1),
            )
            .expect("in range"),
            data: AttestationData {
                slot: parent.slot,
                head: checkpoint(parent.slot - 1),
                target: checkpoint(slot),
                source: checkpoint(finalized_slot),
            },
        })
        .collect();
    assert_eq!(attestations.len(), 8);
    let mut post = parent.clone();
    let slot = parent.slot + 1;
    process_slots(&mut post, slot).expect("later");
    let mut block = Block {
        slot,
        proposer_index: slot % VALIDATORS,
        parent_root: post.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: BlockBody { attestations: AggregatedAttestations::new(attestations).expect("eight") },
    };
    process_block(&mut post, &block).expect("valid");
    assert_ne!(post.justifications_validators, parent.justifications_validators);
    block.state_root = post.tree_hash_root();
    block
}

fn transition(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("import of 8 attestations, 4096 validators");
    let last = HISTORICAL_ROOTS_LIMIT as u64 - 1;
    for (name, finalized_slot, newest_pending) in [
        ("finalizing", last - 64, last - 32),
        ("stalled, known targets", 0, last),
        ("stalled, new targets", 0, last - 8192),
    ] {
        let parent = parent_state(finalized_slot, newest_pending);
        let block = block_on(&parent);
        // A parent's root is known when a block is built on it.
        let _: Root = parent.tree_hash_root();
        group.bench_function(name, |bencher| {
            bencher.iter(|| state_transition(black_box(&parent), black_box(&block)));
        });
    }
    group.finish();
}

criterion_group!(benches, transition);
criterion_main!(benches);
