//! Bounded lanes from other threads into the world.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bevy_ecs::prelude::*;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::waker::NodeWaker;

/// The sending end, used by the network's threads.
#[derive(Debug)]
pub struct LaneSender<T> {
    lane: Sender<T>,
    waker: NodeWaker,
    is_patient: bool,
    dropped: Arc<AtomicU64>,
}

impl<T> Clone for LaneSender<T> {
    fn clone(&self) -> Self {
        Self {
            lane: self.lane.clone(),
            waker: self.waker.clone(),
            is_patient: self.is_patient,
            dropped: Arc::clone(&self.dropped),
        }
    }
}

impl<T> LaneSender<T> {
    /// Makes a lane whose items can wait for others until the runner's lull is over.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { is_patient: true, ..self }
    }

    fn wake(&self) {
        if self.is_patient {
            self.waker.wake_soon();
        } else {
            self.waker.wake();
        }
    }

    /// Passes `item` to the world. If the lane is full, drops and counts it, and returns false.
    /// Never blocks.
    pub fn offer(&self, item: T) -> bool {
        let taken = self.lane.try_send(item).is_ok();
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.wake();
        taken
    }

    /// Returns true if the lane has room for one more item, in addition to `ahead` items that are
    /// certain to be offered before it. If there is no room, one item is counted as dropped, and
    /// the caller need not make it.
    pub fn has_room(&self, ahead: usize) -> bool {
        let capacity = self.lane.capacity().unwrap_or(usize::MAX);
        let has_room = self.lane.len().saturating_add(ahead) < capacity;
        if !has_room {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.wake();
        }
        has_room
    }

    /// The number of waiting items.
    pub fn depth(&self) -> usize {
        self.lane.len()
    }

    /// Passes `item` to the world, for callers that can wait until there is room. Never blocks.
    ///
    /// # Errors
    /// The item, if the lane is full; it is not counted. If the world is gone, the item is dropped.
    pub fn try_offer(&self, item: T) -> Result<(), T> {
        let sent = self.lane.try_send(item);
        self.wake();
        match sent {
            Err(TrySendError::Full(item)) => Err(item),
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}

/// The world's end of a lane for one kind of inbound item.
#[derive(Resource, Debug)]
pub struct Lane<T: Send + 'static> {
    lane: Receiver<T>,
    dropped: Arc<AtomicU64>,
    budget: usize,
}

impl<T: Send + 'static> Lane<T> {
    /// A lane that holds `capacity` items. Each update takes at most `budget` of them.
    pub fn new(capacity: usize, budget: usize, waker: NodeWaker) -> (LaneSender<T>, Self) {
        let (sender, receiver) = bounded(capacity);
        let dropped = Arc::new(AtomicU64::new(0));
        let lane = Self { lane: receiver, dropped: Arc::clone(&dropped), budget };
        (LaneSender { lane: sender, waker, is_patient: false, dropped }, lane)
    }

    /// Takes items up to the budget, oldest first.
    pub fn drain(&self) -> impl Iterator<Item = T> + '_ {
        self.lane.try_iter().take(self.budget)
    }

    /// The number of waiting items.
    pub fn depth(&self) -> usize {
        self.lane.len()
    }

    /// The number of items that an update takes at most.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// The number of items that can wait.
    pub fn capacity(&self) -> usize {
        self.lane.capacity().expect("a lane is bounded")
    }

    /// The number of items that were dropped because the lane was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waker::Wake;

    #[test]
    fn a_full_lane_drops_and_counts_and_a_drain_keeps_to_its_budget() {
        let (waker, wakes) = NodeWaker::new();
        let (sender, lane) = Lane::new(8, 3, waker);
        let taken = (0..20).filter(|item| sender.offer(*item)).count();
        assert_eq!((taken, lane.dropped(), lane.depth(), lane.capacity()), (8, 12, 8, 8));
        assert_eq!((wakes.try_wait(), wakes.try_wait()), (Some(Wake::Now), None), "wakes coalesce");
        assert!(!sender.clone().patient().offer(20));
        assert_eq!((lane.dropped(), wakes.try_wait()), (13, Some(Wake::Soon)));
        assert_eq!(lane.drain().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(lane.depth(), 5);
        assert!(sender.has_room(0) && sender.has_room(2) && !sender.has_room(3));
        assert_eq!(lane.dropped(), 14, "what there is no room for is counted");
    }

    #[test]
    fn whoever_can_wait_gets_the_item_back_and_nothing_is_counted() {
        let (waker, _wakes) = NodeWaker::new();
        let (sender, lane) = Lane::new(1, 1, waker);
        assert_eq!((sender.try_offer(1), sender.try_offer(2), lane.dropped()), (Ok(()), Err(2), 0));
        drop(lane);
        assert_eq!(sender.try_offer(3), Ok(()), "nobody waits for a world that is gone");
    }
}
