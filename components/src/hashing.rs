//! Hashing trees on one thread.

use std::cell::OnceCell;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Makes the calling thread hash trees by itself from now on.
///
/// Milhouse hashes the halves of a tree with `rayon::join`. Outside a rayon pool, a join wakes a
/// thread of the global pool and waits for it. For a state with few validators that takes several
/// times as long as the hashing. A thread in a pool of its own has no other thread to wake.
///
/// The thread stays in its pool: parallel iterators on it run on this thread only, unless they run
/// in another pool (`ThreadPool::install`). Rayon keeps a few KiB for such a thread until the
/// process ends, so use this for long-lived threads. If the thread is in a pool already, nothing
/// changes.
pub fn hash_on_this_thread() {
    thread_local! {
        static POOL: OnceCell<Option<ThreadPool>> = const { OnceCell::new() };
    }
    POOL.with(|pool| {
        pool.get_or_init(|| {
            // This fails for a thread that is in a pool.
            ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok()
        });
    });
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::hash_on_this_thread;

    #[test]
    fn both_halves_of_a_join_run_on_the_thread() {
        let thread = thread::spawn(|| {
            hash_on_this_thread();
            hash_on_this_thread();
            let me = || thread::current().id();
            for _ in 0..1000 {
                assert_eq!(rayon::join(me, me), (me(), me()));
            }
        });
        thread.join().expect("the assertions hold");
    }

    #[test]
    fn a_thread_of_a_pool_stays_in_it() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads");
        let threads = pool.install(|| {
            hash_on_this_thread();
            rayon::current_num_threads()
        });
        assert_eq!(threads, 2);
    }
}
