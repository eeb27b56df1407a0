//! Lanes from other threads into the world.

use bevy_app::{App, Plugin, PreUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    lane::{Lane, LaneSender},
    messages::{AggregateReceived, AttestationReceived, BlockReceived, InputJudged},
    network::{PeerEvent, RequestEvent, RequestReceived},
    schedule::NodeSystems,
    waker::NodeWaker,
};

use crate::needs::{Need, has_all};

/// The sending ends of the lanes: clones go to the threads that decode what arrives.
#[derive(Resource, Clone, Debug)]
pub struct InboundLanes {
    /// Blocks: at most 256 wait, 16 per update.
    pub blocks: LaneSender<BlockReceived>,
    /// Aggregates: at most 512 wait, 64 per update.
    pub aggregates: LaneSender<AggregateReceived>,
    /// Single attestations: at most 8192 wait, 512 per update. They wait for others until the
    /// runner's lull is over.
    pub attestations: LaneSender<AttestationReceived>,
    /// Connections: at most 1024 wait, 256 per update. The network waits when it is full.
    pub peers: LaneSender<PeerEvent>,
    /// Answers to the node's requests: at most 64 wait, 64 per update. When it is full, the network
    /// waits and stops reading from the peer.
    pub request_events: LaneSender<RequestEvent>,
    /// Requests of peers: at most 256 wait, 64 per update.
    pub requests: LaneSender<RequestReceived>,
}

/// One lane for each kind of inbound item, so that no kind takes another's place. Blocks are read
/// before aggregates, aggregates before attestations, and attestations before events of peers and
/// requests.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`InboundLanes`], a [`Lane`] per kind, their messages | [`NodeWaker`] | [`BlockReceived`], [`AggregateReceived`], [`AttestationReceived`], [`PeerEvent`], [`RequestEvent`], [`RequestReceived`] |
#[derive(Debug)]
pub struct InboundPlugin;

impl Plugin for InboundPlugin {
    fn build(&self, app: &mut App) {
        if !has_all(app, "InboundPlugin", &[Need::resource::<NodeWaker>("RunnerPlugin")]) {
            return;
        }
        let lanes = InboundLanes {
            blocks: add_lane(app, 256, 16),
            aggregates: add_lane(app, 512, 64),
            attestations: add_lane(app, 8192, 512).patient(),
            peers: add_lane(app, 1024, 256),
            request_events: add_lane(app, 64, 64),
            requests: add_lane(app, 256, 64),
        };
        app.insert_resource(lanes).add_message::<InputJudged>().add_systems(
            PreUpdate,
            (
                drain_lane::<BlockReceived>,
                drain_lane::<AggregateReceived>,
                drain_lane::<AttestationReceived>,
                drain_lane::<PeerEvent>,
                drain_lane::<RequestEvent>,
                drain_lane::<RequestReceived>,
            )
                .chain()
                .in_set(NodeSystems::Receive),
        );
    }
}

fn add_lane<M: Message>(app: &mut App, capacity: usize, budget: usize) -> LaneSender<M> {
    let waker = app.world().resource::<NodeWaker>().clone();
    let (sender, lane) = Lane::<M>::new(capacity, budget, waker);
    app.add_message::<M>().insert_resource(lane);
    sender
}

fn drain_lane<M: Message>(lane: Res<Lane<M>>, mut received: MessageWriter<M>) {
    received.write_batch(lane.drain());
}
