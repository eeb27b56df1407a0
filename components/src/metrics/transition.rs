//! Metrics of the state transition.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::handles::{Labelled, Registrar, WIDE_SECONDS, WideHistogram};

const PHASE_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0];

/// The amount of work that a transition did, and the time that each of its phases took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransitionTimes {
    /// The number of slots by which the state was advanced.
    pub slots: u64,
    /// The time to advance it.
    pub slots_time: Duration,
    /// The number of attestations in the block.
    pub attestations: u64,
    /// The time to apply them.
    pub attestations_time: Duration,
    /// The time to apply the whole block: header and attestations.
    pub block_time: Duration,
    /// The whole time, including the state's root.
    pub time: Duration,
}

/// Metrics of the state transition.
#[derive(Clone, Debug)]
pub struct TransitionMetrics {
    /// The justified slot of the newest post-state.
    pub justified_slot: Gauge,
    /// The finalized slot of the newest post-state.
    pub finalized_slot: Gauge,
    finalizations: Labelled<1, Counter>,
    seconds: WideHistogram,
    slots: Counter,
    slots_seconds: WideHistogram,
    block_seconds: WideHistogram,
    attestations: Counter,
    attestations_seconds: WideHistogram,
}

const SUCCESS: [(&str, &str); 1] = [("result", "success")];
const ERROR: [(&str, &str); 1] = [("result", "error")];

impl TransitionMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        let mut phase = |name: &str, help: &str| {
            let name = format!("lean_state_transition_{name}_processing_time_seconds");
            r.twins(&name, help, PHASE_SECONDS, WIDE_SECONDS)
        };
        let slots_seconds = phase("slots", "Advancing a state to a block's slot");
        let block_seconds = phase("block", "Applying a block's header and attestations");
        let attestations_seconds = phase("attestations", "Applying a block's attestations");
        Self {
            slots_seconds,
            block_seconds,
            attestations_seconds,
            justified_slot: r
                .gauge("lean_justified_slot", "Justified slot of the newest post-state"),
            finalized_slot: r
                .gauge("lean_finalized_slot", "Finalized slot of the newest post-state"),
            finalizations: r.counters(
                "lean_finalizations_total",
                "Times that a transition finalized, or failed in it",
                [SUCCESS, ERROR],
            ),
            seconds: r.twins(
                "lean_state_transition_time_seconds",
                "A whole transition, including the state's root",
                &[0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0],
                WIDE_SECONDS,
            ),
            slots: r.counter(
                "lean_state_transition_slots_processed_total",
                "Slots by which states were advanced",
            ),
            attestations: r.counter(
                "lean_state_transition_attestations_processed_total",
                "Attestations of blocks applied",
            ),
        }
    }

    /// Notes that a transition succeeded.
    pub fn note(&self, times: &TransitionTimes) {
        self.seconds.observe(times.time.as_secs_f64());
        self.slots.inc_by(times.slots);
        self.slots_seconds.observe(times.slots_time.as_secs_f64());
        self.block_seconds.observe(times.block_time.as_secs_f64());
        self.attestations.inc_by(times.attestations);
        self.attestations_seconds.observe(times.attestations_time.as_secs_f64());
    }

    /// Notes that a transition finalized a checkpoint, or failed to.
    pub fn note_finalization(&self, is_success: bool) {
        let labels = if is_success { SUCCESS } else { ERROR };
        self.finalizations.get_or_create(&labels).inc();
    }
}
