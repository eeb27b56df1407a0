//! The network: libp2p on a separate thread, with bounded lanes to the world and one bounded
//! channel back.
//!
//! The thread owns the swarm and all records of peers. It decodes messages and offers them to the
//! world's lanes. The world's decisions are sent back through one channel at the end of every
//! update. The world never waits for the thread.

mod addresses;
mod behaviour;
mod bootnode;
mod bootnodes;
pub mod codec;
mod config;
mod counters;
mod failure;
mod gate;
mod gossip;
mod metrics;
mod node;
pub(crate) mod peers;
pub(crate) mod requests;
pub(crate) mod scoring;
pub(crate) mod serve;
mod streams;
mod substreams;
mod tasks;
pub(crate) mod thread;
mod udp;

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bevy_app::{App, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    duties::{AttestationProduced, BLOCKS_LOG, BlockProduced},
    messages::{AggregateProduced, InputJudged},
    metrics::{Metrics, MetricsRegistry},
    network::{MeshPeers, NetworkCommand, PeerId, RequestEvent, RequestFailure},
    schedule::NodeSystems,
    storage::Blocks,
};

use crate::{
    EndReason, InboundLanes,
    needs::{Need, has_all},
    vital::VitalThreads,
};
pub use bootnode::{Bootnode, BootnodeError};
pub use codec::{
    identity::KeyError,
    key::{KeyFileError, NodeKey},
    record::{NodeRecord, RecordError},
};
#[cfg(feature = "sim")]
pub(crate) use config::BAN_TIME;
pub use config::{
    DEFAULT_FORK_DIGEST, MAX_BOOTNODES, MAX_COMMITTEES, NetworkConfig, NetworkError, Rate, Rates,
    Redial, Timeouts,
};
pub use counters::{Counter, Counters, GossipCounters, NetworkCounters, RequestCounters};
pub use substreams::RequestKind;

use self::{
    gossip::Content,
    metrics::NetworkCollector,
    thread::{NetworkThread, Outbound},
};

/// The identity and address of this node in the network.
#[derive(Resource, Clone, Debug, PartialEq, Eq)]
pub struct LocalNode {
    /// Its id.
    pub peer: PeerId,
    /// The address that it listens on, with the port that was assigned.
    pub listen: SocketAddr,
    /// Its signed record, if the address at which others reach it is known.
    pub record: Option<String>,
}

impl LocalNode {
    /// The multiaddr of `listen`, with the peer id.
    pub fn address(&self) -> String {
        let version = if self.listen.is_ipv4() { "ip4" } else { "ip6" };
        let (ip, port) = (self.listen.ip(), self.listen.port());
        format!("/{version}/{ip}/udp/{port}/quic-v1/p2p/{}", self.peer)
    }
}

/// Connects the node to others. Must be added after `InboundPlugin`; [`Blocks`] may come from any
/// plugin. If the node cannot listen, the app exits with an error.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`LocalNode`], [`NetworkCounters`], [`MeshPeers`] | [`Metrics`], [`InboundLanes`], [`Blocks`], [`NetworkCommand`], [`InputJudged`], [`BlockProduced`], [`AttestationProduced`], [`AggregateProduced`] | the inbound lanes, [`RequestEvent`] |
#[derive(Debug)]
pub struct NetworkPlugin {
    /// The settings of the network.
    pub config: NetworkConfig,
}

/// The metrics that the thread uses.
#[derive(Clone)]
struct Measures {
    counters: Arc<Counters>,
    metrics: Metrics,
    mesh: MeshPeers,
}

/// The store of blocks for the thread; set once all plugins are built.
#[derive(Resource)]
pub(crate) struct ServedBlocks(Arc<OnceLock<Blocks>>);

impl Plugin for NetworkPlugin {
    fn build(&self, app: &mut App) {
        if !has_all(app, "NetworkPlugin", &[Need::resource::<InboundLanes>("InboundPlugin")]) {
            return;
        }
        let lanes = app.world().resource::<InboundLanes>().clone();
        let counters = NetworkCounters::default();
        let blocks = Arc::new(OnceLock::new());
        let measures = Measures {
            counters: Arc::clone(&counters.0),
            metrics: Metrics::of(app.world()),
            mesh: MeshPeers::default(),
        };
        let mesh = measures.mesh.clone();
        if let Some(registry) = app.world().get_resource::<MetricsRegistry>() {
            registry.register_collector(NetworkCollector(Arc::clone(&counters.0)));
        }
        let vital = VitalThreads::of(app.world_mut()).watch("network");
        let config = self.config.clone();
        let started = thread::start(config, lanes, measures, Arc::clone(&blocks), vital);
        let (thread, local) = match started {
            Ok(started) => started,
            Err(error) => {
                EndReason::end(app.world_mut(), error.to_string());
                return;
            }
        };
        app.add_message::<NetworkCommand>()
            .add_message::<InputJudged>()
            .add_message::<BlockProduced>()
            .add_message::<AttestationProduced>()
            .add_message::<AggregateProduced>()
            .insert_resource(thread)
            .insert_resource(ServedBlocks(blocks))
            .insert_resource(counters)
            .insert_resource(mesh)
            .insert_resource(local)
            .add_systems(
                PostUpdate,
                (send_verdicts, publish, send_commands).chain().in_set(NodeSystems::Flush),
            );
    }

    fn finish(&self, app: &mut App) {
        let world = app.world();
        if let (Some(served), Some(blocks)) =
            (world.get_resource::<ServedBlocks>(), world.get_resource::<Blocks>())
        {
            let _ = served.0.set(blocks.clone());
        }
    }
}

/// Tells gossip the verdicts on its messages.
fn send_verdicts(thread: Res<NetworkThread>, mut judged: MessageReader<InputJudged>) {
    for InputJudged { id, verdict } in judged.read() {
        if !id.is_requested() {
            thread.send(Outbound::Verdict(*id, verdict.clone()));
        }
    }
}

/// Publishes what this node made: blocks first, because they are the most urgent.
fn publish(
    thread: Res<NetworkThread>,
    mut blocks: MessageReader<BlockProduced>,
    mut aggregates: MessageReader<AggregateProduced>,
    mut attestations: MessageReader<AttestationProduced>,
) {
    for BlockProduced(block) in blocks.read() {
        tracing::debug!(target: BLOCKS_LOG, slot = block.block.slot, "block published");
        thread.send(Outbound::Publish(Content::Block(Arc::clone(block))));
    }
    for AggregateProduced(aggregate) in aggregates.read() {
        thread.send(Outbound::Publish(Content::Aggregate(Arc::clone(aggregate))));
    }
    for AttestationProduced(attestation) in attestations.read() {
        thread.send(Outbound::Publish(Content::Attestation(Arc::clone(attestation))));
    }
}

/// Passes commands on. A request for which there is no room ends at once.
fn send_commands(
    thread: Res<NetworkThread>,
    mut commands: MessageReader<NetworkCommand>,
    mut events: MessageWriter<RequestEvent>,
) {
    for command in commands.read() {
        let sent = thread.send(Outbound::Command(command.clone()));
        if let (false, NetworkCommand::Request { id, .. }) = (sent, command) {
            let result = Err(RequestFailure::Disconnected);
            events.write(RequestEvent::Ended { id: *id, result });
        }
    }
}

#[cfg(test)]
mod tests {
    use bevy_ecs::{message::Messages, system::RunSystemOnce};
    use quintet_components::{
        containers::Status,
        network::{Request, RequestId},
    };

    use super::*;

    #[test]
    fn a_request_for_which_there_is_no_room_ends_at_once() {
        let mut world = World::new();
        let counters = Arc::new(Counters::default());
        world.insert_resource(NetworkThread::unheard(Arc::clone(&counters)));
        world.init_resource::<Messages<NetworkCommand>>();
        world.init_resource::<Messages<RequestEvent>>();
        let (id, peer) = (RequestId(7), "somebody".into());
        let request = Request::Status(Status::default());
        world.write_message(NetworkCommand::Cancel(id));
        world.write_message(NetworkCommand::Request { id, peer, request });
        world.run_system_once(send_commands).expect("runs");
        let events: Vec<_> = world.resource_mut::<Messages<RequestEvent>>().drain().collect();
        assert!(
            matches!(
                events.as_slice(),
                [RequestEvent::Ended {
                    id: RequestId(7),
                    result: Err(RequestFailure::Disconnected)
                }]
            ),
            "{events:?}"
        );
        assert_eq!(counters.outbound_dropped.get(), 2);
    }
}
