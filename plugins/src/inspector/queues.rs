//! What waits in the world, and how much may.

use bevy_app::App;
use bevy_ecs::{archetype::Archetype, prelude::*};
use quintet_components::{
    lane::Lane,
    messages::{AggregateReceived, AttestationReceived, BlockReceived},
    network::{PeerEvent, RequestEvent, RequestReceived},
    prover::ProverStatus,
    sync::{Orphans, RequestsById, SyncCounts, WaitingAttestations, limits},
};
use serde::Serialize;

use super::Asked;

/// A queue as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueBody {
    /// What waits in it.
    pub name: &'static str,
    /// How much waits.
    pub depth: usize,
    /// How much may; null where something else bounds it.
    pub limit: Option<usize>,
    /// What did not fit since the node began; null where nothing is dropped, or nobody counts.
    pub dropped: Option<u64>,
}

/// Looks at one queue, if the node has it.
type Look = fn(&World) -> Option<QueueBody>;

/// The queues that are shown, in this order.
#[derive(Resource, Debug, Default)]
pub struct ShownQueues(Vec<Look>);

impl ShownQueues {
    /// Shows one more.
    pub fn add(&mut self, look: Look) -> &mut Self {
        self.0.push(look);
        self
    }

    /// Every queue that the node has.
    pub(super) fn look(&self, world: &World) -> Vec<QueueBody> {
        self.0.iter().filter_map(|look| look(world)).collect()
    }
}

pub(super) fn show_queues(app: &mut App) {
    app.world_mut()
        .get_resource_or_init::<ShownQueues>()
        .add(|world| lane::<BlockReceived>(world, "blocks"))
        .add(|world| lane::<AggregateReceived>(world, "aggregates"))
        .add(|world| lane::<AttestationReceived>(world, "attestations"))
        .add(|world| lane::<PeerEvent>(world, "connections"))
        .add(|world| lane::<RequestEvent>(world, "answers to requests"))
        .add(|world| lane::<RequestReceived>(world, "requests of peers"))
        .add(|world| lane::<Asked>(world, "questions of the inspector"))
        .add(orphans)
        .add(waiting_attestations)
        .add(requests)
        .add(prover);
}

fn lane<T: Send + 'static>(world: &World, name: &'static str) -> Option<QueueBody> {
    let lane = world.get_resource::<Lane<T>>()?;
    let (limit, dropped) = (Some(lane.capacity()), Some(lane.dropped()));
    Some(QueueBody { name, depth: lane.depth(), limit, dropped })
}

fn orphans(world: &World) -> Option<QueueBody> {
    let depth = world.get_resource::<Orphans>()?.len();
    let dropped = world.get_resource::<SyncCounts>().map(|counts| counts.orphans_dropped);
    let (name, limit) = ("blocks without a parent", Some(limits::MAX_ORPHANS));
    Some(QueueBody { name, depth, limit, dropped })
}

fn waiting_attestations(world: &World) -> Option<QueueBody> {
    let depth = world.get_resource::<WaitingAttestations>()?.len();
    let limit = Some(limits::MAX_WAITING_VOTES + limits::MAX_WAITING_AGGREGATES);
    Some(QueueBody { name: "votes that wait for a block", depth, limit, dropped: None })
}

fn requests(world: &World) -> Option<QueueBody> {
    let depth = world.get_resource::<RequestsById>()?.len();
    Some(QueueBody { name: "own requests under way", depth, limit: None, dropped: None })
}

fn prover(world: &World) -> Option<QueueBody> {
    let id = world.component_id::<ProverStatus>()?;
    let with = world.archetypes().iter().filter(|archetype| archetype.contains(id));
    let jobs = with.flat_map(Archetype::entities);
    let status = |entity: Entity| world.entity(entity).get::<ProverStatus>();
    let waiting = jobs.filter(|job| status(job.id()) == Some(&ProverStatus::Queued));
    let depth = waiting.count();
    Some(QueueBody { name: "proofs in line", depth, limit: None, dropped: None })
}
