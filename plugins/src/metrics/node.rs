//! Metrics of the node itself, its keys, and its warnings.

use std::time::{SystemTime, UNIX_EPOCH};

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig,
    chain::IsAggregator,
    clock::CurrentInterval,
    duties::{DutyCounts, Signing},
    metrics::Metrics,
    snapshot::NodeIdentity,
    storage::StorageHealth,
    warnings::Warnings,
};

use super::chain::gauge;

/// Sets when the process began, and its version.
pub(super) fn set_start(metrics: &Metrics) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics.node.start_time_seconds.set(gauge(since.as_secs()));
    metrics.node.set_info("quintet", env!("CARGO_PKG_VERSION"));
}

/// Sets the node's name, once it is known.
pub(super) fn show_identity(metrics: Res<Metrics>, identity: Option<Res<NodeIdentity>>) {
    let Some(identity) = identity.filter(DetectChanges::is_changed) else { return };
    if !identity.name.is_empty() {
        metrics.node.set_info(&identity.name, &identity.version);
    }
    if identity.start_time_ms > 0 {
        metrics.node.start_time_seconds.set(gauge(identity.start_time_ms / 1000));
    }
}

/// Sets the node's role, validators and duties, and once per slot the status of its keys.
pub(super) fn show_node(
    metrics: Res<Metrics>,
    is_aggregator: Option<Res<IsAggregator>>,
    config: Option<Res<AggregationConfig>>,
    signing: Option<Res<Signing>>,
    (now, counts): (Option<Res<CurrentInterval>>, Option<Res<DutyCounts>>),
    mut shown_slot: Local<Option<u64>>,
) {
    metrics.node.is_aggregator.set(i64::from(is_aggregator.is_some_and(|role| role.0)));
    if let Some(counts) = counts.filter(DetectChanges::is_changed) {
        metrics.duties.set_counts(&counts);
    }
    let slot = now.map(|now| now.slot());
    if slot == *shown_slot && !signing.as_ref().is_some_and(DetectChanges::is_changed) {
        return;
    }
    *shown_slot = slot;
    let validators = signing.as_ref().map(|signing| signing.0.validators()).unwrap_or_default();
    metrics.node.validators.set(gauge(validators.len()));
    if let Some(config) = config {
        let committees = config.committee_count.max(1);
        let own = validators.first().map(|index| index % committees);
        let subnet = own.or_else(|| config.expected_subnets().first().copied());
        metrics.node.committee_count.set(gauge(committees));
        metrics.node.committee_subnet.set(gauge(subnet.unwrap_or(0)));
    }
    if let Some(status) = signing.and_then(|signing| signing.0.key_status()) {
        metrics.duties.set_signer(&status);
    }
}

/// Sets the status of the store, and the warnings.
pub(super) fn show_storage_and_warnings(
    metrics: Res<Metrics>,
    health: Option<Res<StorageHealth>>,
    warnings: Option<Res<Warnings>>,
) {
    if let Some(health) = health {
        metrics.storage.set_status(&health.status());
    }
    if let Some(warnings) = warnings.filter(DetectChanges::is_changed) {
        metrics.runtime.set_warnings(&warnings);
    }
}
