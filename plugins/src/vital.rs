//! Threads that the node needs.

use std::sync::{Arc, Mutex, PoisonError};

use bevy_ecs::prelude::*;
use quintet_components::waker::NodeWaker;

/// The unexpected end of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadEnded {
    /// Its name.
    pub(crate) name: &'static str,
    /// True if it ended with a panic.
    pub(crate) has_panicked: bool,
}

/// The threads that the node needs. If one of them ends while the node runs, `StopPlugin` ends the
/// node with an error.
#[derive(Resource, Clone, Debug, Default)]
pub(crate) struct VitalThreads(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// The first thread that ended.
    ended: Mutex<Option<ThreadEnded>>,
    waker: Option<NodeWaker>,
}

/// Belongs to a thread. However the thread ends, this is dropped and reports it.
#[derive(Debug)]
pub(crate) struct Vital {
    name: &'static str,
    threads: VitalThreads,
    /// True if the thread could not start its work, and has reported that.
    is_dismissed: bool,
}

impl Vital {
    /// Does not report the end.
    #[cfg(any(feature = "network", test))]
    pub(crate) fn dismiss(mut self) {
        self.is_dismissed = true;
    }
}

impl VitalThreads {
    /// The threads of this world, which are added by the first call.
    pub(crate) fn of(world: &mut World) -> Self {
        if let Some(threads) = world.get_resource::<Self>() {
            return threads.clone();
        }
        let waker = world.get_resource::<NodeWaker>().cloned();
        let threads = Self(Arc::new(Watched { ended: Mutex::default(), waker }));
        world.insert_resource(threads.clone());
        threads
    }

    /// A new `Vital` for a thread with this name.
    pub(crate) fn watch(&self, name: &'static str) -> Vital {
        Vital { name, threads: self.clone(), is_dismissed: false }
    }

    /// The first thread that ended.
    pub(crate) fn ended(&self) -> Option<ThreadEnded> {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        if self.is_dismissed {
            return;
        }
        let watched = &self.threads.0;
        let has_panicked = std::thread::panicking();
        let ended = ThreadEnded { name: self.name, has_panicked };
        watched.ended.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(ended);
        if let Some(waker) = &watched.waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn end_of(thread: impl FnOnce(Vital) + Send + 'static) -> (Option<ThreadEnded>, bool) {
        let mut world = World::new();
        let (waker, wakes) = NodeWaker::new();
        world.insert_resource(waker);
        let vital = VitalThreads::of(&mut world).watch("example");
        let _ = thread::spawn(move || thread(vital)).join();
        (VitalThreads::of(&mut world).ended(), wakes.try_wait().is_some())
    }

    #[test]
    fn the_end_of_a_thread_is_noticed_and_wakes_the_node() {
        let ended = |has_panicked| Some(ThreadEnded { name: "example", has_panicked });
        assert_eq!(end_of(drop), (ended(false), true));
        assert_eq!(end_of(|_vital| panic!("on purpose")), (ended(true), true));
        assert_eq!(end_of(Vital::dismiss), (None, false));
    }
}
