//! Metrics of blocks and attestations that the node makes.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

use super::handles::{Labelled, Labels, Registrar, WIDE_SECONDS, WideHistogram};

const BUILDING_SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];

const USEFUL: Labels<1> = [("what", "useful")];
const IDLE: Labels<1> = [("what", "idle")];

/// Metrics of blocks and attestations that the node makes.
#[derive(Clone, Debug)]
pub struct ProductionMetrics {
    payloads: Histogram,
    payload_seconds: WideHistogram,
    left_out: Labelled<1, Counter>,
    building_seconds: WideHistogram,
    success: Counter,
    failures: Counter,
    attestation_seconds: WideHistogram,
    publication_seconds: Histogram,
}

impl ProductionMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        Self {
            payloads: r.histogram(
                "lean_block_aggregated_payloads",
                "Aggregates in a block that the node built",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0],
            ),
            payload_seconds: r.twins(
                "lean_block_building_payload_aggregation_time_seconds",
                "Choosing and joining the aggregates of a block",
                &[0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0],
                WIDE_SECONDS,
            ),
            left_out: r.counters(
                "quintet_block_attestations_left_out_total",
                "Attestations that blocks of the node had no room for",
                [USEFUL, IDLE],
            ),
            building_seconds: r.twins(
                "lean_block_building_time_seconds",
                "Building, signing and proving a block",
                BUILDING_SECONDS,
                WIDE_SECONDS,
            ),
            success: r.counter("lean_block_building_success_total", "Blocks built"),
            failures: r.counter("lean_block_building_failures_total", "Blocks not built"),
            attestation_seconds: r.twins(
                "lean_attestations_production_time_seconds",
                "Choosing and signing the attestations of a slot",
                BUILDING_SECONDS,
                WIDE_SECONDS,
            ),
            publication_seconds: r.histogram(
                "quintet_block_publication_seconds",
                "From the beginning of a slot until the node's own block was published",
                WIDE_SECONDS,
            ),
        }
    }

    /// Notes that the aggregates of a block were chosen and joined.
    pub fn note_payloads(&self, payloads: usize, took: Duration) {
        self.payloads.observe(payloads as f64);
        self.payload_seconds.observe(took.as_secs_f64());
    }

    /// Notes the number of attestations for which a block had no room: those that would have
    /// brought a target nearer to justification, and the others.
    pub fn note_left_out(&self, useful: usize, idle: usize) {
        self.left_out.get_or_create(&USEFUL).inc_by(useful as u64);
        self.left_out.get_or_create(&IDLE).inc_by(idle as u64);
    }

    /// Notes that a block was built, signed and proved.
    pub fn note_block(&self, took: Duration) {
        self.success.inc();
        self.building_seconds.observe(took.as_secs_f64());
    }

    /// Notes that no block was built, or that it was not ready in its slot.
    pub fn note_no_block(&self) {
        self.failures.inc();
    }

    /// Notes that a slot's attestations were made.
    pub fn note_attestations(&self, took: Duration) {
        self.attestation_seconds.observe(took.as_secs_f64());
    }

    /// Notes that an own block was published this many milliseconds into its slot.
    pub fn note_publication(&self, into_slot_ms: u64) {
        self.publication_seconds.observe(Duration::from_millis(into_slot_ms).as_secs_f64());
    }
}
