//! The status of the store: whether it can be written.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bevy_ecs::prelude::Resource;

use crate::{metrics::StorageMetrics, waker::NodeWaker};

/// The current status of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageStatus {
    /// The reason nothing can be written: what failed, where, and what to do. The node is then
    /// degraded: it signs nothing, but can still read what is stored.
    pub fault: Option<String>,
    /// True if so many blocks wait to be written that no more should be imported.
    pub is_behind: bool,
    /// Batches written since the node began.
    pub batches: u64,
    /// The time that the slowest batch took since the last call of
    /// [`StorageHealth::take_slowest_ms`], in milliseconds.
    pub slowest_ms: u64,
}

/// The store's status, shared between the writer, the world and the signers. A change wakes the
/// runner.
#[derive(Resource, Clone, Debug, Default)]
pub struct StorageHealth(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    status: StorageStatus,
    waker: Option<NodeWaker>,
    metrics: Option<StorageMetrics>,
}

impl StorageHealth {
    /// Sets the waker that a change wakes.
    pub fn wakes(&self, waker: NodeWaker) {
        self.lock().waker = Some(waker);
    }

    /// Sets the metrics that batches are measured with.
    pub fn measure(&self, metrics: StorageMetrics) {
        self.lock().metrics = Some(metrics);
    }

    /// Notes that a batch of this many blocks was written.
    pub fn note_batch(&self, blocks: usize, took: Duration) {
        let mut shared = self.lock();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        shared.status.batches += 1;
        shared.status.slowest_ms = shared.status.slowest_ms.max(took_ms);
        if let Some(metrics) = &shared.metrics {
            metrics.note_batch(blocks, took);
        }
    }

    /// Notes the number of blocks that wait to be written, and the number dropped since the node
    /// began.
    pub fn note_queue(&self, waiting: usize, dropped: u64) {
        if let Some(metrics) = &self.lock().metrics {
            metrics.set_queue(waiting, dropped);
        }
    }

    /// Returns the time that the slowest batch took since the last call, in milliseconds.
    pub fn take_slowest_ms(&self) -> u64 {
        std::mem::take(&mut self.lock().status.slowest_ms)
    }

    /// The current status.
    pub fn status(&self) -> StorageStatus {
        self.lock().status.clone()
    }

    /// Returns true if signatures can be recorded.
    pub fn can_sign(&self) -> bool {
        self.lock().status.fault.is_none()
    }

    /// Returns true if there is room for more imported blocks.
    pub fn can_import(&self) -> bool {
        !self.lock().status.is_behind
    }

    /// Sets or clears the reason why nothing can be written. Returns the previous one.
    pub fn set_fault(&self, fault: Option<String>) -> Option<String> {
        let mut shared = self.lock();
        let is_new = shared.status.fault.is_some() != fault.is_some();
        let before = std::mem::replace(&mut shared.status.fault, fault);
        shared.wake_if(is_new);
        before
    }

    /// Notes whether too many blocks wait.
    pub fn set_behind(&self, is_behind: bool) {
        let mut shared = self.lock();
        let before = std::mem::replace(&mut shared.status.is_behind, is_behind);
        shared.wake_if(before != is_behind);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn wake_if(&self, changed: bool) {
        if let Some(waker) = self.waker.as_ref().filter(|_| changed) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stops_signing_and_a_backlog_stops_import() {
        let health = StorageHealth::default();
        assert!(health.can_sign() && health.can_import());
        health.set_behind(true);
        assert!(health.can_sign() && !health.can_import());
        health.set_behind(false);
        assert_eq!(health.clone().set_fault(Some("full".into())), None);
        assert!(!health.can_sign() && health.can_import());
        assert_eq!(health.status().fault.as_deref(), Some("full"));
        assert_eq!(health.set_fault(None).as_deref(), Some("full"));
        assert!(health.can_sign());
    }

    #[test]
    fn only_a_change_wakes_the_runner() {
        let (waker, wakes) = NodeWaker::new();
        let health = StorageHealth::default();
        health.wakes(waker);
        health.set_fault(None);
        health.set_behind(false);
        assert_eq!(wakes.try_wait(), None);
        health.set_fault(Some("full".into()));
        assert!(wakes.try_wait().is_some());
        health.set_fault(Some("still full".into()));
        assert_eq!(wakes.try_wait(), None);
    }
}
