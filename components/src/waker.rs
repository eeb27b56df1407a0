//! Wakes the runner from any thread.

use std::time::Duration;

use bevy_ecs::prelude::Resource;
use crossbeam_channel::{Receiver, Sender, bounded};

/// Asks for one more update. Several wakes become one, and a wake never blocks the caller.
#[derive(Resource, Clone, Debug)]
pub struct NodeWaker(Sender<()>);

/// The runner's end: sleeps until a wake or a deadline.
#[derive(Debug)]
pub struct Wakes(Receiver<()>);

impl NodeWaker {
    /// A waker and the end that it wakes.
    pub fn new() -> (Self, Wakes) {
        let (sender, receiver) = bounded(1);
        (Self(sender), Wakes(receiver))
    }

    /// Wakes the runner. Does nothing if it is awake.
    pub fn wake(&self) {
        let _ = self.0.try_send(());
    }
}

impl Wakes {
    /// Sleeps until a wake, at most this long. Does not tell which of the two it was: the runner
    /// checks for work in both cases.
    pub fn wait(&self, at_most: Duration) {
        let _ = self.0.recv_timeout(at_most);
    }

    /// Takes a pending wake. Returns true if there was one.
    pub fn try_wait(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}
