//! Metrics of aggregation sessions.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::handles::{Labelled, Registrar, WIDE_SECONDS, WideHistogram, set_counter};
use crate::aggregation::{AggregationCounts, CycleSkip, SessionOutcome, SkipReason};

/// Metrics of aggregation sessions.
#[derive(Clone, Debug)]
pub struct AggregationMetrics {
    seconds: WideHistogram,
    cycles_skipped: Labelled<1, Counter>,
    sessions: Labelled<1, Counter>,
    opened_early: Counter,
    jobs: Labelled<1, Counter>,
    attestations_skipped: Labelled<1, Counter>,
    published: Counter,
    split: Counter,
}

/// The outcomes of jobs, as labels of the counter.
const JOBS: [&str; 8] =
    ["prepared", "proved", "late", "unpublished", "superseded", "failed", "cancelled", "stale"];

impl AggregationMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        Self {
            seconds: r.twins(
                "lean_committee_signatures_aggregation_time_seconds",
                "From a session's opening until its last proof",
                &[0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0],
                WIDE_SECONDS,
            ),
            cycles_skipped: r.counters(
                "lean_aggregator_skipped_total",
                "Slots that the node did not aggregate",
                CycleSkip::ALL.map(|reason| [("reason", reason.name())]),
            ),
            sessions: r.counters(
                "quintet_aggregation_sessions_total",
                "Aggregation sessions that ended",
                SessionOutcome::ALL.map(|outcome| [("outcome", outcome.name())]),
            ),
            opened_early: r.counter(
                "quintet_aggregation_sessions_early_total",
                "Aggregation sessions that opened before their interval",
            ),
            jobs: r.counters(
                "quintet_aggregation_jobs_total",
                "Jobs of sessions and of splits, by outcome",
                JOBS.map(|name| [("what", name)]),
            ),
            attestations_skipped: r.counters(
                "quintet_aggregation_attestations_skipped_total",
                "Attestations that got no proof or payload",
                SkipReason::ALL.map(|reason| [("reason", reason.name())]),
            ),
            published: r.counter(
                "quintet_aggregates_published_total",
                "Aggregates that the node published",
            ),
            split: r.counter("quintet_payloads_split_total", "Payloads split from imported blocks"),
        }
    }

    /// Notes that the node did not aggregate in a slot.
    pub fn note_skipped(&self, reason: CycleSkip) {
        self.cycles_skipped.get_or_create(&[("reason", reason.name())]).inc();
    }

    /// Notes that a session ended after this many milliseconds.
    pub fn note_session(&self, outcome: SessionOutcome, took_ms: u64) {
        self.sessions.get_or_create(&[("outcome", outcome.name())]).inc();
        // The duration of an empty or replaced session says nothing.
        if !matches!(outcome, SessionOutcome::Empty | SessionOutcome::Replaced) {
            self.seconds.observe(Duration::from_millis(took_ms).as_secs_f64());
        }
    }

    /// Copies the counts since the node began.
    pub fn set_counts(&self, counts: &AggregationCounts) {
        let jobs = [
            counts.prepared,
            counts.proved,
            counts.late,
            counts.unpublished,
            counts.superseded,
            counts.failed,
            counts.cancelled,
            counts.stale,
        ];
        for (name, count) in JOBS.into_iter().zip(jobs) {
            set_counter(&self.jobs.get_or_create(&[("what", name)]), count);
        }
        for (reason, count) in &counts.skipped {
            let labels = [("reason", reason.name())];
            set_counter(&self.attestations_skipped.get_or_create(&labels), *count);
        }
        set_counter(&self.opened_early, counts.early);
        set_counter(&self.published, counts.published);
        set_counter(&self.split, counts.split);
    }
}
