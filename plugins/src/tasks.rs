//! The pool that runs tasks, and the threads of proofs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bevy_app::{App, Plugin};
use bevy_tasks::{AsyncComputeTaskPool, TaskPool, TaskPoolBuilder};
use quintet_components::{
    hashing::hash_on_this_thread,
    task::{Job, TaskSpawner, Tasks},
    waker::NodeWaker,
};

use quintet_prover::stand_back;

use crate::needs::{Need, has_all};

/// Runs jobs on a task pool: the process's `AsyncComputeTaskPool`, or a separate one. A job of the
/// prover gets a thread of its own, which stands back behind the others where the system allows it:
/// it may take seconds, and no check waits for it. The prover's queue limits how many there are.
#[derive(Debug)]
pub struct PoolSpawner(Option<TaskPool>);

impl PoolSpawner {
    /// Uses the process's pool, which gets this many threads unless it exists already.
    pub fn global(threads: usize) -> Self {
        AsyncComputeTaskPool::get_or_init(|| pool(threads));
        Self(None)
    }

    /// Uses a separate pool, which ends with the spawner.
    pub fn own(threads: usize) -> Self {
        Self(Some(pool(threads)))
    }
}

fn pool(threads: usize) -> TaskPool {
    TaskPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name("async-compute".into())
        .on_thread_spawn(hash_on_this_thread)
        .build()
}

impl TaskSpawner for PoolSpawner {
    fn spawn(&self, job: Job) {
        let task = async move { job() };
        match &self.0 {
            Some(pool) => pool.spawn(task).detach(),
            None => AsyncComputeTaskPool::get().spawn(task).detach(),
        }
    }

    fn spawn_proof(&self, job: Job) {
        let job = Arc::new(Mutex::new(Some(job)));
        let take =
            |job: &Mutex<Option<Job>>| job.lock().unwrap_or_else(PoisonError::into_inner).take();
        let work = {
            let job = Arc::clone(&job);
            move || {
                stand_back();
                hash_on_this_thread();
                if let Some(job) = take(&job) {
                    job();
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("proof".into()).spawn(work)
            && let Some(job) = take(&job)
        {
            tracing::warn!(%error, "there is no thread for a proof: it takes one of the task pool");
            self.spawn(job);
        }
    }
}

/// Inserts the spawner, unless a test or a simulator has inserted its own.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`Tasks`] | [`NodeWaker`] | |
#[derive(Debug)]
pub struct TasksPlugin {
    /// The number of threads of the process's `AsyncComputeTaskPool`.
    pub threads: usize,
}

impl Default for TasksPlugin {
    /// All cores, because intervals need little. At least two, so that a long check leaves a thread.
    fn default() -> Self {
        Self { threads: thread::available_parallelism().map_or(2, usize::from).max(2) }
    }
}

impl Plugin for TasksPlugin {
    fn build(&self, app: &mut App) {
        if !app.world().contains_resource::<Tasks>()
            && has_all(app, "TasksPlugin", &[Need::resource::<NodeWaker>("RunnerPlugin")])
        {
            let waker = app.world().resource::<NodeWaker>().clone();
            app.insert_resource(Tasks::new(PoolSpawner::global(self.threads), waker));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::channel, time::Duration};

    use super::*;

    #[test]
    fn a_check_does_not_wait_for_proofs() {
        let (waker, _wakes) = NodeWaker::new();
        let tasks = Tasks::new(PoolSpawner::own(1), waker);
        let (proofs_end, end) = channel::<()>();
        let end = Arc::new(Mutex::new(end));
        // More proofs than the pool has threads; none ends before the check.
        let running: Vec<_> = (0..3)
            .map(|_| {
                let end = Arc::clone(&end);
                let (work, job) = tasks.prepare(move |_| {
                    let name = thread::current().name().map(str::to_owned);
                    let _ended = end.lock().expect("no panic").recv();
                    name
                });
                (work, tasks.run_proof(job))
            })
            .collect();
        let (verdict, came) = channel();
        let _check = tasks.spawn(move |_| verdict.send(()).expect("the test waits"));
        came.recv_timeout(Duration::from_secs(60)).expect("the check does not wait");
        assert!(running.iter().all(|(_, running)| !running.has_ended()));
        drop(proofs_end);
        for (mut work, running) in running {
            while !running.has_ended() {
                thread::yield_now();
            }
            let name = work.take().expect("an outcome").expect("no panic");
            assert_eq!(name.as_deref(), Some("proof"), "it had a thread of its own");
        }
    }
}
