//! Subscriptions to attestation subnets.

use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::AggregationConfig, chain::IsAggregator, network::NetworkCommand,
};

/// Subscribes to the subnets of the node's role when the role changes: always to those of its
/// validators, and to those that it aggregates while it is an aggregator.
pub fn follow_role(
    role: Res<IsAggregator>,
    config: Res<AggregationConfig>,
    mut followed: Local<Option<bool>>,
    mut commands: MessageWriter<NetworkCommand>,
) {
    // The network starts with the configured subnets.
    let before = followed.replace(role.0);
    if before.is_some_and(|before| before != role.0) {
        let subnets = config.subscribed_subnets(role.0);
        commands.write(NetworkCommand::Subscribe(subnets.into()));
    }
}

#[cfg(test)]
mod tests {
    use bevy_ecs::message::Messages;

    use super::*;

    #[test]
    fn a_change_of_role_keeps_the_validators_subnets() {
        let mut world = World::new();
        world.init_resource::<Messages<NetworkCommand>>();
        world.insert_resource(IsAggregator(false));
        world.insert_resource(AggregationConfig {
            committee_count: 4,
            subnets: vec![1, 3],
            validator_subnets: vec![1],
            ..AggregationConfig::default()
        });
        let mut follow = IntoSystem::into_system(follow_role);
        follow.initialize(&mut world);
        let mut subscribed = |is_aggregator| {
            world.insert_resource(IsAggregator(is_aggregator));
            follow.run((), &mut world).expect("its resources are installed");
            world.resource_mut::<Messages<NetworkCommand>>().drain().last()
        };
        let subnets = |subnets: &[u64]| Some(NetworkCommand::Subscribe(subnets.into()));
        assert_eq!(subscribed(false), None, "the network begins with them");
        assert_eq!(subscribed(true), subnets(&[1, 3]));
        assert_eq!(subscribed(true), None);
        assert_eq!(subscribed(false), subnets(&[1]));
    }
}
