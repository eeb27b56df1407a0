//! Metrics of the store.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::handles::{Registrar, WIDE_SECONDS, set_counter};
use crate::storage::StorageStatus;

/// Metrics of the store.
#[derive(Clone, Debug)]
pub struct StorageMetrics {
    batch_seconds: Histogram,
    blocks: Counter,
    waiting: Gauge,
    dropped: Counter,
    is_degraded: Gauge,
    is_behind: Gauge,
}

impl StorageMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        Self {
            batch_seconds: r.histogram(
                "quintet_storage_batch_seconds",
                "Writing a batch",
                WIDE_SECONDS,
            ),
            blocks: r.counter("quintet_storage_blocks_total", "Blocks written"),
            waiting: r.gauge("quintet_storage_waiting_blocks", "Blocks that wait to be written"),
            dropped: r.counter(
                "quintet_storage_dropped_blocks_total",
                "Blocks not kept because too many waited",
            ),
            is_degraded: r.gauge("quintet_storage_degraded", "1 if nothing can be written"),
            is_behind: r
                .gauge("quintet_storage_behind", "1 if so many blocks wait that none is imported"),
        }
    }

    /// Notes that a batch of this many blocks was written.
    pub fn note_batch(&self, blocks: usize, took: Duration) {
        self.batch_seconds.observe(took.as_secs_f64());
        self.blocks.inc_by(blocks as u64);
    }

    /// Sets the number of waiting blocks, and the number dropped since the node began.
    pub fn set_queue(&self, waiting: usize, dropped: u64) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        set_counter(&self.dropped, dropped);
    }

    /// Copies the status of the store.
    pub fn set_status(&self, status: &StorageStatus) {
        self.is_degraded.set(i64::from(status.fault.is_some()));
        self.is_behind.set(i64::from(status.is_behind));
    }
}
