//! The one scheduler of the prover: proposals before aggregation before re-aggregation, permits
//! and a memory budget, and a timeline of every job.
//!
//! A job waits in line until it gets a permit; the line is served by kind, then in the order of
//! asking, and nothing overtakes a job that waits for memory. A proposal may run beside as many jobs
//! as there are permits. Work that has begun is not interrupted for work that goes first: it is asked
//! to stop when its owner gives it up or it has run for [`MAX_RUN_MS`], and holds its permit until it
//! does, for [`STRAGGLER_MS`] at most. Then its permit is written off and lent anew, while the memory
//! that it holds stays counted. As many permits may be written off at a time as there are; a job that
//! ends after all gives its own back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationHistory,
    clock::{CurrentInterval, UnixTime},
    constants::SLOT_DURATION_MS,
    containers::Slot,
    prover::{
        ProverJob, ProverKind, ProverLimits, ProverStatus, ProverTimes, TIMELINE_JOBS,
        TIMELINE_SLOTS,
    },
    task::{CancelToken, Job, Running, Tasks, Work},
};

/// How long a job may hold its permit after it was asked to stop, in milliseconds: two slots.
pub const STRAGGLER_MS: u64 = 2 * SLOT_DURATION_MS;
/// How long a job may run before it is asked to stop, in milliseconds: sixteen slots, after which
/// nobody gains from any proof.
pub const MAX_RUN_MS: u64 = 16 * SLOT_DURATION_MS;

/// What waits for the prover and what it works on.
#[derive(Resource, Default)]
pub struct ProverScheduler {
    queued: BTreeMap<(ProverKind, u64), Queued>,
    running: Vec<Started>,
    asked: u64,
    write_offs: u64,
}

struct Queued {
    entity: Entity,
    job: Mutex<Job>,
    cancel: CancelToken,
    memory_bytes: usize,
    report: Report,
}

struct Started {
    entity: Entity,
    kind: ProverKind,
    running: Running,
    cancel: CancelToken,
    memory_bytes: usize,
    report: Report,
    started_ms: u64,
    /// When it was first seen to be given up.
    given_up_ms: Option<u64>,
    /// Whether its permit is lent to another.
    is_written_off: bool,
}

/// How a job says that it ended, beside its outcome, which is its owner's.
type Report = Arc<Mutex<Option<ProverStatus>>>;

impl ProverScheduler {
    /// How many jobs wait.
    pub fn waiting(&self) -> usize {
        self.queued.len()
    }

    /// How many jobs run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How many jobs run whose permits are written off.
    pub fn written_off(&self) -> usize {
        self.running.iter().filter(|started| started.is_written_off).count()
    }

    /// How often a permit was written off since the node began.
    pub const fn write_offs(&self) -> u64 {
        self.write_offs
    }

    /// How many jobs run although they were asked to stop.
    pub fn stragglers(&self) -> usize {
        self.running.iter().filter(|started| started.cancel.is_cancelled()).count()
    }
}

/// Why a job was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The line is full of jobs that go first, or as soon.
    #[error("the prover's queue is full: {0} jobs wait")]
    QueueFull(usize),
    /// It needs more memory than all jobs together may.
    #[error("the job needs {needs} bytes, the prover's budget is {budget}")]
    TooLarge {
        /// What it needs.
        needs: usize,
        /// What there is.
        budget: usize,
    },
}

/// Queues a job and starts what may start. `summarize` tells the timeline how the job ended.
/// Dropping the handle gives the job up.
///
/// # Errors
/// [`Refused`]; nothing was queued then.
pub fn submit<T: Send + 'static>(
    world: &mut World,
    job: ProverJob,
    summarize: fn(&T) -> ProverStatus,
    work: impl FnOnce(&CancelToken) -> T + Send + 'static,
) -> Result<(Entity, Work<T>), Refused> {
    let limits = *world.resource::<ProverLimits>();
    if job.memory_bytes > limits.memory_bytes {
        let (needs, budget) = (job.memory_bytes, limits.memory_bytes);
        return Err(Refused::TooLarge { needs, budget });
    }
    let now_ms = world.resource::<UnixTime>().now_ms;
    make_room(world, job.kind, limits.queue)?;

    let report = Report::default();
    let told = Arc::clone(&report);
    let (work, prepared) = world.resource::<Tasks>().prepare(move |cancel| {
        let outcome = work(cancel);
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(summarize(&outcome));
        outcome
    });
    let mut scheduler = world.resource_mut::<ProverScheduler>();
    scheduler.asked += 1;
    let number = scheduler.asked;
    let times = ProverTimes { number, queued_ms: now_ms, ..Default::default() };
    let entity = world.spawn((job, times)).id();
    let queued = Queued {
        entity,
        job: Mutex::new(prepared),
        cancel: work.token().clone(),
        memory_bytes: job.memory_bytes,
        report,
    };
    world.resource_mut::<ProverScheduler>().queued.insert((job.kind, number), queued);
    run_prover(world);
    Ok((entity, work))
}

/// Takes the last in line out of a full queue when the new job goes before it.
fn make_room(world: &mut World, kind: ProverKind, limit: usize) -> Result<(), Refused> {
    let mut scheduler = world.resource_mut::<ProverScheduler>();
    let waiting = scheduler.queued.len();
    if waiting < limit {
        return Ok(());
    }
    match scheduler.queued.last_entry() {
        Some(last) if last.key().0 > kind => {
            let last = last.remove();
            set_status(world, last.entity, ProverStatus::Cancelled);
            Ok(())
        }
        _ => Err(Refused::QueueFull(waiting)),
    }
}

/// Notes what has ended, and hands free permits to those in line.
pub fn run_prover(world: &mut World) {
    loop {
        note_ended(world);
        write_off(world);
        if !start_next(world) {
            return;
        }
    }
}

/// Asks jobs to stop that have run for too long, and writes the permits of those off that have been
/// asked long ago.
fn write_off(world: &mut World) {
    let now_ms = world.resource::<UnixTime>().now_ms;
    let permits = world.resource::<ProverLimits>().permits.max(1);
    let mut scheduler = world.resource_mut::<ProverScheduler>();
    let mut written_off = scheduler.written_off();
    let before = written_off;
    for started in &mut scheduler.running {
        if now_ms.saturating_sub(started.started_ms) >= MAX_RUN_MS {
            started.cancel.cancel();
        }
        if !started.cancel.is_cancelled() {
            continue;
        }
        let since_ms = *started.given_up_ms.get_or_insert(now_ms);
        let is_due = now_ms.saturating_sub(since_ms) >= STRAGGLER_MS;
        if is_due && !started.is_written_off && written_off < permits {
            written_off += 1;
            started.is_written_off = true;
            tracing::warn!(
                kind = ?started.kind,
                memory_bytes = started.memory_bytes,
                written_off,
                "a proof does not stop when asked: it is left behind, and its permit lent anew"
            );
        }
    }
    scheduler.write_offs += (written_off - before) as u64;
}

fn note_ended(world: &mut World) {
    let now_ms = world.resource::<UnixTime>().now_ms;
    let mut scheduler = world.resource_mut::<ProverScheduler>();
    let given_up: Vec<(ProverKind, u64)> = scheduler
        .queued
        .iter()
        .filter(|(_, queued)| queued.cancel.is_cancelled())
        .map(|(place, _)| *place)
        .collect();
    let given_up: Vec<Entity> = given_up
        .iter()
        .filter_map(|place| scheduler.queued.remove(place))
        .map(|queued| queued.entity)
        .collect();
    let ended: Vec<Started> =
        scheduler.running.extract_if(.., |started| started.running.has_ended()).collect();
    for entity in given_up {
        set_status(world, entity, ProverStatus::Cancelled);
    }
    for Started { entity, cancel, report, .. } in ended {
        let told = report.lock().unwrap_or_else(PoisonError::into_inner).take();
        let status = match told.unwrap_or(ProverStatus::Panicked) {
            ProverStatus::Proved { .. } if cancel.is_cancelled() => ProverStatus::Abandoned,
            status => status,
        };
        if status == ProverStatus::Abandoned {
            count_stale(world, entity);
        }
        if let Some(mut times) = world.get_mut::<ProverTimes>(entity) {
            times.finished_ms = Some(now_ms);
        }
        set_status(world, entity, status);
    }
}

/// A proof that nobody waits for is seen here and nowhere else.
fn count_stale(world: &mut World, entity: Entity) {
    if let Some(ProverJob { kind: ProverKind::Aggregation, slot, .. }) =
        world.get::<ProverJob>(entity).copied()
    {
        world.resource_mut::<AggregationHistory>().count(slot, |counts| counts.stale += 1);
    }
}

/// Starts the first in line, when there is a permit and memory for it. Whether it did.
fn start_next(world: &mut World) -> bool {
    let limits = *world.resource::<ProverLimits>();
    let now_ms = world.resource::<UnixTime>().now_ms;
    let mut scheduler = world.resource_mut::<ProverScheduler>();
    let used: usize = scheduler.running.iter().map(|started| started.memory_bytes).sum();
    let lent = scheduler.running.len() - scheduler.written_off();
    let permits = limits.permits.max(1);
    match scheduler.queued.first_entry() {
        Some(first)
            if lent < permits + usize::from(first.key().0 == ProverKind::Proposal)
                && used.saturating_add(first.get().memory_bytes) <= limits.memory_bytes =>
        {
            let kind = first.key().0;
            let Queued { entity, job, cancel, memory_bytes, report } = first.remove();
            let job = job.into_inner().unwrap_or_else(PoisonError::into_inner);
            let running = world.resource::<Tasks>().run_proof(job);
            let started = Started {
                entity,
                kind,
                running,
                cancel,
                memory_bytes,
                report,
                started_ms: now_ms,
                given_up_ms: None,
                is_written_off: false,
            };
            world.resource_mut::<ProverScheduler>().running.push(started);
            if let Some(mut times) = world.get_mut::<ProverTimes>(entity) {
                times.started_ms = Some(now_ms);
            }
            set_status(world, entity, ProverStatus::Running);
            true
        }
        _ => false,
    }
}

fn set_status(world: &mut World, entity: Entity, status: ProverStatus) {
    if let Some(mut current) = world.get_mut::<ProverStatus>(entity) {
        *current = status;
    }
}

/// Forgets ended jobs of more than [`TIMELINE_SLOTS`] ago, and the oldest beyond
/// [`TIMELINE_JOBS`].
pub fn prune_timeline(world: &mut World, mut pruned: Local<Slot>) {
    let slot = world.resource::<CurrentInterval>().slot();
    let mut jobs = world.query::<(Entity, &ProverJob, &ProverStatus)>();
    let count = jobs.iter(world).len();
    if slot == *pruned && count <= TIMELINE_JOBS {
        return;
    }
    *pruned = slot;
    let mut ended: Vec<(Slot, Entity)> = jobs
        .iter(world)
        .filter(|(_, _, status)| status.has_ended())
        .map(|(entity, job, _)| (job.slot, entity))
        .collect();
    ended.sort_unstable();
    let excess = count.saturating_sub(TIMELINE_JOBS);
    for (index, (job_slot, entity)) in ended.into_iter().enumerate() {
        if index >= excess && job_slot.saturating_add(TIMELINE_SLOTS) >= slot {
            break;
        }
        world.despawn(entity);
    }
}

/// Gives up every job, waiting or running.
pub fn stop_prover(world: &mut World) {
    let mut scheduler = world.resource_mut::<ProverScheduler>();
    for queued in scheduler.queued.values() {
        queued.cancel.cancel();
    }
    for started in &scheduler.running {
        started.cancel.cancel();
    }
    scheduler.queued.clear();
}
