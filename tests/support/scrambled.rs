//! Tasks that end in another order than they were asked for, the same in every run.

use std::sync::{Arc, Mutex};

use quintet_components::task::{Job, TaskSpawner};

/// Keeps jobs until [`ScrambledSpawner::run_one`] picks one of them.
#[derive(Clone)]
pub struct ScrambledSpawner(Arc<Mutex<Waiting>>);

struct Waiting {
    jobs: Vec<Job>,
    random: u64,
}

impl ScrambledSpawner {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Waiting { jobs: Vec::new(), random: seed })))
    }

    /// Runs one of the waiting jobs, if there are any; the newest as likely as the oldest.
    pub fn run_one(&self) {
        let job = {
            let mut waiting = self.0.lock().expect("no job runs under the lock");
            // An LCG's high bits are random enough to pick with.
            waiting.random = waiting.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let count = waiting.jobs.len();
            if count == 0 {
                return;
            }
            let pick = usize::try_from(waiting.random >> 33).expect("31 bits") % count;
            waiting.jobs.swap_remove(pick)
        };
        job();
    }
}

impl TaskSpawner for ScrambledSpawner {
    fn spawn(&self, job: Job) {
        self.0.lock().expect("no job runs under the lock").jobs.push(job);
    }
}
