//! A network within one process: messages of a node are offered to the lanes of the others.

use std::sync::{Arc, Mutex, PoisonError};

use bevy_app::{App, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    duties::{AttestationProduced, BlockProduced},
    messages::{AggregateProduced, AggregateReceived, AttestationReceived, BlockReceived, InputId},
    network::PeerId,
    schedule::NodeSystems,
};

use crate::{
    InboundLanes,
    needs::{Need, has_all},
};

/// The lanes of every node that has joined, in order of joining.
#[derive(Resource, Clone, Debug, Default)]
pub struct LoopbackHub(Arc<Mutex<Vec<InboundLanes>>>);

impl LoopbackHub {
    fn join(&self, lanes: InboundLanes) -> usize {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.push(lanes);
        nodes.len() - 1
    }

    fn others(&self, me: usize) -> Vec<InboundLanes> {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.iter().enumerate().filter(|(node, _)| *node != me).map(|(_, n)| n.clone()).collect()
    }
}

/// Joins the node to the hub and passes its messages on. A full lane drops messages, like a
/// network.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | | [`BlockProduced`], [`AttestationProduced`], [`AggregateProduced`], [`InboundLanes`] | the other nodes' lanes |
#[derive(Debug)]
pub struct LoopbackPlugin {
    /// The network to join.
    pub hub: LoopbackHub,
}

#[derive(Resource)]
struct Joined {
    hub: LoopbackHub,
    node: usize,
    /// The name of this node for the others.
    name: PeerId,
    sent: u64,
}

impl Plugin for LoopbackPlugin {
    fn build(&self, app: &mut App) {
        if !has_all(app, "LoopbackPlugin", &[Need::resource::<InboundLanes>("InboundPlugin")]) {
            return;
        }
        let lanes = app.world().resource::<InboundLanes>().clone();
        let node = self.hub.join(lanes);
        let name = PeerId::from(&*format!("node {node}"));
        app.add_message::<BlockProduced>()
            .add_message::<AttestationProduced>()
            .add_message::<AggregateProduced>()
            .insert_resource(Joined { hub: self.hub.clone(), node, name, sent: 0 })
            .add_systems(PostUpdate, pass_on.in_set(NodeSystems::Flush));
    }
}

fn pass_on(
    mut joined: ResMut<Joined>,
    mut blocks: MessageReader<BlockProduced>,
    mut attestations: MessageReader<AttestationProduced>,
    mut aggregates: MessageReader<AggregateProduced>,
) {
    let others = joined.hub.others(joined.node);
    let me = joined.name.clone();
    // Two nodes never use the same id.
    let names = (joined.node as u64) << 32;
    let mut id = || {
        joined.sent += 1;
        InputId(names | joined.sent)
    };
    for BlockProduced(block) in blocks.read() {
        let received = BlockReceived::new(id(), Arc::clone(block)).sent_by(me.clone());
        others.iter().for_each(|node| _ = node.blocks.offer(received.clone()));
    }
    for AggregateProduced(aggregate) in aggregates.read() {
        let received = AggregateReceived::new(id(), Arc::clone(aggregate)).sent_by(me.clone());
        others.iter().for_each(|node| _ = node.aggregates.offer(received.clone()));
    }
    for AttestationProduced(attestation) in attestations.read() {
        let received = AttestationReceived::new(id(), Arc::clone(attestation)).sent_by(me.clone());
        others.iter().for_each(|node| _ = node.attestations.offer(received.clone()));
    }
}
