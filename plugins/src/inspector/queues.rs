//! The queues of the world and their limits.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

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

use super::{Asked, times::SystemTimes};

/// A queue as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueBody {
    /// The name of what waits in it.
    pub name: &'static str,
    /// The number of entries that wait.
    pub depth: usize,
    /// The number of entries that may wait; null if something else bounds it.
    pub limit: Option<usize>,
    /// The number of entries that were dropped since the node began; null if nothing is dropped, or
    /// nobody counts.
    pub dropped: Option<u64>,
}

/// Seconds of a queue that are remembered.
const KEPT_SECONDS: u64 = 60;

/// The time between two looks at the queues.
const PAUSE: Duration = Duration::from_millis(50);

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
    fn look(&self, world: &World) -> Vec<QueueBody> {
        self.0.iter().filter_map(|look| look(world)).collect()
    }
}

/// The most that waited in each queue, by second. Systems that only read the world write it.
#[derive(Resource, Debug)]
pub(super) struct QueueHistory {
    began: Instant,
    depths: Mutex<HashMap<&'static str, VecDeque<(u64, usize)>>>,
}

impl Default for QueueHistory {
    fn default() -> Self {
        Self { began: Instant::now(), depths: Mutex::default() }
    }
}

impl QueueHistory {
    /// Notes the queues as they stand at a second.
    fn note(&self, queues: &[QueueBody], second: u64) {
        let mut depths = self.depths.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in queues {
            let seconds = depths.entry(queue.name).or_default();
            match seconds.back_mut() {
                Some((at, most)) if *at == second => *most = (*most).max(queue.depth),
                _ => seconds.push_back((second, queue.depth)),
            }
            while seconds.front().is_some_and(|(at, _)| at + KEPT_SECONDS <= second) {
                seconds.pop_front();
            }
        }
    }

    /// The most that waited in each of the last 60 seconds, the oldest first. A second without an
    /// update has what waited before it.
    fn of(&self, name: &str, now: u64) -> Vec<usize> {
        let depths = self.depths.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seconds) = depths.get(name) else { return Vec::new() };
        let mut known = seconds.iter().peekable();
        let mut most = 0;
        (0..KEPT_SECONDS)
            .map(|at| {
                // Counted from 60 seconds before the node's first one.
                let second = (now + 1 + at).checked_sub(KEPT_SECONDS);
                while let Some((_, depth)) = known.next_if(|(at, _)| Some(*at) <= second) {
                    most = *depth;
                }
                most
            })
            .collect()
    }

    fn second(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
}

/// A queue, and how it stood over the last minute.
#[derive(Serialize)]
pub(super) struct QueueWithHistory {
    #[serde(flatten)]
    queue: QueueBody,
    /// The most that waited, by second.
    minute: Vec<usize>,
}

/// The queues as they stand, and as they stood.
pub(super) fn look(world: &World) -> Vec<QueueWithHistory> {
    let history = world.resource::<QueueHistory>();
    let now = history.second();
    let queues = world.resource::<ShownQueues>().look(world);
    let with = |queue: QueueBody| QueueWithHistory { minute: history.of(queue.name, now), queue };
    queues.into_iter().map(with).collect()
}

/// Notes how the queues stand: every [`PAUSE`], and when somebody asks. In every update it would take
/// as long as many systems together.
pub(super) fn note_queues(world: &World, mut noted: Local<Option<Instant>>) {
    let Some(now) = world.resource::<SystemTimes>().begin_of_update() else { return };
    let is_asked = world.resource::<Lane<Asked>>().depth() > 0;
    if !is_asked && noted.is_some_and(|noted| now.duration_since(noted) < PAUSE) {
        return;
    }
    *noted = Some(now);
    let history = world.resource::<QueueHistory>();
    history.note(&world.resource::<ShownQueues>().look(world), history.second());
}

pub(super) fn show_queues(app: &mut App) {
    app.init_resource::<QueueHistory>();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_has_the_most_of_each_second() {
        let history = QueueHistory::default();
        let at = |second, depth| {
            let queue = QueueBody { name: "blocks", depth, limit: None, dropped: None };
            history.note(&[queue], second);
        };
        for (second, depth) in [(0, 9), (40, 3), (40, 7), (40, 5), (70, 2)] {
            at(second, depth);
        }
        let minute = history.of("blocks", 71);
        assert_eq!((minute.len(), minute[0], minute[27], minute[28]), (60, 0, 0, 7));
        assert_eq!((minute[57], minute[58], minute[59]), (7, 2, 2), "seconds 69, 70 and 71");
        assert_eq!(history.of("others", 71), Vec::<usize>::new());
        let young = QueueHistory::default();
        young.note(&[QueueBody { name: "blocks", depth: 4, limit: None, dropped: None }], 0);
        let minute = young.of("blocks", 1);
        assert_eq!((minute.len(), &minute[56..]), (60, &[0, 0, 4, 4][..]));
    }
}
