//! Whatever grows stays within its documented limit.

use bevy_ecs::prelude::World;
use quintet_components::{
    attestations::AttestationsByData,
    chain::States,
    lane::Lane,
    messages::{AggregateReceived, AttestationReceived, BlockReceived},
    network::PeersById,
    sync::{Orphans, RequestsByRoot, limits},
};
use quintet_systems::{fork_choice::import::ImportQueue, sync::RangeSync};

use super::{Broken, View, broken};

/// Attestations in the pools at most, before they are looked at again: an eighth more than kept.
const MAX_ATTESTATIONS: usize = 4096 + 4096 / 8 + 512;

pub(super) fn look(view: &View<'_>) -> Result<(), Broken> {
    for (what, count, limit) in counts(view.world) {
        if count > limit {
            return broken("over-limit", format!("{count} {what}, the limit is {limit}"));
        }
    }
    Ok(())
}

fn counts(world: &World) -> [(&'static str, usize, usize); 9] {
    let orphans = world.resource::<Orphans>();
    let states = world.resource::<States>();
    [
        ("orphans", orphans.len(), limits::MAX_ORPHANS),
        ("bytes of orphans", orphans.bytes(), limits::MAX_ORPHAN_BYTES),
        ("bytes of batches", world.resource::<RangeSync>().bytes(), limits::MAX_RANGE_BYTES),
        ("requests by root", world.resource::<RequestsByRoot>().len(), limits::MAX_FETCHES),
        ("blocks in the import queue", world.resource::<ImportQueue>().len(), 256),
        ("attestations", world.resource::<AttestationsByData>().len(), MAX_ATTESTATIONS),
        ("states", states.len(), quintet_components::chain::DEFAULT_STATES + 64),
        ("peers", world.resource::<PeersById>().len(), super::super::scenario::MAX_NODES),
        ("items in lanes", in_lanes(world), 256 + 512 + 8192),
    ]
}

fn in_lanes(world: &World) -> usize {
    world.resource::<Lane<BlockReceived>>().depth()
        + world.resource::<Lane<AggregateReceived>>().depth()
        + world.resource::<Lane<AttestationReceived>>().depth()
}
