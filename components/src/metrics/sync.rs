//! Metrics of sync.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::handles::{Labelled, Registrar, set_counter};
use crate::sync::{SyncCounts, SyncState};

/// Metrics of sync.
#[derive(Clone, Debug)]
pub struct SyncMetrics {
    status: Labelled<1, Gauge>,
    requests: Labelled<1, Counter>,
    events: Labelled<1, Counter>,
    /// Blocks that wait for their parent.
    pub orphans: Gauge,
    /// Attestations and aggregates that wait for a block.
    pub waiting_attestations: Gauge,
    /// Open requests.
    pub requests_under_way: Gauge,
}

const REQUESTS: [&str; 6] = ["status", "root", "range", "failed", "answered", "refused"];
const EVENTS: [&str; 18] = [
    "block_received",
    "orphan_held",
    "orphan_released",
    "orphan_dropped",
    "root_given_up",
    "mesh_renewal",
    "vote_held",
    "vote_released",
    "vote_expired",
    "implausible_status",
    "wrong_chain",
    "round",
    "retreat",
    "round_failed",
    "empty_batch",
    "batch_shed",
    "unserved",
    "fault",
];

impl SyncMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        Self {
            status: r.gauges(
                "lean_node_sync_status",
                "The state of sync: 1 for the current state, 0 for the others",
                SyncState::ALL.map(|state| [("status", state.name())]),
            ),
            requests: r.counters(
                "quintet_sync_requests_total",
                "Requests sent by kind, failed requests, and requests of peers",
                REQUESTS.map(|what| [("what", what)]),
            ),
            events: r.counters(
                "quintet_sync_events_total",
                "Events of sync",
                EVENTS.map(|event| [("event", event)]),
            ),
            orphans: r.gauge("quintet_sync_orphans", "Blocks that wait for their parent"),
            waiting_attestations: r
                .gauge("quintet_sync_waiting_attestations", "Attestations that wait for a block"),
            requests_under_way: r.gauge("quintet_sync_requests_under_way", "Open requests"),
        }
    }

    /// Sets the state of sync.
    pub fn set_status(&self, state: SyncState) {
        for each in SyncState::ALL {
            let labels = [("status", each.name())];
            self.status.get_or_create(&labels).set(i64::from(each == state));
        }
    }

    /// Copies the counts of sync since the node began.
    pub fn set_counts(&self, counts: &SyncCounts) {
        let requests = [
            counts.statuses_asked,
            counts.roots_asked,
            counts.batches_asked,
            counts.requests_failed,
            counts.answered,
            counts.refused,
        ];
        for (what, count) in REQUESTS.into_iter().zip(requests) {
            set_counter(&self.requests.get_or_create(&[("what", what)]), count);
        }
        let events = [
            counts.blocks_received,
            counts.orphans_held,
            counts.orphans_released,
            counts.orphans_dropped,
            counts.roots_given_up,
            counts.mesh_renewals,
            counts.attestations_held,
            counts.attestations_released,
            counts.attestations_expired,
            counts.implausible_statuses,
            counts.wrong_chain,
            counts.rounds,
            counts.retreats,
            counts.rounds_failed,
            counts.empty_batches,
            counts.batches_shed,
            counts.unserved,
            counts.faults,
        ];
        for (event, count) in EVENTS.into_iter().zip(events) {
            set_counter(&self.events.get_or_create(&[("event", event)]), count);
        }
    }
}
