//! A client of a real network that does not aggregate and says what is finalized.
//!
//! ```console
//! $ cargo run -- genesis --out network --nodes 4
//! $ cargo run --release --example own_client -- network quintet_0 data
//! ```

use bevy_app::{App, AppExit, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet::{
    Client, ClientError,
    components::{messages::FinalizedAdvanced, schedule::NodeSystems},
    plugins::AggregationPlugin,
};

struct FinalityPlugin;

impl Plugin for FinalityPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(PostUpdate, tell_finality.in_set(NodeSystems::Flush));
    }
}

fn tell_finality(mut advanced: MessageReader<FinalizedAdvanced>) {
    for FinalizedAdvanced(checkpoint) in advanced.read() {
        println!("finalized slot {}: {}", checkpoint.slot, checkpoint.root);
    }
}

/// The client; its keys sign through the durable guard.
pub(crate) fn own_client(network: &str, node: &str, data: &str) -> Client {
    Client::from_network_dir(network)
        .node_id(node)
        .data_dir(data)
        .plugins(|group| group.disable::<AggregationPlugin>().add(FinalityPlugin))
}

fn main() -> Result<AppExit, ClientError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [network, node, data] = arguments.as_slice() else {
        eprintln!("own_client NETWORK-DIR NODE-ID DATA-DIR");
        return Ok(AppExit::error());
    };
    own_client(network, node, data).run()
}
