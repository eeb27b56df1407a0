//! Metrics of duties and of signatures.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::handles::{Labelled, Registrar, set_counter};
use crate::duties::{Duty, DutyCounts, MissReason, SignerStatus};

/// Metrics of duties and of signatures.
#[derive(Clone, Debug)]
pub struct DutyMetrics {
    done: Labelled<1, Counter>,
    missed: Labelled<2, Counter>,
    signatures: Labelled<1, Counter>,
    keys: Gauge,
    key_bytes: Gauge,
    prepared_until: Gauge,
    lifetime_until: Gauge,
    windows: Counter,
    waits: Counter,
}

/// The results of requests to the guard. All but the first two are refusals.
const SIGNATURES: [&str; 5] = ["signed", "repeated", "conflicting", "too_old", "unrecorded"];

impl DutyMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        let missed = Duty::ALL.into_iter().flat_map(|duty| {
            MissReason::ALL.map(|reason| [("duty", duty.name()), ("reason", reason.name())])
        });
        Self {
            done: r.counters(
                "quintet_duties_done_total",
                "Duties done; an attestation counts for each validator",
                Duty::ALL.map(|duty| [("duty", duty.name())]),
            ),
            missed: r.counters(
                "quintet_duties_missed_total",
                "Duties missed or held back; an attestation counts for each validator",
                missed,
            ),
            signatures: r.counters(
                "quintet_signing_requests_total",
                "Requests for signatures, by what the guard did with them",
                SIGNATURES.map(|outcome| [("outcome", outcome)]),
            ),
            keys: r.gauge("quintet_keys", "Secret keys in memory"),
            key_bytes: r.gauge("quintet_keys_bytes", "Bytes that the keys' trees take"),
            prepared_until: r.gauge(
                "quintet_keys_prepared_until_slot",
                "The first slot for which some key is not prepared yet",
            ),
            lifetime_until: r.gauge(
                "quintet_keys_lifetime_until_slot",
                "The first slot for which some key can never sign",
            ),
            windows: r.counter(
                "quintet_key_windows_advanced_total",
                "Windows of keys that were moved in the background",
            ),
            waits: r.counter(
                "quintet_key_window_waits_total",
                "Signatures that had to wait for a key's window",
            ),
        }
    }

    /// Copies the counts since the node began.
    pub fn set_counts(&self, counts: &DutyCounts) {
        let done = [counts.proposed, counts.attested, counts.aggregated];
        for (duty, count) in Duty::ALL.into_iter().zip(done) {
            set_counter(&self.done.get_or_create(&[("duty", duty.name())]), count);
            for reason in MissReason::ALL {
                let labels = [("duty", duty.name()), ("reason", reason.name())];
                let count = counts.missed_for(duty, reason);
                set_counter(&self.missed.get_or_create(&labels), count);
            }
        }
    }

    /// Copies the status of the signer.
    pub fn set_signer(&self, status: &SignerStatus) {
        let signed =
            [status.signed, status.repeated, status.conflicting, status.too_old, status.unrecorded];
        for (outcome, count) in SIGNATURES.into_iter().zip(signed) {
            set_counter(&self.signatures.get_or_create(&[("outcome", outcome)]), count);
        }
        let slot = |slot| i64::try_from(slot).unwrap_or(i64::MAX);
        self.keys.set(i64::try_from(status.keys).unwrap_or(i64::MAX));
        self.key_bytes.set(i64::try_from(status.memory_bytes).unwrap_or(i64::MAX));
        self.prepared_until.set(slot(status.prepared_until));
        self.lifetime_until.set(slot(status.lifetime_until));
        set_counter(&self.windows, status.advanced);
        set_counter(&self.waits, status.waited);
    }
}
