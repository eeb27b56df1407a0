//! Metrics of updates, intervals, lanes, tasks and warnings.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::handles::{Labelled, Registrar, Times, WIDE_SECONDS, WideHistogram, set_counter};
use crate::{
    messages::Verdict,
    rejection::RejectionReason,
    schedule::Interval,
    task::TaskMetrics,
    warnings::{WarningCode, Warnings},
};

/// Metrics of updates, intervals, lanes, tasks and warnings.
#[derive(Clone, Debug)]
pub struct RuntimeMetrics {
    tick_seconds: WideHistogram,
    lateness_seconds: Times<1>,
    interval_seconds: Times<1>,
    update_seconds: Histogram,
    lane_depth: Labelled<1, Gauge>,
    lane_dropped: Labelled<1, Counter>,
    /// Metrics of tasks.
    pub tasks: TaskMetrics,
    verdicts: Labelled<1, Counter>,
    refusals: Labelled<1, Counter>,
    warnings: Labelled<1, Gauge>,
}

/// The inbound lanes, by their names in the metrics.
pub const LANES: [&str; 6] =
    ["blocks", "aggregates", "attestations", "peers", "answers", "requests"];

const fn interval_name(interval: Interval) -> &'static str {
    match interval {
        Interval::Propose => "0",
        Interval::Attest => "1",
        Interval::Aggregate => "2",
        Interval::SafeTarget => "3",
        Interval::Accept => "4",
    }
}

fn interval_label(interval: Interval) -> [(&'static str, &'static str); 1] {
    [("interval", interval_name(interval))]
}

impl RuntimeMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        let intervals = Interval::ALL.map(interval_label);
        let lanes = LANES.map(|lane| [("lane", lane)]);
        let verdicts = ["accepted", "ignored", "rejected"].map(|verdict| [("verdict", verdict)]);
        let codes = WarningCode::ALL.map(|code| [("code", code.name())]);
        Self {
            tick_seconds: r.twins(
                "lean_tick_interval_duration_seconds",
                "From the beginning of an interval to the beginning of the next one",
                &[0.4, 0.6, 0.75, 0.8, 0.805, 0.81, 0.815, 0.82, 0.825, 0.85, 0.9, 1.0, 1.2, 1.6],
                WIDE_SECONDS,
            ),
            lateness_seconds: r.times(
                "quintet_interval_lateness_seconds",
                "How far behind its boundary an interval began",
                intervals,
            ),
            interval_seconds: r.times(
                "quintet_interval_run_seconds",
                "Running the systems of an interval",
                intervals,
            ),
            update_seconds: r.histogram("quintet_update_seconds", "One update", WIDE_SECONDS),
            lane_depth: r.gauges("quintet_lane_depth", "Items that wait in a lane", lanes),
            lane_dropped: r.counters(
                "quintet_lane_dropped_total",
                "Items dropped because a lane was full",
                lanes,
            ),
            tasks: TaskMetrics {
                started: r.counter("quintet_tasks_started_total", "Tasks started"),
                ended: r.counter("quintet_tasks_ended_total", "Tasks that ended"),
                panicked: r.counter("quintet_tasks_panicked_total", "Tasks that panicked"),
                seconds: r.histogram(
                    "quintet_task_seconds",
                    "Running a task, without its waiting time",
                    WIDE_SECONDS,
                ),
                wait_seconds: r.histogram(
                    "quintet_task_wait_seconds",
                    "From the request for a task until it ran",
                    WIDE_SECONDS,
                ),
            },
            verdicts: r.counters(
                "quintet_inputs_total",
                "Inbound blocks, attestations and aggregates, by verdict",
                verdicts,
            ),
            refusals: r.counters(
                "quintet_refusals_total",
                "Inbound items refused, by the reason's name",
                RejectionReason::ALL.map(|reason| [("reason", reason.name())]),
            ),
            warnings: r.gauges("quintet_warning", "1 if a warning is active", codes),
        }
    }

    /// Notes that an interval ran: the time since the previous one, if there was one; the time from
    /// its start until it ran; and the time that it took.
    pub fn note_interval(
        &self,
        interval: Interval,
        since_last_ms: Option<u64>,
        late_ms: u64,
        ran: Duration,
    ) {
        let seconds = |ms| Duration::from_millis(ms).as_secs_f64();
        if let Some(since_last_ms) = since_last_ms {
            self.tick_seconds.observe(seconds(since_last_ms));
        }
        let label = interval_label(interval);
        self.lateness_seconds.get_or_create(&label).observe(seconds(late_ms));
        self.interval_seconds.get_or_create(&label).observe(ran.as_secs_f64());
    }

    /// Notes the time that an update took.
    pub fn note_update(&self, took: Duration) {
        self.update_seconds.observe(took.as_secs_f64());
    }

    /// Sets the number of items that wait in a lane of [`LANES`], and the number that it has
    /// dropped since the node began.
    pub fn set_lane(&self, lane: &'static str, depth: usize, dropped: u64) {
        let label = [("lane", lane)];
        self.lane_depth.get_or_create(&label).set(i64::try_from(depth).unwrap_or(i64::MAX));
        set_counter(&self.lane_dropped.get_or_create(&label), dropped);
    }

    /// Notes that an inbound item was judged.
    pub fn note_verdict(&self, verdict: &Verdict) {
        let name = match verdict {
            Verdict::Accepted => "accepted",
            Verdict::Ignored(_) => "ignored",
            Verdict::Rejected(rejection) => {
                let label = [("reason", rejection.reason.name())];
                self.refusals.get_or_create(&label).inc();
                "rejected"
            }
        };
        self.verdicts.get_or_create(&[("verdict", name)]).inc();
    }

    /// Sets the active warnings.
    pub fn set_warnings(&self, warnings: &Warnings) {
        for code in warnings.codes() {
            let label = [("code", code.name())];
            self.warnings.get_or_create(&label).set(i64::from(warnings.get(code).is_some()));
        }
    }
}
