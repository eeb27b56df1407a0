//! The role through which systems ask for proofs.

use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    clock::UnixTime,
    prover::{ProofAbandoned, ProverJob, ProverLimits, ProverPhases, ProverStatus, ProverTimes},
    task::{Tasks, Work},
};
use quintet_prover::CancelToken;

use super::{
    Refused,
    scheduler::{ProverScheduler, Queued, Report, Ticket},
};

/// The prover's queue: accepts jobs, starts them when they may run, and keeps the timeline. Changes
/// of a job on the timeline are visible when the system's commands are applied.
#[derive(SystemParam)]
pub struct ProverLine<'w, 's> {
    timeline: Commands<'w, 's>,
    scheduler: ResMut<'w, ProverScheduler>,
    limits: Res<'w, ProverLimits>,
    tasks: Res<'w, Tasks>,
    time: Res<'w, UnixTime>,
    abandoned: MessageWriter<'w, ProofAbandoned>,
}

/// Returns true if a job waits or runs.
pub fn has_jobs(scheduler: Res<ProverScheduler>) -> bool {
    scheduler.waiting() + scheduler.running() > 0
}

/// Gives free permits to waiting jobs.
pub fn run_prover(mut line: ProverLine) {
    line.run();
}

impl ProverLine<'_, '_> {
    /// Queues a job and starts jobs that may run. `summarize` tells the timeline how the job ended.
    /// Returns the job's entity on the timeline and its handle. Dropping the handle cancels the
    /// job.
    ///
    /// # Errors
    /// [`Refused`]; nothing was queued then.
    pub fn submit<T: Send + 'static>(
        &mut self,
        job: ProverJob,
        summarize: fn(&T) -> ProverStatus,
        work: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> Result<(Entity, Work<T>), Refused> {
        let (needs, budget) = (job.memory_bytes, self.limits.memory_bytes);
        if needs > budget {
            return Err(Refused::TooLarge { needs, budget });
        }
        if let Some(last) = self.scheduler.make_room(job.kind, self.limits.queue)? {
            self.tell(&last, ProverStatus::Cancelled);
        }
        let report = Report::default();
        let told = Arc::clone(&report);
        let (handle, prepared) = self.tasks.prepare(move |cancel| {
            let outcome = work(cancel);
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(summarize(&outcome));
            outcome
        });
        let (number, queued_ms) = (self.scheduler.next_number(), self.time.now_ms);
        let times = ProverTimes { number, queued_ms, ..Default::default() };
        let entity = self.timeline.spawn((job, times)).id();
        let ticket = Ticket { entity, job, times, cancel: handle.token().clone(), report };
        self.scheduler.enqueue(Queued { ticket, work: Mutex::new(prepared) });
        self.run();
        Ok((entity, handle))
    }

    /// Notes ended jobs and the phases of running ones, and gives free permits to waiting jobs.
    pub fn run(&mut self) {
        loop {
            self.note_phases();
            self.note_ended();
            self.scheduler.write_off(self.time.now_ms, self.limits.permits.max(1));
            if !self.start_next() {
                return;
            }
        }
    }

    fn note_phases(&mut self) {
        for (job, phases) in self.scheduler.take_phases() {
            self.timeline.entity(job).queue_silenced(|mut job: EntityWorldMut<'_>| {
                if let Some(mut known) = job.get_mut::<ProverPhases>() {
                    known.0.extend(phases);
                }
            });
        }
    }

    /// Returns true if this job is waiting for a permit.
    pub fn waits(&self, job: Entity) -> bool {
        self.scheduler.waits(job)
    }

    /// The number of running jobs.
    pub fn running(&self) -> usize {
        self.scheduler.running()
    }

    /// The number of jobs that were asked to stop and still run.
    pub fn stragglers(&self) -> usize {
        self.scheduler.stragglers()
    }

    /// Asks every job to stop, waiting or running.
    pub fn stop(&mut self) {
        self.scheduler.stop();
    }

    fn note_ended(&mut self) {
        for ticket in self.scheduler.take_given_up() {
            self.tell(&ticket, ProverStatus::Cancelled);
        }
        for (mut ticket, status) in self.scheduler.take_ended() {
            ticket.times.finished_ms = Some(self.time.now_ms);
            if status == ProverStatus::Abandoned {
                let ProverJob { kind, slot, .. } = ticket.job;
                self.abandoned.write(ProofAbandoned { kind, slot });
            }
            self.tell(&ticket, status);
        }
    }

    /// Starts the first waiting job if there is a permit and memory for it. Returns true if it did.
    fn start_next(&mut self) -> bool {
        let Some(Queued { mut ticket, work }) = self.scheduler.take_next(&self.limits) else {
            return false;
        };
        let work = work.into_inner().unwrap_or_else(PoisonError::into_inner);
        let running = self.tasks.run_proof(work);
        ticket.times.started_ms = Some(self.time.now_ms);
        self.tell(&ticket, ProverStatus::Running);
        self.scheduler.note_started(ticket, running, self.time.now_ms);
        true
    }

    /// Updates a job on the timeline.
    fn tell(&mut self, ticket: &Ticket, status: ProverStatus) {
        self.timeline.entity(ticket.entity).try_insert((ticket.times, status));
    }
}
