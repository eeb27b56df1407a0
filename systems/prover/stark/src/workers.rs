//! The threads that prove.

use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// The niceness of the threads, if the system supports it.
pub const NICE: i32 = 10;

static SHARED: OnceLock<Workers> = OnceLock::new();

/// Threads of their own for proofs, so that nothing else waits for one. Clones are the same threads.
#[derive(Clone, Debug)]
pub struct Workers(Arc<ThreadPool>);

impl Workers {
    /// So many threads, at least one. They stand back behind the process' other threads.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("prover-{index}"))
            .start_handler(|_| stand_back())
            .build()?;
        Ok(Self(Arc::new(pool)))
    }

    /// The threads that all systems share which were given none: one fewer than there are cores,
    /// at least one, unless [`share`](Self::share) said otherwise.
    ///
    /// # Panics
    /// If the system has no more threads when they are needed first.
    #[must_use]
    pub fn shared() -> Self {
        let make = || {
            let cores = available_parallelism().map_or(1, usize::from);
            Self::new(cores - 1).expect("the system has a thread left")
        };
        SHARED.get_or_init(make).clone()
    }

    /// Makes these the threads that all systems share which were given none. Returns false if there
    /// are shared ones already; they stay.
    pub fn share(self) -> bool {
        SHARED.set(self).is_ok()
    }

    /// The number of threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs something on the threads and waits for it. Parallel iterators in it are shared among them.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.install(work)
    }
}

/// Lets the calling thread stand back behind others, where the system allows it.
#[cfg(target_os = "linux")]
pub fn stand_back() {
    // It is no fault if the system does not allow it. On Linux this is the thread's own priority.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Lets the calling thread stand back behind others, where the system allows it.
#[cfg(not(target_os = "linux"))]
pub fn stand_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_the_threads_and_they_stand_back() {
        let workers = Workers::new(2).expect("two threads");
        let (threads, name) = workers.run(|| {
            let name = std::thread::current().name().map(str::to_owned);
            (rayon::current_num_threads(), name)
        });
        assert_eq!((workers.threads(), threads), (2, 2));
        assert!(name.is_some_and(|name| name.starts_with("prover-")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn they_stand_back_and_the_caller_does_not() {
        let own = rustix::process::getpriority_process(None);
        let theirs =
            Workers::new(1).expect("a thread").run(|| rustix::process::getpriority_process(None));
        if let (Ok(own), Ok(theirs)) = (own, theirs) {
            assert!(theirs >= own, "{theirs} {own}");
        }
    }
}
