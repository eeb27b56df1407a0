//! Metrics of sessions, and of the prover's timeline.

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::{AggregationHistory, SessionEnded},
    metrics::Metrics,
    prover::{ProverJob, ProverKind, ProverStatus, ProverTimes},
};

/// Counts ended sessions, and copies the counts of aggregation.
pub(super) fn count_sessions(
    metrics: Res<Metrics>,
    mut ended: MessageReader<SessionEnded>,
    history: Option<Res<AggregationHistory>>,
) {
    for session in ended.read() {
        let took_ms = session.ended_ms.saturating_sub(session.opened_ms);
        metrics.aggregation.note_session(session.outcome, took_ms);
    }
    if let Some(history) = history.filter(DetectChanges::is_changed) {
        metrics.aggregation.set_counts(&history.total);
    }
}

/// Counts jobs that wait, run, and have ended since the last call.
pub(super) fn follow_prover(
    metrics: Res<Metrics>,
    changed: Query<(&ProverJob, &ProverTimes, &ProverStatus), Changed<ProverStatus>>,
    jobs: Query<(&ProverJob, &ProverStatus)>,
) {
    if changed.is_empty() {
        return;
    }
    for (job, times, status) in &changed {
        metrics.prover.note_end(job.kind, times, status);
    }
    for kind in ProverKind::ALL {
        let of_kind = || jobs.iter().filter(|(job, _)| job.kind == kind);
        let queued = of_kind().filter(|(_, status)| **status == ProverStatus::Queued).count();
        let running = of_kind().filter(|(_, status)| **status == ProverStatus::Running).count();
        metrics.prover.set_load(kind, super::chain::gauge(queued), super::chain::gauge(running));
    }
}
