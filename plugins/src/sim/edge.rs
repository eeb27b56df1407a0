//! The network plugin of a simulated node.

use std::sync::Arc;

use bevy_app::{App, Plugin, PostUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    containers::{SignedAggregatedAttestation, SignedAttestation, SignedBlock},
    duties::{AttestationProduced, BlockProduced},
    messages::{AggregateProduced, InputId, InputJudged, Verdict},
    network::{MeshPeers, NetworkCommand},
    schedule::NodeSystems,
};

/// The content of a gossip message.
#[derive(Clone, Debug)]
pub enum Content {
    /// A block.
    Block(Arc<SignedBlock>),
    /// An aggregate.
    Aggregate(Arc<SignedAggregatedAttestation>),
    /// One validator's attestation.
    Attestation(Arc<SignedAttestation>),
}

/// A request of a node to the network.
#[derive(Debug)]
pub(super) enum Outbound {
    Verdict(InputId, Verdict),
    Publish(Content),
    Command(NetworkCommand),
}

/// The node's requests since they were last taken, in order.
#[derive(Resource, Default)]
pub(super) struct Outbox(pub(super) Vec<Outbound>);

/// Replaces `NetworkPlugin`, and reads the same messages. Arriving messages come through the
/// inbound lanes.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | `Outbox`, [`MeshPeers`] | [`NetworkCommand`], [`InputJudged`], [`BlockProduced`], [`AttestationProduced`], [`AggregateProduced`] | `Outbox` |
#[derive(Debug)]
pub struct SimNetworkPlugin;

impl Plugin for SimNetworkPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Outbox>()
            .init_resource::<MeshPeers>()
            .add_message::<NetworkCommand>()
            .add_message::<InputJudged>()
            .add_message::<BlockProduced>()
            .add_message::<AttestationProduced>()
            .add_message::<AggregateProduced>()
            .add_systems(
                PostUpdate,
                (take_verdicts, take_produced, take_commands).chain().in_set(NodeSystems::Flush),
            );
    }
}

fn take_verdicts(mut outbox: ResMut<Outbox>, mut judged: MessageReader<InputJudged>) {
    let of_peers = judged.read().filter(|judged| !judged.id.is_requested());
    outbox.0.extend(of_peers.map(|judged| Outbound::Verdict(judged.id, judged.verdict.clone())));
}

/// The order is that of the network's plugin: blocks, aggregates, attestations.
fn take_produced(
    mut outbox: ResMut<Outbox>,
    mut blocks: MessageReader<BlockProduced>,
    mut aggregates: MessageReader<AggregateProduced>,
    mut attestations: MessageReader<AttestationProduced>,
) {
    let blocks = blocks.read().map(|each| Content::Block(Arc::clone(&each.0)));
    let aggregates = aggregates.read().map(|each| Content::Aggregate(Arc::clone(&each.0)));
    let attestations = attestations.read().map(|each| Content::Attestation(Arc::clone(&each.0)));
    let produced = blocks.chain(aggregates).chain(attestations);
    outbox.0.extend(produced.map(Outbound::Publish));
}

fn take_commands(mut outbox: ResMut<Outbox>, mut commands: MessageReader<NetworkCommand>) {
    outbox.0.extend(commands.read().cloned().map(Outbound::Command));
}
