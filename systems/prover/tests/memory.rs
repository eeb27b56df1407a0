//! The memory that hostile bytes make the verifiers allocate. One test, so that nothing else
//! allocates.

mod support;

use std::alloc::System;

use quintet_prover::envelope::{MAX_PARTS, MAX_STATEMENTS, Part, Single};
use quintet_prover::{MAX_PROOF_BYTES, ProofSystem};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{World, cases};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes that a call allocates in all, freed or not.
fn allocated(call: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    call();
    region.change().bytes_allocated
}

/// For the words of the refusal.
const WORDS: usize = 1024;
const PARTS: usize = MAX_PARTS * size_of::<Part<'_>>();

#[test]
fn refusals_allocate_within_bounds_and_never_by_a_claimed_length() {
    let world = World::new(3);
    let statement = world.statement(&[0, 1, 2]);
    for case in cases::singles() {
        let spent = allocated(|| drop(world.system.verify_single(&statement, &case.bytes)));
        // The signatures' addresses, the items to check, the parts.
        assert!(spent <= PARTS + WORDS + 3 * 128, "{}: {spent}", case.name);
    }
    let statements = [statement.clone(), world.statement(&[0, 1])];
    let singles = MAX_STATEMENTS * (size_of::<(&[u8], Single<'_>)>() + PARTS);
    for case in cases::multis() {
        let spent = allocated(|| drop(world.system.verify_multi(&statements, &case.bytes)));
        assert!(spent <= singles + WORDS + 5 * 128, "{}: {spent}", case.name);
    }

    // The longest that is read at all, and one byte more.
    let mut longest = world.proof(&[0, 1, 2]);
    longest.resize(MAX_PROOF_BYTES, 0);
    let spent = allocated(|| drop(world.system.verify_single(&statement, &longest)));
    assert!(spent <= PARTS + WORDS, "{spent}");
    longest.push(0);
    let spent = allocated(|| drop(world.system.verify_single(&statement, &longest)));
    assert!(spent <= WORDS, "{spent}");

    // A proof is refused for its size before it is made.
    let large = World::new(4096);
    let all: Vec<_> = (0..4096).collect();
    let many = large.statement(&all);
    let system = quintet_prover::Multisig::with_limit(support::Fake::default(), 1000);
    let cancel = quintet_prover::CancelToken::default();
    let spent = allocated(|| drop(system.aggregate(&many, &[], &[], &cancel)));
    assert_eq!(spent, 0);
}
