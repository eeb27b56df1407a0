//! Which attestation subnets the node listens to.

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig, chain::IsAggregator, network::NetworkCommand,
};

/// Subscribes to the node's subnets when it becomes an aggregator, and to none when it ceases to be
/// one: others need no attestations but their own.
pub fn follow_role(
    role: Res<IsAggregator>,
    config: Res<AggregationConfig>,
    mut followed: Local<Option<bool>>,
    mut commands: MessageWriter<NetworkCommand>,
) {
    // The network begins with the subnets that it is configured with.
    let before = followed.replace(role.0);
    if before.is_none_or(|before| before == role.0) {
        return;
    }
    let subnets = if role.0 { config.expected_subnets() } else { Vec::new() };
    commands.write(NetworkCommand::Subscribe(subnets.into()));
}
