//! Tasks: a spawner, handles to poll, and cancellation.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use bevy_ecs::prelude::Resource;
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};
use quintet_prover::CancelToken;

use crate::waker::NodeWaker;

/// The work panicked. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task panicked: {0}")]
pub struct TaskPanic(pub String);

/// Work in progress. Dropping this before taking the outcome asks the work to stop.
#[derive(Debug)]
pub struct Work<T> {
    outcome: Arc<Mutex<Option<Result<T, TaskPanic>>>>,
    cancel: CancelToken,
    is_taken: bool,
}

impl<T> Work<T> {
    /// The outcome, once, when the work has ended.
    pub fn take(&mut self) -> Option<Result<T, TaskPanic>> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.is_taken |= outcome.is_some();
        outcome
    }

    /// Returns true if there will be no outcome, because the job was dropped without being run.
    pub fn is_dropped(&self) -> bool {
        // The count is read first: a job that ends in between has left its outcome.
        let is_alone = Arc::strong_count(&self.outcome) == 1;
        is_alone
            && !self.is_taken
            && self.outcome.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Asks the work to stop. It still ends, and its outcome can still be taken.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The token that tells the work, and the code that runs it, that it is cancelled.
    pub fn token(&self) -> &CancelToken {
        &self.cancel
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        if !self.is_taken {
            self.cancel.cancel();
        }
    }
}

/// A job that [`Tasks::run_proof`] started.
#[derive(Debug, Default)]
pub struct Running(Arc<AtomicBool>);

impl Running {
    /// Returns true if it has ended.
    pub fn has_ended(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The purpose of a task, by which a simulator chooses how long it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskKind {
    /// A batch of single signatures is checked.
    CheckSignatures,
    /// The proof of an aggregate is checked.
    CheckAggregate,
    /// A block's proof is checked, and its transition computed.
    Import,
    /// Blocks from before the anchor are checked.
    CheckHistory,
    /// The node's own validators sign.
    Sign,
    /// The prover works.
    Prove,
    /// Anything else.
    Other,
}

/// A closure that a [`TaskSpawner`] runs.
pub type Job = Box<dyn FnOnce() + Send>;

/// Decides where and when jobs run: on a pool in a node, at chosen virtual times in a simulator.
/// Results may arrive in any order; systems commit them in the order of the requests.
pub trait TaskSpawner: Send + Sync + 'static {
    /// Runs the job, now or later, on any thread, exactly once.
    fn spawn(&self, job: Job);

    /// Runs a job of this kind. By default like any other job.
    fn spawn_kind(&self, _kind: TaskKind, job: Job) {
        self.spawn(job);
    }

    /// Runs a job of the prover. By default like any other job.
    fn spawn_proof(&self, job: Job) {
        self.spawn_kind(TaskKind::Prove, job);
    }
}

/// Runs every job at once on the caller's thread, for replays and for tests without tasks.
#[derive(Clone, Copy, Debug, Default)]
pub struct InlineSpawner;

impl TaskSpawner for InlineSpawner {
    fn spawn(&self, job: Job) {
        job();
    }
}

/// Metrics of tasks.
#[derive(Clone, Debug)]
pub struct TaskMetrics {
    /// Tasks requested. Those that neither ended nor panicked wait or run.
    pub started: Counter,
    /// Tasks that ended, including those that panicked.
    pub ended: Counter,
    /// Tasks that panicked.
    pub panicked: Counter,
    /// The time that they ran, in seconds.
    pub seconds: Histogram,
    /// The time that they waited for a thread, in seconds.
    pub wait_seconds: Histogram,
}

/// The resource through which every task is spawned.
#[derive(Resource, Clone)]
pub struct Tasks {
    spawner: Arc<dyn TaskSpawner>,
    waker: NodeWaker,
    metrics: Option<TaskMetrics>,
}

impl Tasks {
    /// Makes tasks that run on `spawner` and wake the runner through `waker` when they end.
    pub fn new(spawner: impl TaskSpawner, waker: NodeWaker) -> Self {
        Self { spawner: Arc::new(spawner), waker, metrics: None }
    }

    /// Sets the metrics of the tasks.
    pub fn measure(&mut self, metrics: TaskMetrics) {
        self.metrics = Some(metrics);
    }

    /// Starts `work`. If it panics, the panic is its outcome.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> Work<T> {
        self.spawn_kind(TaskKind::Other, work)
    }

    /// Starts `work` of this kind. A panic in it becomes its outcome.
    pub fn spawn_kind<T: Send + 'static>(
        &self,
        kind: TaskKind,
        work: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> Work<T> {
        let (handle, job) = self.prepare_kind(kind, work);
        self.spawner.spawn_kind(kind, job);
        handle
    }

    /// Makes a job of `work` without starting it. [`Tasks::run_proof`] starts it.
    pub fn prepare<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> (Work<T>, Job) {
        self.prepare_kind(TaskKind::Other, work)
    }

    fn prepare_kind<T: Send + 'static>(
        &self,
        kind: TaskKind,
        work: impl FnOnce(&CancelToken) -> T + Send + 'static,
    ) -> (Work<T>, Job) {
        let handle =
            Work { outcome: Arc::default(), cancel: CancelToken::default(), is_taken: false };
        let (outcome, cancel) = (Arc::clone(&handle.outcome), handle.cancel.clone());
        let waker = self.waker.clone();
        let (metrics, asked) = (self.metrics.clone(), Instant::now());
        if let Some(metrics) = &metrics {
            metrics.started.inc();
        }
        let job = Box::new(move || {
            let began = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| work(&cancel)))
                .map_err(|payload| TaskPanic(panic_text(&*payload)));
            if let Some(metrics) = metrics {
                metrics.wait_seconds.observe((began - asked).as_secs_f64());
                metrics.seconds.observe(began.elapsed().as_secs_f64());
                metrics.ended.inc();
                metrics.panicked.inc_by(u64::from(result.is_err()));
            }
            *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            if kind == TaskKind::CheckSignatures {
                waker.wake_soon();
            } else {
                waker.wake();
            }
        });
        (handle, job)
    }

    /// Starts a prepared job of the prover. It runs to its end even if its handle is dropped.
    pub fn run_proof(&self, job: Job) -> Running {
        let running = Running::default();
        let ended = Arc::clone(&running.0);
        let waker = self.waker.clone();
        self.spawner.spawn_proof(Box::new(move || {
            job();
            ended.store(true, Ordering::Release);
            waker.wake();
        }));
        running
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "(no text)".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waker::Wake;

    #[test]
    fn a_panic_is_an_outcome() {
        let (waker, _wakes) = NodeWaker::new();
        let tasks = Tasks::new(InlineSpawner, waker);
        let mut work = tasks.spawn(|_| -> u8 { panic!("bad proof") });
        assert_eq!(work.take(), Some(Err(TaskPanic("bad proof".into()))));
        assert_eq!(work.take(), None, "an outcome is taken once");
    }

    #[test]
    fn dropping_the_handle_cancels_and_ending_wakes() {
        let (waker, wakes) = NodeWaker::new();
        let tasks = Tasks::new(InlineSpawner, waker);
        let mut token = None;
        let seen = Arc::new(Mutex::new(None));
        let work = tasks.spawn({
            let seen = Arc::clone(&seen);
            move |cancel| *seen.lock().expect("not poisoned") = Some(cancel.clone())
        });
        std::mem::swap(&mut token, &mut *seen.lock().expect("not poisoned"));
        let token = token.expect("the job ran");
        assert!(!token.is_cancelled());
        drop(work);
        assert!(token.is_cancelled());
        assert_eq!(wakes.try_wait(), Some(Wake::Now), "the end of a task wakes the runner");
        drop(tasks.spawn_kind(TaskKind::CheckSignatures, |_| ()));
        assert_eq!(wakes.try_wait(), Some(Wake::Soon));
    }
}
