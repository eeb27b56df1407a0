//! The prover's waiting and running jobs. Apart from the resource itself it does not use the ECS.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bevy_ecs::prelude::*;
use quintet_components::{
    constants::SLOT_DURATION_MS,
    prover::{ProverJob, ProverKind, ProverLimits, ProverPhase, ProverStatus, ProverTimes},
    task::{Job, Running},
};
use quintet_prover::CancelToken;

use super::Refused;

/// The longest time that a job may keep its permit after it was asked to stop, in milliseconds: two
/// slots.
pub const STRAGGLER_MS: u64 = 2 * SLOT_DURATION_MS;
/// The longest time that a job may run before it is asked to stop, in milliseconds: sixteen slots,
/// after which its proof is of no use.
pub const MAX_RUN_MS: u64 = 16 * SLOT_DURATION_MS;

/// The prover's waiting and running jobs. Systems change it through
/// [`ProverLine`](super::ProverLine).
#[derive(Resource, Default)]
pub struct ProverScheduler {
    queued: BTreeMap<(ProverKind, u64), Queued>,
    running: Vec<Started>,
    asked: u64,
    write_offs: u64,
}

/// The entity of a job, and its data for the timeline.
pub(super) struct Ticket {
    pub(super) entity: Entity,
    pub(super) job: ProverJob,
    pub(super) times: ProverTimes,
    pub(super) cancel: CancelToken,
    pub(super) report: Report,
}

/// A waiting job. The lock is never contended; it allows the job to be shared between threads.
pub(super) struct Queued {
    pub(super) ticket: Ticket,
    pub(super) work: Mutex<Job>,
}

struct Started {
    ticket: Ticket,
    running: Running,
    started_ms: u64,
    /// The time at which it was first seen to be cancelled.
    given_up_ms: Option<u64>,
    /// True once its permit was given to another job.
    is_written_off: bool,
    /// When it was started, by the clock that its phases are timed with.
    began: Instant,
    /// The number of phases that it has reported.
    phases: usize,
}

/// The status with which a job ended. Its outcome goes to its owner.
pub(super) type Report = Arc<Mutex<Option<ProverStatus>>>;

impl ProverScheduler {
    /// The number of waiting jobs.
    pub fn waiting(&self) -> usize {
        self.queued.len()
    }

    /// The number of running jobs.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// The number of running jobs whose permits were written off.
    pub fn written_off(&self) -> usize {
        self.running.iter().filter(|started| started.is_written_off).count()
    }

    /// The number of permits that were written off since the node began.
    pub const fn write_offs(&self) -> u64 {
        self.write_offs
    }

    /// The number of jobs that were asked to stop and still run.
    pub fn stragglers(&self) -> usize {
        self.running.iter().filter(|started| started.ticket.cancel.is_cancelled()).count()
    }

    /// Returns true if this job is waiting for a permit.
    pub fn waits(&self, job: Entity) -> bool {
        self.queued.values().any(|queued| queued.ticket.entity == job)
    }

    /// The next number in the order of the requests, from 1.
    pub(super) fn next_number(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Adds a job to the queue.
    pub(super) fn enqueue(&mut self, queued: Queued) {
        self.queued.insert((queued.ticket.job.kind, queued.ticket.times.number), queued);
    }

    /// Makes room for a job of this kind. If the queue is full and the new job has priority over
    /// the last one, the last one is removed and returned.
    pub(super) fn make_room(
        &mut self,
        kind: ProverKind,
        limit: usize,
    ) -> Result<Option<Ticket>, Refused> {
        let waiting = self.queued.len();
        if waiting < limit {
            return Ok(None);
        }
        match self.queued.last_entry() {
            Some(last) if last.key().0 > kind => Ok(Some(last.remove().ticket)),
            _ => Err(Refused::QueueFull(waiting)),
        }
    }

    /// Removes and returns cancelled jobs that were waiting.
    pub(super) fn take_given_up(&mut self) -> Vec<Ticket> {
        let given_up = self.queued.extract_if(.., |_, each| each.ticket.cancel.is_cancelled());
        given_up.map(|(_, queued)| queued.ticket).collect()
    }

    /// Removes and returns ended jobs, each with its status.
    pub(super) fn take_ended(&mut self) -> Vec<(Ticket, ProverStatus)> {
        let ended = self.running.extract_if(.., |started| started.running.has_ended());
        let tell = |Started { ticket, .. }: Started| {
            let told = ticket.report.lock().unwrap_or_else(PoisonError::into_inner).take();
            let status = match told.unwrap_or(ProverStatus::Panicked) {
                ProverStatus::Proved { .. } if ticket.cancel.is_cancelled() => {
                    ProverStatus::Abandoned
                }
                status => status,
            };
            (ticket, status)
        };
        ended.map(tell).collect()
    }

    /// Returns the phases that jobs reported since the last call, each with the job's entity.
    pub(super) fn take_phases(&mut self) -> Vec<(Entity, Vec<ProverPhase>)> {
        let reported = self.running.iter_mut().filter_map(|started| {
            let phases = started.ticket.cancel.phases_after(started.phases);
            if phases.is_empty() {
                return None;
            }
            started.phases += phases.len();
            let phases = phases.into_iter().map(|(name, at)| {
                let after = at.saturating_duration_since(started.began).as_millis();
                let after = u64::try_from(after).unwrap_or(u64::MAX);
                ProverPhase { name, began_ms: started.started_ms.saturating_add(after) }
            });
            Some((started.ticket.entity, phases.collect()))
        });
        reported.collect()
    }

    /// Asks jobs to stop that have run for too long, and writes off the permits of those that were
    /// asked long ago.
    pub(super) fn write_off(&mut self, now_ms: u64, permits: usize) {
        let mut written_off = self.written_off();
        let before = written_off;
        for started in &mut self.running {
            let cancel = &started.ticket.cancel;
            if now_ms.saturating_sub(started.started_ms) >= MAX_RUN_MS {
                cancel.cancel();
            }
            if !cancel.is_cancelled() {
                continue;
            }
            let since_ms = *started.given_up_ms.get_or_insert(now_ms);
            let is_due = now_ms.saturating_sub(since_ms) >= STRAGGLER_MS;
            if is_due && !started.is_written_off && written_off < permits {
                written_off += 1;
                started.is_written_off = true;
                tracing::warn!(
                    kind = started.ticket.job.kind.name(),
                    memory_bytes = started.ticket.job.memory_bytes,
                    written_off,
                    "a proof does not stop when asked: it is abandoned, and its permit is given to another job"
                );
            }
        }
        self.write_offs += (written_off - before) as u64;
    }

    /// Takes the first waiting job if there is a permit and memory for it.
    pub(super) fn take_next(&mut self, limits: &ProverLimits) -> Option<Queued> {
        let used: usize = self.running.iter().map(|each| each.ticket.job.memory_bytes).sum();
        let lent = self.running.len() - self.written_off();
        let first = self.queued.first_entry()?;
        let ProverJob { kind, memory_bytes, .. } = first.get().ticket.job;
        let permits = limits.permits.max(1) + usize::from(kind == ProverKind::Proposal);
        let fits = lent < permits && used.saturating_add(memory_bytes) <= limits.memory_bytes;
        fits.then(|| first.remove())
    }

    /// Notes that a job has started.
    pub(super) fn note_started(&mut self, ticket: Ticket, running: Running, started_ms: u64) {
        self.running.push(Started {
            ticket,
            running,
            started_ms,
            given_up_ms: None,
            is_written_off: false,
            began: Instant::now(),
            phases: 0,
        });
    }

    /// Asks every running job to stop, and drops those that are waiting.
    pub(super) fn stop(&mut self) {
        for queued in self.queued.values() {
            queued.ticket.cancel.cancel();
        }
        for started in &self.running {
            started.ticket.cancel.cancel();
        }
        self.queued.clear();
    }
}
