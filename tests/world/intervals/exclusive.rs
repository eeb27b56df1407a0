//! The systems that take the whole world, counted.

use std::{collections::BTreeSet, sync::Arc};

use bevy_app::{App, PluginGroup};
use bevy_ecs::schedule::Schedules;
use quintet::{
    NodeConfig, NodePlugins,
    components::{duties::Signing, preset::SignaturePreset, waker::NodeWaker},
    plugins::{RunnerPlugin, keys::MemoryKeys},
};

use crate::support::{chain, mocked::MockedProofs};

/// The doc of each says why it takes the whole world: the walk runs schedules, and what a commit of
/// a block changes has to be seen by the next one.
const EXCLUSIVE: [&str; 3] = ["commit_imports", "commit_proposals", "walk_intervals"];

#[test]
fn the_exclusive_systems_of_a_node_are_these_and_no_others() {
    let anchor = chain::genesis(4);
    let config = NodeConfig {
        is_aggregator: true,
        signing: Some(Signing(Arc::new(MemoryKeys::new([])))),
        ..NodeConfig::new(anchor, SignaturePreset::Test, Arc::new(MockedProofs))
    };
    let mut app = App::new();
    app.insert_resource(NodeWaker::new().0)
        .add_plugins(NodePlugins::new(config).build().disable::<RunnerPlugin>());
    app.finish();
    app.cleanup();
    let mut exclusive = BTreeSet::new();
    let mut ordinary = 0;
    for (_, schedule) in app.world().resource::<Schedules>().iter() {
        for (_, each) in schedule.systems_with_access().expect("schedules are built at boot") {
            let name = each.system().name().to_string();
            if !name.starts_with("quintet") {
                // Bevy's own.
            } else if each.access().is_exclusive() {
                exclusive.insert(name.rsplit("::").next().unwrap_or(&name).to_owned());
            } else {
                ordinary += 1;
            }
        }
    }
    assert_eq!(exclusive, EXCLUSIVE.map(str::to_owned).into());
    assert!(ordinary > 60, "{ordinary} systems: are names still told?");
}
