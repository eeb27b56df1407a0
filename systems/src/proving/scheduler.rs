//! What waits for the prover and what it works on. No ECS in here but the resource itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bevy_ecs::prelude::*;
use quintet_components::{
    constants::SLOT_DURATION_MS,
    prover::{ProverJob, ProverKind, ProverLimits, ProverStatus, ProverTimes},
    task::{Job, Running},
};
use quintet_prover::CancelToken;

use super::Refused;

/// How long a job may hold its permit after it was asked to stop, in milliseconds: two slots.
pub const STRAGGLER_MS: u64 = 2 * SLOT_DURATION_MS;
/// How long a job may run before it is asked to stop, in milliseconds: sixteen slots, after which
/// nobody gains from any proof.
pub const MAX_RUN_MS: u64 = 16 * SLOT_DURATION_MS;

/// What waits for the prover and what it works on. Systems change it through
/// [`ProverLine`](super::ProverLine).
#[derive(Resource, Default)]
pub struct ProverScheduler {
    queued: BTreeMap<(ProverKind, u64), Queued>,
    running: Vec<Started>,
    asked: u64,
    write_offs: u64,
}

/// A job of the line: its entity, and what is told of it.
pub(super) struct Ticket {
    pub(super) entity: Entity,
    pub(super) job: ProverJob,
    pub(super) times: ProverTimes,
    pub(super) cancel: CancelToken,
    pub(super) report: Report,
}

/// A job that waits. The lock is never contended: it makes the job shareable between threads.
pub(super) struct Queued {
    pub(super) ticket: Ticket,
    pub(super) work: Mutex<Job>,
}

struct Started {
    ticket: Ticket,
    running: Running,
    started_ms: u64,
    /// When it was first seen to be given up.
    given_up_ms: Option<u64>,
    /// True once its permit is lent to another.
    is_written_off: bool,
}

/// How a job says that it ended, beside its outcome, which is its owner's.
pub(super) type Report = Arc<Mutex<Option<ProverStatus>>>;

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
        self.running.iter().filter(|started| started.ticket.cancel.is_cancelled()).count()
    }

    /// Returns true if this job waits for a permit.
    pub fn waits(&self, job: Entity) -> bool {
        self.queued.values().any(|queued| queued.ticket.entity == job)
    }

    /// Takes a number in the order of asking, from 1.
    pub(super) fn next_number(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// Puts a job in line.
    pub(super) fn enqueue(&mut self, queued: Queued) {
        self.queued.insert((queued.ticket.job.kind, queued.ticket.times.number), queued);
    }

    /// Makes room for a job of this kind: in a full line the last one gives way when the new job
    /// goes before it, and is returned.
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

    /// Takes out those that wait and were given up.
    pub(super) fn take_given_up(&mut self) -> Vec<Ticket> {
        let given_up = self.queued.extract_if(.., |_, each| each.ticket.cancel.is_cancelled());
        given_up.map(|(_, queued)| queued.ticket).collect()
    }

    /// Takes out those that have ended, each with how it did.
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

    /// Asks jobs to stop that have run for too long, and writes the permits of those off that were
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
                    "a proof does not stop when asked: it is left behind, and its permit lent anew"
                );
            }
        }
        self.write_offs += (written_off - before) as u64;
    }

    /// Takes the first in line, when there is a permit and memory for it.
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
        let (given_up_ms, is_written_off) = (None, false);
        self.running.push(Started { ticket, running, started_ms, given_up_ms, is_written_off });
    }

    /// Asks every job to stop, and drops those that wait.
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
