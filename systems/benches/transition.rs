//! Importing a block: the state transition including its state root, without signatures.
//!
//! There are 4096 validators, 8 attestations, and a history of 2^18 roots. `finalizing` has
//! finality a few slots behind. `stalled` has had no finality since genesis, so that the
//! justification window spans the history and a thousand targets are pending. There, `known
//! targets` are pending already, as in almost every block; `new targets` are added, which shifts
//! the votes for all others in the state's flat list.
//!
//! The second group is an ordinary block: one attestation, a history of 1024 roots, and 20 ms
//! between blocks, so that threads sleep in between. `node` is a thread of the node's task pool;
//! `any thread` is one that hashes with the help of rayon's global pool; `pool` is a thread of that
//! pool. `node, without a pause` shows what the pause costs.

#![allow(clippy::cast_possible_truncation, reason = "a bench's numbers are small")]

use std::{
    hint::black_box,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use quintet_components::{
    constants::HISTORICAL_ROOTS_LIMIT,
    containers::{
        AggregatedAttestation, AggregatedAttestations, AggregationBits, AttestationData, Block,
        BlockBody, BlockHeader, Checkpoint, JustificationVotes, JustifiedSlots, PublicKey, Root,
        RootList, State, Validator, Validators,
    },
    hashing::hash_on_this_thread,
};
use quintet_systems::transition::{
    is_justifiable_after, process_block, process_slots, state_transition,
};
use tree_hash::TreeHash;

const VALIDATORS: u64 = 4096;
/// The newest slot of a full history.
const LAST: u64 = HISTORICAL_ROOTS_LIMIT as u64 - 1;
/// Time between two blocks.
const PAUSE: Duration = Duration::from_millis(20);

fn root(slot: u64) -> Root {
    let mut bytes = [0xa5; 32];
    bytes[..8].copy_from_slice(&slot.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Root::from(bytes)
}

fn checkpoint(slot: u64) -> Checkpoint {
    Checkpoint { root: root(slot), slot }
}

/// A state at a slot. Half of the validators support each pending target.
fn parent_state(count: u64, slot: u64, finalized_slot: u64, newest_pending: u64) -> State {
    let validators = (0..count)
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
    let votes = (0..targets.len() * count as usize).map(|bit| bit % 2 == 0);
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

/// A block on it with attestations for the newest justifiable targets. Each target has less than
/// two thirds of the votes, so that all its votes are kept.
fn block_on(parent: &State, count: usize) -> Block {
    let validators = parent.validators.len() as u64;
    let finalized_slot = parent.latest_finalized.slot;
    let attestations: Vec<AggregatedAttestation> = (finalized_slot + 1..parent.slot)
        .rev()
        .filter(|slot| is_justifiable_after(*slot, finalized_slot))
        .take(count)
        .map(|slot| AggregatedAttestation {
            aggregation_bits: AggregationBits::from_indices(
                (0..validators).filter(|index| index % 2 == 0 || index % 8 == 5),
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
    assert_eq!(attestations.len(), count);
    let mut post = parent.clone();
    let slot = parent.slot + 1;
    process_slots(&mut post, slot).expect("later");
    let mut block = Block {
        slot,
        proposer_index: slot % validators,
        parent_root: post.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: BlockBody { attestations: AggregatedAttestations::new(attestations).expect("few") },
    };
    process_block(&mut post, &block).expect("valid");
    assert_ne!(post.justifications_validators, parent.justifications_validators);
    block.state_root = post.tree_hash_root();
    block
}

fn transition(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("import of 8 attestations, 4096 validators");
    for (name, finalized_slot, newest_pending) in [
        ("finalizing", LAST - 64, LAST - 32),
        ("stalled, known targets", 0, LAST),
        ("stalled, new targets", 0, LAST - 8192),
    ] {
        let parent = parent_state(VALIDATORS, LAST, finalized_slot, newest_pending);
        let block = block_on(&parent, 8);
        // A parent's root is known when a block is built on it.
        let _: Root = parent.tree_hash_root();
        group.bench_function(name, |bencher| {
            bencher.iter(|| state_transition(black_box(&parent), black_box(&block)));
        });
    }
    group.finish();
}

/// The time that transitions take with a pause before each.
fn paced_time(count: u64, pause: Duration, parent: &State, block: &Block) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..count {
        sleep(pause);
        let began = Instant::now();
        let post = state_transition(black_box(parent), black_box(block)).expect("valid");
        total += began.elapsed();
        drop(black_box(post));
    }
    total
}

fn paced(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("import of 1 attestation, 20 ms between blocks");
    group.sample_size(20).warm_up_time(Duration::from_secs(1));
    for validators in [4, 256, 4096] {
        let parent = parent_state(validators, 1024, 1016, 1018);
        let block = block_on(&parent, 1);
        let _: Root = parent.tree_hash_root();
        group.bench_function(format!("{validators} validators, any thread"), |bencher| {
            bencher.iter_custom(|count| paced_time(count, PAUSE, &parent, &block));
        });
        let pool = rayon::ThreadPoolBuilder::new().build().expect("threads");
        group.bench_function(format!("{validators} validators, pool"), |bencher| {
            bencher.iter_custom(|count| pool.install(|| paced_time(count, PAUSE, &parent, &block)));
        });
        for (name, pause) in [("node", PAUSE), ("node, without a pause", Duration::ZERO)] {
            group.bench_function(format!("{validators} validators, {name}"), |bencher| {
                bencher.iter_custom(|count| {
                    let run = || {
                        hash_on_this_thread();
                        paced_time(count, pause, &parent, &block)
                    };
                    thread::scope(|scope| scope.spawn(run).join().expect("it does not panic"))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, transition, paced);
criterion_main!(benches);
