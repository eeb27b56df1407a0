//! Metrics of signatures and proofs.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

use super::handles::{Registrar, WIDE_SECONDS, WideHistogram};

const SIGNATURE_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0];
const PROOF_SECONDS: &[f64] = &[0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0];

/// Metrics of signatures of single attestations, and of proofs over several.
#[derive(Clone, Debug)]
pub struct SignatureMetrics {
    signed: Counter,
    valid: Counter,
    invalid: Counter,
    signing_seconds: WideHistogram,
    verification_seconds: WideHistogram,
    aggregated: Counter,
    aggregated_attestations: Counter,
    aggregated_valid: Counter,
    aggregated_invalid: Counter,
    building_seconds: WideHistogram,
    aggregated_verification_seconds: WideHistogram,
    block_verification_seconds: Histogram,
}

impl SignatureMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        let mut twins = |name: &str, help: &str, bounds| {
            r.twins(&format!("lean_pq_sig_{name}_time_seconds"), help, bounds, WIDE_SECONDS)
        };
        let signing_seconds = twins(
            "attestation_signing",
            "Signing an attestation, including its record",
            SIGNATURE_SECONDS,
        );
        let verification_seconds = twins(
            "attestation_verification",
            "Verifying a batch of attestations' signatures, divided by their number",
            SIGNATURE_SECONDS,
        );
        let building_seconds =
            twins("aggregated_signatures_building", "Making an aggregate's proof", PROOF_SECONDS);
        let aggregated_verification_seconds = twins(
            "aggregated_signatures_verification",
            "Verifying an aggregate's proof",
            PROOF_SECONDS,
        );
        Self {
            signing_seconds,
            verification_seconds,
            building_seconds,
            aggregated_verification_seconds,
            block_verification_seconds: r.histogram(
                "quintet_block_proof_verification_seconds",
                "Verifying a block's proof",
                WIDE_SECONDS,
            ),
            signed: r.counter("lean_pq_sig_attestation_signatures_total", "Attestations signed"),
            valid: r.counter(
                "lean_pq_sig_attestation_signatures_valid_total",
                "Valid signatures of attestations",
            ),
            invalid: r.counter(
                "lean_pq_sig_attestation_signatures_invalid_total",
                "Invalid signatures of attestations",
            ),
            aggregated: r.counter("lean_pq_sig_aggregated_signatures_total", "Aggregates made"),
            aggregated_attestations: r.counter(
                "lean_pq_sig_attestations_in_aggregated_signatures_total",
                "Attestations in the aggregates made",
            ),
            aggregated_valid: r
                .counter("lean_pq_sig_aggregated_signatures_valid_total", "Valid aggregates"),
            aggregated_invalid: r
                .counter("lean_pq_sig_aggregated_signatures_invalid_total", "Invalid aggregates"),
        }
    }

    /// Notes that a batch of attestations was signed; `signed` of `asked` got a signature.
    pub fn note_signing(&self, asked: usize, signed: usize, took: Duration) {
        let each = share(took, asked);
        for _ in 0..signed {
            self.signed.inc();
            self.signing_seconds.observe(each);
        }
    }

    /// Notes that the signatures of a batch of attestations were checked, with these results.
    pub fn note_checks(&self, verdicts: &[bool], took: Duration) {
        let each = share(took, verdicts.len());
        for verdict in verdicts {
            if *verdict {
                self.valid.inc()
            } else {
                self.invalid.inc()
            };
            self.verification_seconds.observe(each);
        }
    }

    /// Notes that an aggregate over this many attestations was made.
    pub fn note_aggregate(&self, attestations: usize, took: Duration) {
        self.aggregated.inc();
        self.aggregated_attestations.inc_by(attestations as u64);
        self.building_seconds.observe(took.as_secs_f64());
    }

    /// Notes that an aggregate was checked.
    pub fn note_aggregate_check(&self, is_valid: bool, took: Duration) {
        if is_valid {
            self.aggregated_valid.inc()
        } else {
            self.aggregated_invalid.inc()
        };
        self.aggregated_verification_seconds.observe(took.as_secs_f64());
    }

    /// Notes that a block's proof was checked.
    pub fn note_block_check(&self, took: Duration) {
        self.block_verification_seconds.observe(took.as_secs_f64());
    }
}

/// The time of a batch divided by its size, in seconds.
fn share(took: Duration, count: usize) -> f64 {
    let count = count.max(1) as f64;
    took.as_secs_f64() / count
}
