//! The pool that runs tasks.

use bevy_app::{App, Plugin};
use bevy_tasks::{AsyncComputeTaskPool, TaskPool, TaskPoolBuilder};
use quintet_components::{
    hashing::hash_on_this_thread,
    task::{Job, TaskSpawner, Tasks},
    waker::NodeWaker,
};

use crate::needs::{Need, has_all};

/// Runs jobs on a task pool: the process's `AsyncComputeTaskPool`, or a separate one.
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
    /// All cores, because intervals need little and proofs need everything. At least two, so that a
    /// proof leaves a thread for the checks that blocks wait for.
    fn default() -> Self {
        Self { threads: std::thread::available_parallelism().map_or(2, usize::from).max(2) }
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
