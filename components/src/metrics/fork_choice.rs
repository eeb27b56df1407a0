//! Metrics of the head, attestations and pools.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::handles::{Registrar, WIDE_COUNTS, WIDE_SECONDS, WideHistogram};

/// Metrics of the head, attestations and pools.
#[derive(Clone, Debug)]
pub struct ForkChoiceMetrics {
    /// The head's slot.
    pub head_slot: Gauge,
    /// The clock's slot.
    pub current_slot: Gauge,
    /// The safe target's slot.
    pub safe_target_slot: Gauge,
    /// The slot of the newest justified checkpoint.
    pub justified_slot: Gauge,
    /// The slot of the finalized checkpoint.
    pub finalized_slot: Gauge,
    /// Signatures of single attestations in the pool.
    pub gossip_signatures: Gauge,
    /// Payloads that wait for acceptance.
    pub new_payloads: Gauge,
    /// Payloads that count.
    pub known_payloads: Gauge,
    /// Blocks in the tree.
    pub blocks: Gauge,
    /// Post-states in the cache.
    pub states: Gauge,
    block_seconds: WideHistogram,
    valid: Counter,
    invalid: Counter,
    validation_seconds: WideHistogram,
    reorgs: Counter,
    reorg_depth: WideHistogram,
    block_arrival_seconds: Histogram,
}

impl ForkChoiceMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        Self {
            head_slot: r.gauge("lean_head_slot", "Slot of the head"),
            current_slot: r.gauge("lean_current_slot", "Slot of the clock"),
            safe_target_slot: r.gauge("lean_safe_target_slot", "Slot of the safe target"),
            justified_slot: r
                .gauge("lean_latest_justified_slot", "Slot of the newest justified checkpoint"),
            finalized_slot: r
                .gauge("lean_latest_finalized_slot", "Slot of the finalized checkpoint"),
            gossip_signatures: r
                .gauge("lean_gossip_signatures", "Signatures of single attestations in the pool"),
            new_payloads: r.gauge(
                "lean_latest_new_aggregated_payloads",
                "Aggregates that wait for acceptance",
            ),
            known_payloads: r
                .gauge("lean_latest_known_aggregated_payloads", "Aggregates that count"),
            blocks: r.gauge("quintet_tree_blocks", "Blocks in the tree"),
            states: r.gauge("quintet_cached_states", "Post-states in the cache"),
            block_seconds: r.twins(
                "lean_fork_choice_block_processing_time_seconds",
                "Proof, transition and commit of a block",
                &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 1.25, 1.5, 2.0, 4.0],
                WIDE_SECONDS,
            ),
            valid: r
                .counter("lean_attestations_valid_total", "Attestations that passed validation"),
            invalid: r
                .counter("lean_attestations_invalid_total", "Attestations that failed validation"),
            validation_seconds: r.twins(
                "lean_attestation_validation_time_seconds",
                "Validating an attestation, without its signature",
                &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0],
                WIDE_SECONDS,
            ),
            reorgs: r
                .counter("lean_fork_choice_reorgs_total", "Times that the head left its chain"),
            reorg_depth: r.twins(
                "lean_fork_choice_reorg_depth",
                "Blocks that the head left behind",
                &[1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0, 50.0, 100.0],
                WIDE_COUNTS,
            ),
            block_arrival_seconds: r.histogram(
                "quintet_block_arrival_seconds",
                "From the beginning of a slot until its block arrived from the network",
                WIDE_SECONDS,
            ),
        }
    }

    /// Notes the time that a block's proof, transition and commit took together.
    pub fn note_block(&self, took: Duration) {
        self.block_seconds.observe(took.as_secs_f64());
    }

    /// Notes that an attestation or an aggregate was validated.
    pub fn note_validation(&self, is_valid: bool, took: Duration) {
        if is_valid {
            self.valid.inc()
        } else {
            self.invalid.inc()
        };
        self.validation_seconds.observe(took.as_secs_f64());
    }

    /// Notes the number of blocks that the head left behind; 0 is no reorganisation.
    pub fn note_head(&self, reorg_depth: u64) {
        if reorg_depth > 0 {
            self.reorgs.inc();
            self.reorg_depth.observe(reorg_depth as f64);
        }
    }

    /// Notes that a block of the current slot arrived this many milliseconds into it.
    pub fn note_arrival(&self, into_slot_ms: u64) {
        self.block_arrival_seconds.observe(Duration::from_millis(into_slot_ms).as_secs_f64());
    }
}
