//! Checks that everything that grows stays within its documented limit.

use bevy_ecs::prelude::World;
use quintet_components::{
    attestations::AttestationsByData,
    chain::{DEFAULT_STATES, States},
    duties::{MAX_RECORDS, RecentDuties},
    lane::Lane,
    messages::{AggregateReceived, AttestationReceived, BlockReceived},
    network::PeersById,
    sync::{Orphans, RequestsById, RequestsByRoot, WaitingAttestations, limits},
};
use quintet_systems::{
    admission::{
        aggregates::{AggregateChecks, MAX_PENDING_AGGREGATES},
        attestations::{AttestationChecks, MAX_PENDING_ATTESTATIONS, MAX_TASKS_UNDER_WAY},
    },
    fork_choice::{
        early::{EarlyBlocks, MAX_EARLY_BLOCKS},
        import::{ImportQueue, MAX_PENDING_BLOCKS},
    },
    pool::limits::PoolLimits,
    proving::ProverScheduler,
    sync::{Fetches, RangeSync},
};

use super::{Broken, View, broken};
use crate::{
    sim::scenario::MAX_NODES,
    storage::{MAX_WAITING_BLOCKS, StorageWriter},
};

/// The number of signatures that one task checks.
const BATCH: usize = 64;
/// The number of jobs in the prover's queue.
const PROVER_QUEUE: usize = 256;
/// The number of bytes that all of it may hold together: the sum of the limits that are in bytes.
const MAX_BYTES: usize = (144 + 64 + 64) << 20;

pub(super) fn look(view: &View<'_>) -> Result<(), Broken> {
    for (what, count, limit) in counts(view.world) {
        if count > limit {
            return broken("over-limit", format!("{count} {what}, the limit is {limit}"));
        }
    }
    Ok(())
}

fn counts(world: &World) -> [(&'static str, usize, usize); 20] {
    let orphans = world.resource::<Orphans>();
    let pools = world.resource::<AttestationsByData>();
    let range = world.resource::<RangeSync>();
    let pool_limits = world.resource::<PoolLimits>();
    // Room for items that have arrived since the pools were last reduced.
    let and_new = |limit: usize| limit + limit / 8 + 512;
    [
        ("orphans", orphans.len(), limits::MAX_ORPHANS),
        ("bytes of orphans", orphans.bytes(), limits::MAX_ORPHAN_BYTES),
        ("bytes of batches", range.bytes(), limits::MAX_RANGE_BYTES),
        // The limit is one of requests for blocks. Each peer may be asked for its status besides.
        (
            "requests",
            world.resource::<RequestsById>().len(),
            limits::MAX_REQUESTS + world.resource::<PeersById>().len(),
        ),
        ("requests by root", world.resource::<RequestsByRoot>().len(), limits::MAX_FETCHES),
        ("roots to fetch", world.resource::<Fetches>().len(), limits::MAX_FETCH_ENTRIES),
        ("blocks in the import queue", world.resource::<ImportQueue>().len(), MAX_PENDING_BLOCKS),
        ("early blocks", world.resource::<EarlyBlocks>().len(), MAX_EARLY_BLOCKS),
        (
            "attestations to check",
            world.resource::<AttestationChecks>().len(),
            MAX_PENDING_ATTESTATIONS + BATCH * MAX_TASKS_UNDER_WAY,
        ),
        (
            "aggregates to check",
            world.resource::<AggregateChecks>().len(),
            MAX_PENDING_AGGREGATES + MAX_TASKS_UNDER_WAY,
        ),
        (
            "votes that wait for a block",
            world.resource::<WaitingAttestations>().len(),
            limits::MAX_WAITING_VOTES + limits::MAX_WAITING_AGGREGATES,
        ),
        ("attestations in the pools", pools.len(), and_new(pool_limits.attestations)),
        ("bytes in the pools", pools.bytes(), and_new(pool_limits.bytes)),
        ("states", world.resource::<States>().len(), DEFAULT_STATES + 4),
        ("jobs for the prover", world.resource::<ProverScheduler>().waiting(), PROVER_QUEUE),
        ("duties on record", world.resource::<RecentDuties>().iter().count(), MAX_RECORDS),
        (
            "blocks that wait for the disk",
            world.resource::<StorageWriter>().writer().waiting(),
            MAX_WAITING_BLOCKS,
        ),
        ("peers", world.resource::<PeersById>().len(), MAX_NODES),
        ("items in lanes", in_lanes(world), 256 + 512 + 8192),
        ("bytes in all", orphans.bytes() + range.bytes() + pools.bytes(), MAX_BYTES),
    ]
}

fn in_lanes(world: &World) -> usize {
    world.resource::<Lane<BlockReceived>>().depth()
        + world.resource::<Lane<AggregateReceived>>().depth()
        + world.resource::<Lane<AttestationReceived>>().depth()
}
