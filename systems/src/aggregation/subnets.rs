//! Which attestation subnets the node listens to.

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig, chain::IsAggregator, network::NetworkCommand,
};

/// Subscribes to the node's subnets when it becomes an aggregator, and to none when it ceases to be
/// one: others need no votes but their own.
pub fn follow_role(
    role: Res<IsAggregator>,
    config: Res<AggregationConfig>,
    mut followed: Local<Option<bool>>,
    mut commands: MessageWriter<NetworkCommand>,
) {
    if *followed == Some(role.0) {
        return;
    }
    *followed = Some(role.0);
    let subnets = if role.0 { config.expected_subnets() } else { Vec::new() };
    commands.write(NetworkCommand::Subscribe(subnets.into()));
}
