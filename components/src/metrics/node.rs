//! Metrics of the node itself.

use prometheus_client::metrics::{family::Family, gauge::Gauge};

use super::handles::Registrar;

/// Metrics of the node itself, set when it starts and when its role changes.
#[derive(Clone, Debug)]
pub struct NodeMetrics {
    info: Family<[(&'static str, String); 2], Gauge>,
    /// The time at which it started, in Unix seconds.
    pub start_time_seconds: Gauge,
    /// Its validators.
    pub validators: Gauge,
    /// 1 if it aggregates, else 0.
    pub is_aggregator: Gauge,
    /// The attestation subnet of its validators.
    pub committee_subnet: Gauge,
    /// Attestation subnets of the network.
    pub committee_count: Gauge,
}

impl NodeMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        Self {
            info: r.add(
                "lean_node_info",
                "The node's name and version, always 1",
                Family::default(),
            ),
            start_time_seconds: r
                .gauge("lean_node_start_time_seconds", "When the node started, Unix time"),
            validators: r.gauge("lean_validators_count", "Validators of this node"),
            is_aggregator: r.gauge("lean_is_aggregator", "1 if the node aggregates"),
            committee_subnet: r
                .gauge("lean_attestation_committee_subnet", "The subnet that the node attests on"),
            committee_count: r
                .gauge("lean_attestation_committee_count", "Attestation subnets of the network"),
        }
    }

    /// Sets the node's name and version.
    pub fn set_info(&self, name: &str, version: &str) {
        self.info.clear();
        let labels = [("name", name.to_owned()), ("version", version.to_owned())];
        self.info.get_or_create(&labels).set(1);
    }
}
