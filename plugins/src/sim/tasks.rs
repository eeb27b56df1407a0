//! Tasks that take virtual time.

use std::sync::{Arc, Mutex, PoisonError};

use quintet_components::task::{Job, TaskKind, TaskSpawner};

/// Keeps jobs until the simulation takes them. The simulation decides how long each takes, and runs
/// it at its end.
#[derive(Clone, Default)]
pub(super) struct SimTasks(Arc<Mutex<Vec<(TaskKind, Job)>>>);

impl SimTasks {
    /// Takes the tasks that were spawned since the last call, in order.
    pub(super) fn take(&self) -> Vec<(TaskKind, Job)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TaskSpawner for SimTasks {
    fn spawn(&self, job: Job) {
        self.spawn_kind(TaskKind::Other, job);
    }

    fn spawn_kind(&self, kind: TaskKind, job: Job) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((kind, job));
    }
}
