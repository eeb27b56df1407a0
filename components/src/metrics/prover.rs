//! Metrics of the prover's queue and timeline.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::handles::{Labelled, Registrar, Times};
use crate::prover::{ProverKind, ProverStatus, ProverTimes};

/// Metrics of the prover's queue and timeline.
#[derive(Clone, Debug)]
pub struct ProverMetrics {
    queued: Labelled<1, Gauge>,
    running: Labelled<1, Gauge>,
    jobs: Labelled<2, Counter>,
    wait_seconds: Times<1>,
    run_seconds: Times<1>,
}

const STATUSES: [&str; 5] = ["proved", "failed", "cancelled", "abandoned", "panicked"];

fn kind_label(kind: ProverKind) -> [(&'static str, &'static str); 1] {
    [("kind", kind.name())]
}

impl ProverMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        let kinds = ProverKind::ALL.map(kind_label);
        let jobs = ProverKind::ALL
            .into_iter()
            .flat_map(|kind| STATUSES.map(|status| [("kind", kind.name()), ("status", status)]));
        Self {
            queued: r.gauges("quintet_prover_queued", "Jobs that wait for the prover", kinds),
            running: r.gauges("quintet_prover_running", "Jobs that hold a permit", kinds),
            jobs: r.counters("quintet_prover_jobs_total", "Jobs that ended", jobs),
            wait_seconds: r.times(
                "quintet_prover_wait_seconds",
                "From the request for a proof until the job began",
                kinds,
            ),
            run_seconds: r.times(
                "quintet_prover_run_seconds",
                "From the start of a job until the node noticed its end",
                kinds,
            ),
        }
    }

    /// Sets the numbers of waiting and running jobs of a kind.
    pub fn set_load(&self, kind: ProverKind, queued: i64, running: i64) {
        self.queued.get_or_create(&kind_label(kind)).set(queued);
        self.running.get_or_create(&kind_label(kind)).set(running);
    }

    /// Notes that a job ended.
    pub fn note_end(&self, kind: ProverKind, times: &ProverTimes, status: &ProverStatus) {
        let status = match status {
            ProverStatus::Queued | ProverStatus::Running => return,
            ProverStatus::Proved { .. } => "proved",
            ProverStatus::Failed(_) => "failed",
            ProverStatus::Cancelled => "cancelled",
            ProverStatus::Abandoned => "abandoned",
            ProverStatus::Panicked => "panicked",
        };
        self.jobs.get_or_create(&[("kind", kind.name()), ("status", status)]).inc();
        let Some(started_ms) = times.started_ms else { return };
        let seconds = |from_ms: u64, to_ms: u64| {
            Duration::from_millis(to_ms.saturating_sub(from_ms)).as_secs_f64()
        };
        let label = kind_label(kind);
        self.wait_seconds.get_or_create(&label).observe(seconds(times.queued_ms, started_ms));
        if let Some(finished_ms) = times.finished_ms {
            self.run_seconds.get_or_create(&label).observe(seconds(started_ms, finished_ms));
        }
    }
}
